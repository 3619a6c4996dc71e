package qemuimg

import (
	"errors"
	"fmt"
	"os"

	"github.com/assay-dev/assay/internal/openfile"
	"golang.org/x/sys/unix"
)

// readOnly opens a file again, for reading only. It must be closed.
func readOnly(f *os.File) (again *os.File, err error) {
	err = openfile.Control(f, func(fd int) (err error) {
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
	err := openfile.Control(f, func(fd int) (err error) {
		flags, err = unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		return err
	})
	return err != nil || flags&unix.O_ACCMODE != unix.O_RDONLY
}

// sizeError types the error of giving the output its size.
func sizeError(output *os.File, err error) error {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return NewNoSpaceError(output, err)
	case errors.Is(err, unix.EFBIG):
		return &ToolError{Tool: "qemu-img", Op: "convert", ExitCode: -1, Limit: LimitFileSize, Stderr: err.Error()}
	}
	return err
}
