package throttle

import (
	"os"

	"github.com/assay-dev/assay/internal/openfile"
	"github.com/assay-dev/assay/internal/sysblock"
	"golang.org/x/sys/unix"
)

// DeviceOf returns the number of the device that a file is, or that holds it:
// of a partition, that of its disk; of a file system without a device, the one
// that stands for it.
func DeviceOf(file *os.File) (device uint64, known bool) {
	var st unix.Stat_t
	if err := openfile.Control(file, func(fd int) error { return unix.Fstat(fd, &st) }); err != nil {
		return 0, false
	}
	if st.Mode&unix.S_IFMT == unix.S_IFBLK {
		return wholeDisk(uint64(st.Rdev)), true
	}
	return wholeDisk(uint64(st.Dev)), true
}

// wholeDisk returns the disk of a partition, and of anything else itself: a file
// system has a number too that is no device's.
func wholeDisk(device uint64) uint64 {
	if disk, ok := sysblock.DiskOf(device); ok {
		return disk
	}
	return device
}
