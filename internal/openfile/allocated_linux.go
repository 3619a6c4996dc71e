package openfile

import (
	"os"
	"syscall"
)

// Allocated returns the bytes of a regular file that are stored, and are no
// holes.
func Allocated(info os.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512 // stat(2): st_blocks is in units of 512 bytes
	}
	return info.Size()
}
