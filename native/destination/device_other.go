//go:build !linux

package destination

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
)

// A Device is a block device being written.
type Device struct{}

// OpenDevice fails with an error that matches errors.ErrUnsupported.
func OpenDevice(path string, _ int64, _ os.FileInfo) (*Device, error) {
	return nil, fmt.Errorf("destination %s on %s: %w", path, runtime.GOOS, errors.ErrUnsupported)
}

// File returns nil.
func (d *Device) File() *os.File { return nil }

// Path returns the empty string.
func (d *Device) Path() string { return "" }

// Size returns 0.
func (d *Device) Size() int64 { return 0 }

// Clear fails with an error that matches errors.ErrUnsupported.
func (d *Device) Clear(context.Context) error { return errors.ErrUnsupported }

// Commit fails with an error that matches errors.ErrUnsupported.
func (d *Device) Commit(context.Context, int64, bool) error { return errors.ErrUnsupported }

// Abort does nothing.
func (d *Device) Abort() error { return nil }
