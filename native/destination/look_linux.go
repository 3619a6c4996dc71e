package destination

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// lookDevice looks at a block device by its path without opening it (O_PATH).
func lookDevice(path string) (*os.File, error) {
	dir, name := filepath.Split(path)
	if name == "" || name == "." || name == ".." {
		return nil, &NotDeviceError{Path: path, Kind: "a folder"}
	}
	if dir == "" {
		dir = "."
	}
	folder, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, fmt.Errorf("destination %s: %w", path, err)
	}
	defer folder.Close()
	flags := unix.O_NOFOLLOW
	if ofSystem(folder) {
		flags = 0
	}
	fd, err := unix.Openat(int(folder.Fd()), name, unix.O_PATH|unix.O_CLOEXEC|flags, 0)
	if err != nil {
		return nil, fmt.Errorf("destination %s: %w", path, err)
	}
	file := os.NewFile(uintptr(fd), path)
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err != nil {
		err = fmt.Errorf("destination %s: %w", path, err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFBLK:
	case unix.S_IFLNK:
		err = &SymlinkError{Path: path}
	case unix.S_IFREG:
		err = &NotDeviceError{Path: path, Kind: "a regular file"}
	default:
		if err == nil {
			err = &NotDeviceError{Path: path, Kind: kind(st.Mode)}
		}
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// ofSystem tells whether a folder is one of /dev that only root can put names
// in. /dev/shm is none.
func ofSystem(folder *os.File) bool {
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", folder.Fd()))
	if err != nil || path != "/dev" && !strings.HasPrefix(path, "/dev/") {
		return false
	}
	var st unix.Stat_t
	return unix.Fstat(int(folder.Fd()), &st) == nil && st.Uid == 0 && st.Mode&0o022 == 0
}
