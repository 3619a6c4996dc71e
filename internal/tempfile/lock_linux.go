package tempfile

import (
	"errors"
	"os"

	"github.com/assay-dev/assay/internal/openfile"
	"golang.org/x/sys/unix"
)

// mark is the byte of a file that its process has locked: far from the bytes
// of an image, and from those that qemu locks (100 to 203). It need not exist.
const mark = 1 << 62

// hold locks a file for as long as it is open, here or in a process that was
// handed it. It tells whether that was possible: not if somebody else has done
// so. Where the file system knows no locks, nobody holds anything.
func hold(file *os.File) (bool, error) {
	err := lock(file)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EACCES):
		return false, nil
	case noLocks(err):
		return true, nil
	}
	return err == nil, err
}

// lock takes the lock, or fails; a lock of an open file (fcntl(2)), which no
// other file of the process that is closed takes along.
func lock(file *os.File) error {
	return openfile.Control(file, func(fd int) error {
		return unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: mark, Len: 1})
	})
}

// noLocks tells whether an error says that a file system knows none.
func noLocks(err error) bool {
	return errors.Is(err, unix.ENOLCK) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL)
}
