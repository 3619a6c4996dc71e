package lease

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/assay-dev/assay/internal/openfile"
	"golang.org/x/sys/unix"
)

// local are the file systems whose files change by way of this kernel only,
// and which leave leases to it (statfs(2)). On a network, and in a program
// (FUSE), others can write; overlayfs has a second way to each file.
var local = []int64{unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.TMPFS_MAGIC}

func take(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is no regular file")
	}
	return openfile.Control(file, func(fd int) error {
		var system unix.Statfs_t
		if err := unix.Fstatfs(fd, &system); err != nil {
			return fmt.Errorf("its file system: %w", err)
		}
		if !slices.Contains(local, int64(system.Type)) {
			return fmt.Errorf("its file system (type %#x) is not known to be written to by this host alone", system.Type)
		}
		// The kernel tells of a writer by a signal to this process: for the
		// moment until it is told not to, one that does nothing, and not SIGIO,
		// which ends a program that has not asked for it.
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETSIG, int(unix.SIGURG)); err != nil {
			return fmt.Errorf("fcntl F_SETSIG: %w", err)
		}
		_, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return fmt.Errorf("somebody has it open for writing (%w)", err)
		case errors.Is(err, unix.EACCES):
			return fmt.Errorf("it is another user's (%w)", err)
		case err != nil:
			return fmt.Errorf("fcntl F_SETLEASE: %w", err)
		}
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETOWN, 0); err != nil {
			_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_UNLCK)
			return fmt.Errorf("fcntl F_SETOWN: %w", err)
		}
		return nil
	})
}

// held tells whether a lease is held. Once somebody waits for it to be released,
// it is not (fcntl_getlease in the kernel's fs/locks.c).
func held(file *os.File) (held bool, err error) {
	err = openfile.Control(file, func(fd int) error {
		kind, err := unix.FcntlInt(uintptr(fd), unix.F_GETLEASE, 0)
		held = kind == unix.F_RDLCK
		return err
	})
	return held, err
}

// release cannot fail but where there is no lease.
func release(file *os.File) {
	_ = openfile.Control(file, func(fd int) error {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_UNLCK)
		return err
	})
}
