package destination

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

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

// room fails, with an error that matches unix.ENOSPC, unless the file system
// has more room than a file takes up: a long copy that must fail is better not
// begun.
func (f *File) room(original *os.File) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(f.file.Fd()), &fs); err != nil {
		return os.NewSyscallError("fstatfs", err)
	}
	var was unix.Stat_t
	if err := unix.Fstat(int(original.Fd()), &was); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	// stat(2): blocks are of 512 bytes; statfs(2): those of a file system of
	// its fragment size.
	if needed, free := uint64(was.Blocks)*512, fs.Bavail*uint64(fs.Frsize); free <= needed {
		return fmt.Errorf("%d bytes are needed, and %d are free: %w", needed, free, unix.ENOSPC)
	}
	return nil
}

// copyStep is how much is copied between two looks at the context, in bytes.
const copyStep = 8 << 20

// CopyFrom makes the file a copy of a regular one, sparse as that is.
// progress, if set, is told of bytes of the file passed, and of all. The
// position of original is moved.
func (f *File) CopyFrom(ctx context.Context, original *os.File, progress func(done, total int64)) (Copied, error) {
	if err := unix.IoctlFileClone(int(f.file.Fd()), int(original.Fd())); err == nil {
		return Cloned, nil
	}
	err := f.room(original)
	if err == nil {
		err = f.copyData(ctx, original, progress)
	}
	if err != nil {
		return "", fmt.Errorf("destination %s: copy: %w", f.path, err)
	}
	return CopiedData, nil
}

func (f *File) copyData(ctx context.Context, original *os.File, progress func(done, total int64)) error {
	info, err := original.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	if err := f.file.Truncate(size); err != nil {
		return err
	}
	for at := int64(0); at < size; {
		start, end, err := nextData(original, at, size)
		if err != nil {
			return err
		}
		for at = start; at < end; {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, err := original.Seek(at, io.SeekStart); err != nil {
				return err
			}
			if _, err := f.file.Seek(at, io.SeekStart); err != nil {
				return err
			}
			// Between files the kernel moves the data (copy_file_range).
			n, err := io.CopyN(f.file, original, min(copyStep, end-at))
			if err != nil {
				return fmt.Errorf("at offset %d: %w", at+n, err)
			}
			at += n
			if progress != nil {
				progress(at, size)
			}
		}
	}
	if progress != nil {
		progress(size, size)
	}
	return nil
}

// nextData returns the next range of a file that is not a hole, from at on; an
// empty one at its end if there is none. Where the file system has no holes,
// all is data.
func nextData(f *os.File, at, size int64) (start, end int64, err error) {
	start, err = f.Seek(at, unix.SEEK_DATA)
	switch {
	case errors.Is(err, syscall.ENXIO):
		return size, size, nil
	case errors.Is(err, syscall.EINVAL):
		return at, size, nil
	case err != nil:
		return 0, 0, err
	}
	end, err = f.Seek(start, unix.SEEK_HOLE)
	if err != nil {
		return 0, 0, err
	}
	return min(start, size), min(end, size), nil
}
