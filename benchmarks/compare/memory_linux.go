package main

import (
	"bufio"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Bytes: what is left of the memory that is free, as the page cache would be
// given up for more, and with it the source, to be read from disk again; what
// is left of what could be had; and the most that is taken.
const (
	leftFree  = 512 << 20
	leftOver  = 1 << 30
	mostTaken = 6 << 30
)

// takeMemory has the machine hold the memory that is free before a tool fills
// it. A virtual machine gives back what has been free for a second, and then
// every page costs a fault in its host: a second or two for 1 GiB, which would
// be added to whichever side meets it. Of a machine with much more than 6 GiB
// free, some may still be the host's.
func takeMemory() {
	free, available := memory()
	size := min(free-leftFree, available-leftOver, mostTaken)
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

// memory returns what is free, and what could be had, in bytes
// (proc_meminfo(5)); zero where that cannot be told.
func memory() (free, available int64) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var name string
		var kib int64
		if n, _ := fmt.Sscan(lines.Text(), &name, &kib); n < 2 {
			continue
		}
		switch name {
		case "MemFree:":
			free = kib << 10
		case "MemAvailable:":
			available = kib << 10
		}
	}
	return free, available
}
