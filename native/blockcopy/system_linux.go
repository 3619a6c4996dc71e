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

// zeroed zeroes a range of a device and tells whether it could: by giving the
// room back, if the device is of a kind that then reads as zeros, else by what
// the kernel knows to be best, which writes if need be (what BLKZEROOUT does
// too; fallocate(2) of a block device, since Linux 4.9). Both take whole
// sectors of the device only.
func zeroed(device *os.File, off, n int64) bool {
	for _, mode := range []uint32{unix.FALLOC_FL_PUNCH_HOLE, unix.FALLOC_FL_ZERO_RANGE} {
		err := error(unix.EINTR)
		for errors.Is(err, unix.EINTR) {
			err = openfile.Control(device, func(fd int) error {
				return unix.Fallocate(fd, mode|unix.FALLOC_FL_KEEP_SIZE, off, n)
			})
		}
		if err == nil {
			return true
		}
	}
	return false
}

// beginWriting has the kernel begin to write a range to disk. It is of no
// matter if it does not: the file is synced later.
func beginWriting(file *os.File, off, n int64) {
	_ = openfile.Control(file, func(fd int) error { return unix.SyncFileRange(fd, off, n, unix.SYNC_FILE_RANGE_WRITE) })
}
