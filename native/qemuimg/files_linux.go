package qemuimg

import (
	"errors"
	"fmt"
	"math"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// readOnly returns the file open for reading only: qemu-img is not to hold a
// descriptor by which it could write to the source.
func readOnly(f *os.File) (_ *os.File, closeIt func(), err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	var again *os.File
	var inner error
	err = conn.Control(func(fd uintptr) {
		var flags int
		if flags, inner = unix.FcntlInt(fd, unix.F_GETFL, 0); inner != nil || flags&unix.O_ACCMODE == unix.O_RDONLY {
			return
		}
		again, inner = os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
	})
	if err := errors.Join(err, inner); err != nil {
		return nil, nil, fmt.Errorf("open %s for reading only: %w", f.Name(), err)
	}
	if again == nil {
		return f, func() {}, nil
	}
	return again, func() { again.Close() }, nil
}

// stored returns the bytes of a file that are stored; what a device stores is
// not known, and its size unknown to Stat: all of it, for the caller to cap.
func stored(info os.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok && info.Mode().IsRegular() {
		return st.Blocks * 512 // stat(2): st_blocks is in units of 512 bytes
	}
	return math.MaxInt64
}

// sizeError types the error of giving the output its size.
func sizeError(output *os.File, err error) error {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return &NoSpaceError{Path: output.Name(), Err: err}
	case errors.Is(err, unix.EFBIG):
		return &ToolError{Tool: "qemu-img", Op: "convert", ExitCode: -1, Limit: LimitFileSize, Stderr: err.Error()}
	}
	return err
}
