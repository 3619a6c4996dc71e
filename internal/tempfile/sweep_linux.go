package tempfile

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// maxNames is how many names of a folder are looked at.
const maxNames = 1 << 16

// Sweep removes what processes of this host that ended without a chance to do
// so left in a folder. What it may not remove, or cannot tell from a file that
// is being written, stays. Links are not followed.
func Sweep(folder *os.File) {
	// A description of its own: that of the folder has one position for all.
	fd, err := unix.Openat(int(folder.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	list := os.NewFile(uintptr(fd), folder.Name())
	defer list.Close()
	for seen := 0; seen < maxNames; {
		names, err := list.Readdirnames(1024)
		for _, name := range names {
			if ours(name) {
				remove(folder, name)
			}
		}
		if seen += len(names); err != nil {
			return
		}
	}
}

// remove removes a temporary file that nobody holds.
func remove(folder *os.File, name string) {
	// Only looked at: opening what is no file could do something.
	fd, err := unix.Openat(int(folder.Fd()), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return
	}
	// The file of another user is that user's to remove, or root's.
	if euid := os.Geteuid(); euid != 0 && int(st.Uid) != euid {
		return
	}
	file, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer file.Close()
	if lock(file) == nil && isAt(file, folder, name) {
		unix.Unlinkat(int(folder.Fd()), name, 0)
	}
}

// isAt tells whether a name in a folder is that of an open file.
func isAt(file, folder *os.File, name string) bool {
	var open, named unix.Stat_t
	return unix.Fstat(int(file.Fd()), &open) == nil &&
		unix.Fstatat(int(folder.Fd()), name, &named, unix.AT_SYMLINK_NOFOLLOW) == nil &&
		open.Dev == named.Dev && open.Ino == named.Ino
}
