package qemuimg

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// readOnly opens a file again, for reading only. It must be closed.
func readOnly(f *os.File) (again *os.File, err error) {
	err = control(f, func(fd uintptr) (err error) {
		again, err = os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open %s for reading only: %w", f.Name(), err)
	}
	return again, nil
}

// writable tells whether something could be written by way of an open file.
func writable(f *os.File) bool {
	flags := 0
	err := control(f, func(fd uintptr) (err error) {
		flags, err = unix.FcntlInt(fd, unix.F_GETFL, 0)
		return err
	})
	return err != nil || flags&unix.O_ACCMODE != unix.O_RDONLY
}

// control calls a function with the descriptor of an open file.
func control(f *os.File, call func(fd uintptr) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := conn.Control(func(fd uintptr) { inner = call(fd) }); err != nil {
		return err
	}
	return inner
}

// allocated returns the bytes of a regular file that are stored.
func allocated(info os.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512 // stat(2): st_blocks is in units of 512 bytes
	}
	return info.Size()
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
