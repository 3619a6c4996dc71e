package destination

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// A Device is a block device being written: all of it, from its start. It is
// ended by Commit or Abort, and is not safe for concurrent use.
type Device struct {
	path   string // for messages
	file   *os.File
	size   int64 // in bytes; whole sectors
	sector int64 // the logical one, in bytes
	need   int64 // what the image needs, in bytes
	dirty  int64 // what may have been written, in bytes from the start
	ways   []uint32
	done   bool
}

// OpenDevice opens a block device to be overwritten by an image of need bytes,
// which nothing else may use meanwhile (O_EXCL). Nothing is written to it yet.
// source, if not nil, is what must not be changed: the job's input, by
// os.File.Stat.
//
// A symbolic link is refused but where only root could have made it, below
// /dev: names such as those in /dev/disk/by-id and /dev/mapper are links.
//
// That a device shares data with the source is told by what the system says of
// partitions, loop devices, volumes and mounted file systems (sysfs), as far
// as that can be seen.
//
// The errors that a caller can tell apart are *NotDeviceError, *SymlinkError,
// *SourceError, *SharedError, *BusyError, *ReadOnlyError and *TooSmallError.
func OpenDevice(path string, need int64, source os.FileInfo) (*Device, error) {
	if need < 0 {
		return nil, fmt.Errorf("destination %s: an image of %d bytes", path, need)
	}
	name, err := lookDevice(path)
	if err != nil {
		return nil, err
	}
	defer name.Close()
	if err := apart(path, name, source); err != nil {
		return nil, err
	}
	// What was looked at is what is opened, whatever has the name by now.
	file, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", name.Fd()), os.O_RDWR|os.O_EXCL, 0)
	switch {
	case errors.Is(err, unix.EBUSY):
		return nil, &BusyError{Path: path}
	case errors.Is(err, unix.EROFS):
		return nil, &ReadOnlyError{Path: path}
	case err != nil:
		return nil, fmt.Errorf("destination %s: %w", path, err)
	}
	d := &Device{path: path, file: file, need: need, ways: []uint32{unix.FALLOC_FL_PUNCH_HOLE, unix.FALLOC_FL_ZERO_RANGE}}
	if err := d.check(source); err != nil {
		file.Close()
		return nil, err
	}
	return d, nil
}

// check refuses an open device that cannot take the image.
func (d *Device) check(source os.FileInfo) error {
	fd := int(d.file.Fd())
	// Since it is open, what it is a loop device of cannot change.
	if loopOf(fd, source) {
		return &SourceError{Path: d.path}
	}
	if readOnly, err := unix.IoctlGetInt(fd, unix.BLKROGET); err != nil {
		return fmt.Errorf("destination %s: BLKROGET: %w", d.path, err)
	} else if readOnly != 0 {
		return &ReadOnlyError{Path: d.path}
	}
	sector, err := unix.IoctlGetInt(fd, unix.BLKSSZGET)
	if err != nil {
		return fmt.Errorf("destination %s: BLKSSZGET: %w", d.path, err)
	}
	if sector < 512 || sector&(sector-1) != 0 {
		return fmt.Errorf("destination %s tells sectors of %d bytes", d.path, sector)
	}
	size, err := d.file.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = d.file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("destination %s: %w", d.path, err)
	}
	// Part of a sector, which a loop device may end in, cannot be written to.
	d.sector = int64(sector)
	d.size = size - size%d.sector
	if d.size < d.need {
		return &TooSmallError{Path: d.path, Needed: d.need, Size: d.size}
	}
	return nil
}

// File returns the device to write to, open for reading and writing. It belongs
// to d. From here on, the image counts as written to it: see Abort.
func (d *Device) File() *os.File {
	d.dirty = max(d.dirty, d.need)
	return d.file
}

// Path returns the device's path as it was given.
func (d *Device) Path() string { return d.path }

// Size returns how much can be written, in bytes: the device's whole sectors.
func (d *Device) Size() int64 { return d.size }

// Clear zeroes where the image will be, so that what writes it may leave zeros
// out. When ctx ends, so does it, with its error.
func (d *Device) Clear(ctx context.Context) error {
	if d.done {
		return os.ErrClosed
	}
	d.dirty = max(d.dirty, d.need)
	if _, err := d.zero(ctx, 0, d.need); err != nil {
		return fmt.Errorf("destination %s: clear: %w", d.path, err)
	}
	return nil
}

// Commit writes the data to disk, of which the image are the first written
// bytes, and closes the device. What is behind the image is zeroed, so that
// nothing old is found there (such as the second copy of a partition table,
// at the end), unless keepTail says to leave it as it is.
//
// An error, such as that of ctx when it ends, leaves the device as Abort does,
// and old data behind the image perhaps.
func (d *Device) Commit(ctx context.Context, written int64, keepTail bool) error {
	if d.done {
		return os.ErrClosed
	}
	if err := d.commit(ctx, written, keepTail); err != nil {
		return errors.Join(fmt.Errorf("destination %s: %w", d.path, err), d.Abort())
	}
	d.done = true
	return d.file.Close()
}

func (d *Device) commit(ctx context.Context, written int64, keepTail bool) error {
	if written < 0 || written > d.size {
		return fmt.Errorf("%d bytes written to a device of %d", written, d.size)
	}
	d.dirty = max(d.dirty, written)
	if !keepTail {
		if _, err := d.zero(ctx, written, d.size); err != nil {
			return fmt.Errorf("zero what is behind the image: %w", err)
		}
	}
	return d.file.Sync()
}

// Abort zeroes what may have been written of the image, and closes the device;
// it changes nothing if neither File nor Clear was called. It takes as long as
// zeroing the image does. The error is a *DirtyError if that failed.
// After Commit it does nothing, so that it can be deferred.
func (d *Device) Abort() error {
	if d.done {
		return nil
	}
	d.done = true
	return errors.Join(d.undo(), d.file.Close())
}

func (d *Device) undo() error {
	if d.dirty == 0 {
		return nil
	}
	to, err := d.zero(context.Background(), 0, d.dirty)
	if err == nil {
		// What did not get to disk is known of none of it.
		to, err = 0, d.file.Sync()
	}
	if err != nil {
		return &DirtyError{Path: d.path, Extent: Extent{Offset: to, Length: d.dirty - to}, Err: err}
	}
	return nil
}
