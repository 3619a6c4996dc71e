package qemuimg

import (
	"errors"
	"fmt"
	"os"

	"github.com/assay-dev/assay/internal/openfile"
	"golang.org/x/sys/unix"
)

// The bytes of an image that qemu locks (block/file-posix.c, since 2.10). A
// lock on one of the first says that its holder does something, a lock on one
// of the second that it does not let others do so.
const (
	does    = 100
	forbids = 200
	read    = 0 // BLK_PERM_CONSISTENT_READ
	write   = 1 // BLK_PERM_WRITE
	resize  = 3 // BLK_PERM_RESIZE
)

// Locks of a program that reads an image and lets nobody change it, and of one
// that changes its size and lets others do nothing but read: those it takes,
// and those of others that it cannot live with.
var (
	readerTakes   = []int64{does + read, forbids + write, forbids + resize}
	readerRefuses = []int64{does + write, does + resize, forbids + read}

	resizerTakes   = []int64{does + read, does + write, does + resize, forbids + write, forbids + resize}
	resizerRefuses = []int64{does + write, does + resize, forbids + read, forbids + write, forbids + resize}
)

// lock fails with a *LockedError when another program writes to the image or
// wants to be alone with it, by its locks. With take, it first takes those of
// a reader, until the file is closed: qemu's programs then neither write to
// the image nor resize it. This is what qemu itself does with an image it can
// see.
func lock(image *os.File, take bool) error {
	if !take {
		return lockBytes(image, nil, readerRefuses)
	}
	return lockBytes(image, readerTakes, readerRefuses)
}

// LockForResize takes the locks of a program that changes the size of an
// image, until the file is closed. It fails with a *LockedError when another
// one of qemu's has the image open, be it for reading: it would not expect the
// size to change.
func LockForResize(image *os.File) error {
	err := lockBytes(image, resizerTakes, resizerRefuses)
	if locked, ok := errors.AsType[*LockedError](err); ok {
		locked.Resize = true
	}
	return err
}

func lockBytes(image *os.File, take, refuse []int64) error {
	return openfile.Control(image, func(fd int) error {
		for _, at := range take {
			l := unix.Flock_t{Type: unix.F_RDLCK, Start: at, Len: 1}
			switch err := unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &l); {
			case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EACCES):
				return &LockedError{}
			case err != nil:
				return fmt.Errorf("lock byte %d: %w", at, err)
			}
		}
		for _, at := range refuse {
			l := unix.Flock_t{Type: unix.F_WRLCK, Start: at, Len: 1}
			if err := unix.FcntlFlock(uintptr(fd), unix.F_OFD_GETLK, &l); err != nil {
				return fmt.Errorf("test the lock of byte %d: %w", at, err)
			}
			if l.Type != unix.F_UNLCK {
				return &LockedError{}
			}
		}
		return nil
	})
}
