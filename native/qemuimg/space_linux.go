package qemuimg

import (
	"bufio"
	"math"
	"os"
	"strconv"

	"github.com/assay-dev/assay/internal/mountinfo"
	"github.com/assay-dev/assay/internal/openfile"
	"golang.org/x/sys/unix"
)

// freeSpace returns how many bytes this user can write to a file's file
// system (statfs(2): f_bavail blocks of f_frsize bytes). One that has no bound
// of its own, as ramfs, says that it has no blocks at all.
func freeSpace(file *os.File) (int64, error) {
	var fs unix.Statfs_t
	if err := openfile.Control(file, func(fd int) error { return unix.Fstatfs(fd, &fs) }); err != nil {
		return 0, os.NewSyscallError("fstatfs", err)
	}
	if fs.Blocks == 0 {
		return math.MaxInt64, nil
	}
	unit := max(1, uint64(fs.Frsize))
	return int64(min(fs.Bavail, math.MaxInt64/unit) * unit), nil
}

// mountPoint returns where the file system of an open regular file is mounted,
// or nothing where the kernel does not tell (statx(2): since Linux 5.8). What
// is full of a device is not where its name is.
func mountPoint(file *os.File) string {
	var st unix.Statx_t
	err := openfile.Control(file, func(fd int) error {
		return unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_TYPE|unix.STATX_MNT_ID, &st)
	})
	if err != nil || st.Mask&unix.STATX_MNT_ID == 0 || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return ""
	}
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	defer mounts.Close()
	for lines := bufio.NewScanner(mounts); lines.Scan(); {
		if m := mountinfo.Parse(lines.Text()); m.ID == strconv.FormatUint(st.Mnt_id, 10) {
			return m.Point
		}
	}
	return ""
}
