package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// beginWriting has the kernel begin to write a range to disk.
func beginWriting(f *os.File, off, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), off, n, unix.SYNC_FILE_RANGE_WRITE)
}
