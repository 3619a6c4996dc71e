package blockcopy

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// huge is the size of a huge page, in bytes, on most processors. Where it is
// another one, the memory is of small pages.
const huge = 2 << 20

// newBuffers returns buffers of a chunk each, and what frees them. They are of
// huge pages where the system has some: a disk is told of each piece of memory
// by itself, and of small pages, which lie anywhere, no more than 254 at a time
// (virtio-blk). Each is aligned to a chunk, so to whatever O_DIRECT asks.
func newBuffers(n int) (buffers [][]byte, free func(), err error) {
	all, err := unix.Mmap(-1, 0, n*chunk+huge, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, nil, os.NewSyscallError("mmap", err)
	}
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(all))) & (huge - 1)
	aligned := all[skip:][:n*chunk]
	_ = unix.Madvise(aligned, unix.MADV_HUGEPAGE)
	for at := 0; at < len(aligned); at += chunk {
		buffers = append(buffers, aligned[at:][:chunk:chunk])
	}
	return buffers, func() { _ = unix.Munmap(all) }, nil
}
