//go:build !linux

package destination

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// A File is a destination being written.
type File struct{}

// Create fails with an error that matches errors.ErrUnsupported.
func Create(path string, _ Overwrite, _ os.FileInfo) (*File, error) {
	return nil, fmt.Errorf("destination %s on %s: %w", path, runtime.GOOS, errors.ErrUnsupported)
}

// File returns nil.
func (f *File) File() *os.File { return nil }

// Path returns the empty string.
func (f *File) Path() string { return "" }

// Commit fails with an error that matches errors.ErrUnsupported.
func (f *File) Commit() error { return errors.ErrUnsupported }

// Abort does nothing.
func (f *File) Abort() error { return nil }

// TakeAfter fails with an error that matches errors.ErrUnsupported.
func (f *File) TakeAfter(*os.File, ...string) error { return errors.ErrUnsupported }
