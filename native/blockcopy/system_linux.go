package blockcopy

import (
	"errors"
	"fmt"
	"os"

	"github.com/assay-dev/assay/internal/openfile"
	"github.com/assay-dev/assay/native/qemuimg"
	"golang.org/x/sys/unix"
)

// openSource opens a source again, for its position and locks to be the
// copy's own. It is nil where the file must do as it is.
func openSource(file *os.File, live bool) (*os.File, error) {
	return qemuimg.OpenSource(file, live)
}

// share has a file share all data of another (ioctl_ficlone(2)).
func share(to, from *os.File) error {
	return openfile.Control(to, func(dst int) error {
		return openfile.Control(from, func(src int) error { return unix.IoctlFileClone(dst, src) })
	})
}

// openDirect opens an output again, to be written past the page cache; nil
// where that cannot be.
func openDirect(file *os.File) (direct *os.File) {
	_ = openfile.Control(file, func(fd int) (err error) {
		direct, err = os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), os.O_RDWR|unix.O_DIRECT, 0)
		return err
	})
	return direct
}

// prefersDirect tells whether a file is on a file system that writes past the
// page cache sooner than through it, into room that was reserved: ext4 does,
// XFS and tmpfs do not (docs/rationale.md), and of others it is not known.
func prefersDirect(file *os.File) bool {
	var system unix.Statfs_t
	err := openfile.Control(file, func(fd int) error { return unix.Fstatfs(fd, &system) })
	return err == nil && system.Type == unix.EXT4_SUPER_MAGIC
}

// allocate has a file system find room for a range of a file, which reads as
// zeros until it is written to.
func allocate(file *os.File, off, n int64) error { return fallocate(file, 0, off, n) }

// punch makes a hole of a range of a file, and gives back the room of one of a
// device, if it then reads as zeros.
func punch(file *os.File, off, n int64) error {
	return fallocate(file, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
}

// zeroed zeroes a range of a device and tells whether it could: by giving the
// room back, if the device is of a kind that then reads as zeros, else by what
// the kernel knows to be best, which writes if need be (what BLKZEROOUT does
// too; fallocate(2) of a block device, since Linux 4.9). Both take whole
// sectors of the device only.
func zeroed(device *os.File, off, n int64) bool {
	return punch(device, off, n) == nil ||
		fallocate(device, unix.FALLOC_FL_ZERO_RANGE|unix.FALLOC_FL_KEEP_SIZE, off, n) == nil
}

func fallocate(file *os.File, mode uint32, off, n int64) error {
	err := error(unix.EINTR)
	for errors.Is(err, unix.EINTR) {
		err = openfile.Control(file, func(fd int) error { return unix.Fallocate(fd, mode, off, n) })
	}
	return err
}

// beginWriting has the kernel begin to write a range to disk. It is of no
// matter if it does not: the file is synced later.
func beginWriting(file *os.File, off, n int64) {
	_ = openfile.Control(file, func(fd int) error { return unix.SyncFileRange(fd, off, n, unix.SYNC_FILE_RANGE_WRITE) })
}
