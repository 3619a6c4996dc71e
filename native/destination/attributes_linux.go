package destination

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// TakeAfter gives the file the owner, the group, the mode and the extended
// attributes (access control lists among them) of another one, but for the
// attributes named. A file that could not be given all of that is an error.
func (f *File) TakeAfter(original *os.File, except ...string) error {
	if err := f.takeAfter(original, except); err != nil {
		return fmt.Errorf("destination %s: make it like the file it replaces: %w", f.path, err)
	}
	return nil
}

func (f *File) takeAfter(original *os.File, except []string) error {
	var is, was unix.Stat_t
	if err := unix.Fstat(int(f.file.Fd()), &is); err != nil {
		return err
	}
	if err := unix.Fstat(int(original.Fd()), &was); err != nil {
		return err
	}
	if was.Nlink > 1 {
		return fmt.Errorf("it has %d names (hard links), which replacing it by one would part", was.Nlink)
	}
	if is.Uid != was.Uid || is.Gid != was.Gid {
		if err := f.file.Chown(int(was.Uid), int(was.Gid)); err != nil {
			return err
		}
	}
	// After the owner: a change of that clears bits of the mode.
	if err := unix.Fchmod(int(f.file.Fd()), was.Mode&0o7777); err != nil {
		return os.NewSyscallError("fchmod", err)
	}
	return f.takeAttributes(original, except)
}

// attributesBound is the largest list of names, and the largest value, that
// the kernel gives (XATTR_LIST_MAX, XATTR_SIZE_MAX in linux/limits.h).
const attributesBound = 64 << 10

func (f *File) takeAttributes(original *os.File, except []string) error {
	names := make([]byte, attributesBound)
	n, err := unix.Flistxattr(int(original.Fd()), names)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	if err != nil {
		return os.NewSyscallError("flistxattr", err)
	}
	value := make([]byte, attributesBound)
	for name := range strings.SplitSeq(string(names[:n]), "\x00") {
		if name == "" || slices.Contains(except, name) {
			continue
		}
		n, err := unix.Fgetxattr(int(original.Fd()), name, value)
		if err == nil {
			err = unix.Fsetxattr(int(f.file.Fd()), name, value[:n], 0)
		}
		// Labels of security modules are the system's to give: a new file has
		// one already where they are in use.
		if err != nil && !strings.HasPrefix(name, "security.") {
			return fmt.Errorf("extended attribute %q: %w", name, err)
		}
	}
	return nil
}
