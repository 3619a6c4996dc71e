package destination

import (
	"errors"
	"fmt"
)

// A NotDeviceError says that what should be a block device is none. It matches
// errors.ErrUnsupported.
type NotDeviceError struct {
	Path string
	Kind string // "a folder", "a regular file"
}

// Error implements error.
func (e *NotDeviceError) Error() string {
	return fmt.Sprintf("destination %s is %s, not a block device", e.Path, e.Kind)
}

// Is reports whether target is errors.ErrUnsupported.
func (e *NotDeviceError) Is(target error) bool { return target == errors.ErrUnsupported }

// A BusyError says that a device is in use: mounted, part of another device,
// or opened by a program that wants it for itself.
type BusyError struct{ Path string }

// Error implements error.
func (e *BusyError) Error() string { return fmt.Sprintf("destination %s is in use", e.Path) }

// Hint says what to do about it.
func (e *BusyError) Hint() string { return "unmount it, or end what uses it" }

// A ReadOnlyError says that a device, or the file system of a file, cannot be
// written to.
type ReadOnlyError struct{ Path string }

// Error implements error.
func (e *ReadOnlyError) Error() string { return fmt.Sprintf("destination %s is read-only", e.Path) }

// A TooSmallError says that a device has no room for the image. Nothing was
// written to it.
type TooSmallError struct {
	Path   string
	Needed int64 // in bytes
	Size   int64 // of the device, in bytes
}

// Error implements error.
func (e *TooSmallError) Error() string {
	return fmt.Sprintf("destination %s has %d bytes, and the image needs %d", e.Path, e.Size, e.Needed)
}

// Hint says what to do about it.
func (e *TooSmallError) Hint() string { return "choose a larger device" }

// A SharedError says that a device is beneath the source or above it, so that
// writing to it would change the source: the disk of a partition, the device
// of a file system, a volume of a disk; or that a file is beneath it, which
// then would be nowhere: that of a loop device whose file system it is in.
type SharedError struct{ Path string }

// Error implements error.
func (e *SharedError) Error() string {
	return fmt.Sprintf("destination %s shares data with the source", e.Path)
}

// Hint says what to do about it.
func (e *SharedError) Hint() string { return "choose another destination: a source is never changed" }

// An Extent is a range of a device, in bytes.
type Extent struct{ Offset, Length int64 }

// A DirtyError says where a device may hold parts of an image that was not
// completed, since they could not be zeroed.
type DirtyError struct {
	Path   string
	Extent Extent
	Err    error
}

// Error implements error.
func (e *DirtyError) Error() string {
	return fmt.Sprintf("destination %s may hold parts of the image in %d bytes from offset %d, which could not be zeroed: %v",
		e.Path, e.Extent.Length, e.Extent.Offset, e.Err)
}

// Unwrap returns why it could not be zeroed.
func (e *DirtyError) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *DirtyError) Hint() string { return "do not use the device before it was overwritten" }
