// Package directio tells whether a file can be read and written past the page
// cache (O_DIRECT), and how that must be aligned.
//
// open(2) promises little: a file system may refuse the flag, take it and fail
// each read, or take it and use the cache all the same; and what must be
// aligned, and to how much, differs by file system, device and kernel. So the
// system is asked first (statx(2), STATX_DIOALIGN: Linux 6.1), and what it
// says is then tried by one read of the file. Where it says nothing, an
// alignment that suffices is assumed, and tried.
//
// Nothing is created, and nothing of a file is changed; where the system
// permits, not even the time of its last access. What is neither a regular
// file nor a block device is not opened.
//
// It does not tell whether the cache is really passed: tmpfs, which is all
// cache, takes O_DIRECT.
//
// It is a matter of Linux; elsewhere the error matches errors.ErrUnsupported.
package directio

import (
	"errors"
	"fmt"
)

// Alignment is what a read or a write past the page cache must be a multiple
// of: powers of two, in bytes.
type Alignment struct {
	Memory int // the address of the buffer (stx_dio_mem_align)
	Offset int // the offset in the file, and the length (stx_dio_offset_align)
}

// An UnavailableError says that a file can not be read and written past the
// page cache. It matches errors.ErrUnsupported.
type UnavailableError struct {
	Path   string
	Reason string
	Err    error // of the system; may be nil
}

// Error implements error.
func (e *UnavailableError) Error() string {
	text := fmt.Sprintf("direct i/o of %s: %s", e.Path, e.Reason)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the error of the system.
func (e *UnavailableError) Unwrap() error { return e.Err }

// Is reports whether target is errors.ErrUnsupported.
func (e *UnavailableError) Is(target error) bool { return target == errors.ErrUnsupported }
