package throttle

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/assay-dev/assay/internal/openfile"
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

// wholeDisk returns the disk of a partition, and of anything else itself. The
// folder of a partition is in that of its disk (Documentation/ABI/stable/sysfs-block).
func wholeDisk(device uint64) uint64 {
	folder, err := filepath.EvalSymlinks(fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(device), unix.Minor(device)))
	if err != nil {
		return device // a file system has a number too that is no device's
	}
	if _, err := os.Stat(filepath.Join(folder, "partition")); err != nil {
		return device
	}
	number, err := os.ReadFile(filepath.Join(filepath.Dir(folder), "dev"))
	if err != nil {
		return device
	}
	var major, minor uint32
	if _, err := fmt.Sscanf(strings.TrimSpace(string(number)), "%d:%d", &major, &minor); err != nil {
		return device
	}
	return unix.Mkdev(major, minor)
}
