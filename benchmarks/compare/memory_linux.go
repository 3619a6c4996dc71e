package main

import "golang.org/x/sys/unix"

// Of the free memory, in bytes: what is left alone, and the most that is taken.
const (
	leftFree = 256 << 20
	mostFree = 6 << 30
)

// takeMemory has the machine hold the memory that is free before a tool fills
// it. A virtual machine gives back what has been free for a second, and then
// every page costs a fault in its host: a second or two for 1 GiB, which would
// be added to whichever side meets it. Of a machine with much more than 6 GiB
// free, some may still be the host's.
func takeMemory() {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return
	}
	size := min(int64(info.Freeram)*int64(info.Unit)-leftFree, mostFree)
	if size <= 0 {
		return
	}
	p, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return
	}
	defer unix.Munmap(p)
	_ = unix.Madvise(p, unix.MADV_POPULATE_WRITE)
}
