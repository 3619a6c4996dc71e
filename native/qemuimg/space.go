package qemuimg

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// A NoSpaceError says that the file system of the output is full, or the
// quota used up; or, before anything was written, that it would be. It wraps
// the errno, ENOSPC or EDQUOT.
type NoSpaceError struct {
	Path       string // the output, as its file is named
	MountPoint string // of its file system; empty where that is not known
	// Needed and Free are bytes, if this was found out before: Needed is the
	// most that the output was taken to need. Both are zero otherwise.
	Needed, Free int64
	Err          error
}

// NewNoSpaceError returns the error of a write to a file that failed with this
// errno.
func NewNoSpaceError(output *os.File, errno error) *NoSpaceError {
	return &NoSpaceError{Path: output.Name(), MountPoint: mountPoint(output), Err: errno}
}

// noRoom are the errnos of a write for which there is no room.
var noRoom = []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT}

// TypeNoSpace gives the error of a write to a file the type *NoSpaceError, if
// that is what it says and it has not got it; any other it returns as it is.
func TypeNoSpace(output *os.File, err error) error {
	if _, typed := errors.AsType[*NoSpaceError](err); typed {
		return err
	}
	for _, errno := range noRoom {
		if errors.Is(err, errno) {
			return NewNoSpaceError(output, errno)
		}
	}
	return err
}

// Error implements error.
func (e *NoSpaceError) Error() string {
	where := ""
	if e.MountPoint != "" {
		where = fmt.Sprintf(" (the file system at %s)", e.MountPoint)
	}
	if e.Needed > 0 {
		return fmt.Sprintf("write %s: %d bytes are needed, and %d are free: %v%s", e.Path, e.Needed, e.Free, e.Err, where)
	}
	return fmt.Sprintf("write %s: %v%s", e.Path, e.Err, where)
}

// Hint says what to do about it.
func (e *NoSpaceError) Hint() string {
	return "free space there, or choose a destination on another file system"
}

// Unwrap returns the errno.
func (e *NoSpaceError) Unwrap() error { return e.Err }

// CheckSpace fails with a *NoSpaceError unless the file system of an output
// has more bytes free than are needed: what must fail is better not begun.
func CheckSpace(output *os.File, needed int64) error {
	free, err := freeSpace(output)
	if err != nil {
		return err
	}
	if needed > 0 && free <= needed {
		e := NewNoSpaceError(output, syscall.ENOSPC)
		e.Needed, e.Free = needed, free
		return e
	}
	return nil
}

// needed returns the most that an output's data can take, in bytes. What
// stores zeros too takes the size of the disk; anything else no more than the
// source stores, whose zeros are not looked for. A compressed source holds
// more than it stores, and how much is not known; nor is what compressing an
// output will save. Tables are not counted: they are a thousandth.
func (o *ConvertOptions) needed(to *target, stored, size int64) int64 {
	if to.stores(o) {
		return size
	}
	return min(stored, size)
}

// stores tells whether an output stores what is zero too.
func (t *target) stores(o *ConvertOptions) bool {
	whole := o.SparseSize != nil && *o.SparseSize == 0
	switch o.Options["preallocation"] {
	case "falloc", "full":
		whole = true
	}
	// Zeros that are encrypted are none.
	return whole || t.name == TargetLUKS || o.Subformat == "fixed" || o.Subformat == "static"
}

// spaceError returns the error of a full disk if this is why a call failed.
//
// Mostly qemu-img says so. Of a VMDK it says that a write was invalid, or
// nothing and ends by a signal (7.2); then what is left on the file system
// tells.
func spaceError(output *os.File, failed *ToolError) *NoSpaceError {
	if failed.Limit != "" {
		return nil
	}
	if errno := noSpace(failed.Stderr); errno != nil {
		return NewNoSpaceError(output, errno)
	}
	if isFull(output) {
		return NewNoSpaceError(output, fmt.Errorf("%w (%v)", syscall.ENOSPC, failed))
	}
	return nil
}

// largestWrite is what a file system that is full may have left, in bytes: less
// than what qemu-img writes at a time. A grain of a VMDK that deflate cannot
// make smaller is a little more than 64 KiB.
const largestWrite = 128 << 10

// isFull tells whether the file system of a regular file has no room for
// another write.
func isFull(file *os.File) bool {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	free, err := freeSpace(file)
	return err == nil && free < largestWrite
}

// noSpace returns the errno of a full disk if it is what a tool said.
func noSpace(stderr string) error {
	for _, errno := range noRoom {
		text := errno.Error() // Go's texts are the C library's, in lower case
		if strings.Contains(strings.ToLower(stderr), text) {
			return errno
		}
	}
	return nil
}
