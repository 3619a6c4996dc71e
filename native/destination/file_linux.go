package destination

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/assay-dev/assay/internal/tempfile"
	"golang.org/x/sys/unix"
)

// A File is a destination being written: a temporary file in its folder. It
// is ended by Commit or Abort, and is not safe for concurrent use.
type File struct {
	path      string // for messages
	overwrite Overwrite
	source    os.FileInfo // may be nil

	folder *os.File // open for as long as the file is
	name   string   // in folder
	file   *os.File
	temp   string // the temporary name in folder; "" if the file has none
	done   bool
}

// create is the mode of a new file, before the umask.
const create = 0o666

// Create begins a destination. source, if not nil, is what must not be
// replaced: the job's input, by os.File.Stat.
//
// The folder must exist. The errors that a caller can tell apart are
// *ExistsError, *SymlinkError, *SourceError, *SharedError, *KindError and
// *ReadOnlyError; nothing is left behind when there is one. A file that the
// source is stored in, as a loop device's, is not replaced, as far as the system
// tells (sysfs).
func Create(path string, overwrite Overwrite, source os.FileInfo) (*File, error) {
	dir, name := filepath.Split(path)
	if name == "" || name == "." || name == ".." {
		return nil, &KindError{Path: path, Kind: "a folder"}
	}
	if dir == "" {
		dir = "."
	}
	folder, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, fmt.Errorf("destination %s: %w", path, err)
	}
	f := &File{path: path, overwrite: overwrite, source: source, folder: folder, name: name}
	if err := f.check(); err != nil {
		folder.Close()
		return nil, err
	}
	if err := f.open(); err != nil {
		folder.Close()
		if errors.Is(err, unix.EROFS) {
			return nil, &ReadOnlyError{Path: path}
		}
		return nil, fmt.Errorf("destination %s: %w", path, err)
	}
	return f, nil
}

// File returns the file to write to: empty, and open for reading and writing.
// It belongs to f.
func (f *File) File() *os.File { return f.file }

// Path returns the destination's path as it was given.
func (f *File) Path() string { return f.path }

// dirfd is the folder's descriptor. The folder is open while f is in use.
func (f *File) dirfd() int { return int(f.folder.Fd()) }

// check refuses what is at the name, unless that may be replaced.
func (f *File) check() error {
	var st unix.Stat_t
	err := unix.Fstatat(f.dirfd(), f.name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("destination %s: %w", f.path, err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFLNK:
		return &SymlinkError{Path: f.path}
	default:
		return &KindError{Path: f.path, Kind: kind(st.Mode)}
	}
	if from, ok := layerOf(f.source); ok {
		to := layer{dev: uint64(st.Dev), ino: st.Ino}
		switch {
		case loopBottom(from) == to:
			return &SourceError{Path: f.path}
		case below(from)[to]:
			return &SharedError{Path: f.path}
		}
	}
	if f.overwrite == Keep {
		return &ExistsError{Path: f.path}
	}
	return nil
}

// kind names what is not a regular file.
func kind(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "a folder"
	case unix.S_IFBLK:
		return "a block device"
	case unix.S_IFCHR:
		return "a character device"
	case unix.S_IFIFO:
		return "a named pipe"
	default:
		return "a socket"
	}
}

// open makes the temporary file. Its mode is that of a new file, so that it
// is right from the moment the file has its name.
func (f *File) open() (err error) {
	if f.overwrite == Replace {
		// It may have a name for the moment in which it replaces another.
		tempfile.Sweep(f.folder)
	}
	f.file, f.temp, err = tempfile.Create(f.folder, f.path, create)
	return err
}

// Commit writes the data to disk and gives the file its name. A file that is
// replaced keeps nothing: owner and mode are those of the new file. The errors
// that a caller can tell apart are those of Create, and *FolderRemovedError.
// After an error nothing of the destination is left, and what was at the name is as it
// was, but for one case: if only writing the folder to disk failed, the file
// is there.
func (f *File) Commit() error {
	if f.done {
		return os.ErrClosed
	}
	err := f.commit()
	if err != nil {
		return errors.Join(err, f.Abort())
	}
	f.done, f.temp = true, ""
	if err := f.folder.Sync(); err != nil {
		err = fmt.Errorf("destination %s: sync its folder: %w", f.path, err)
		return errors.Join(err, f.close())
	}
	return f.close()
}

func (f *File) commit() error {
	if err := f.file.Sync(); err != nil {
		return fmt.Errorf("destination %s: %w", f.path, err)
	}
	if err := f.check(); err != nil {
		return err
	}
	var err error
	if f.overwrite == Keep {
		err = f.link(f.name)
	} else {
		err = f.replace()
	}
	switch {
	case errors.Is(err, unix.EEXIST):
		return &ExistsError{Path: f.path}
	case errors.Is(err, unix.ENOENT) && f.removed():
		return &FolderRemovedError{Path: f.path}
	}
	if err != nil {
		return fmt.Errorf("destination %s: %w", f.path, err)
	}
	return nil
}

// removed tells whether the folder was removed: it has no name then.
func (f *File) removed() bool {
	var st unix.Stat_t
	return unix.Fstat(f.dirfd(), &st) == nil && st.Nlink == 0
}

// link gives the file a name that must be free.
func (f *File) link(name string) error {
	if f.temp == "" {
		// The form of linkat that needs no privilege (open(2), O_TMPFILE).
		from := fmt.Sprintf("/proc/self/fd/%d", f.file.Fd())
		return os.NewSyscallError("linkat", unix.Linkat(unix.AT_FDCWD, from, f.dirfd(), name, unix.AT_SYMLINK_FOLLOW))
	}
	err := unix.Renameat2(f.dirfd(), f.temp, f.dirfd(), name, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		// The file system cannot; a hard link does not replace either.
		if err = unix.Linkat(f.dirfd(), f.temp, f.dirfd(), name, 0); err == nil {
			err = unix.Unlinkat(f.dirfd(), f.temp, 0)
		}
	}
	return os.NewSyscallError("renameat2", err)
}

// replace renames the file over whatever has the name. A file without a name
// is given one first: only rename replaces.
func (f *File) replace() error {
	if f.temp == "" {
		temp := tempfile.NewName()
		if err := f.link(temp); err != nil {
			return err
		}
		f.temp = temp
	}
	return os.NewSyscallError("renameat", unix.Renameat(f.dirfd(), f.temp, f.dirfd(), f.name))
}

// Abort leaves nothing of the destination, and what was at its name as it
// was. After Commit it does nothing, so that it can be deferred.
func (f *File) Abort() error {
	if f.done {
		return nil
	}
	f.done = true
	var err error
	if f.temp != "" {
		err = os.NewSyscallError("unlinkat", unix.Unlinkat(f.dirfd(), f.temp, 0))
		if err != nil {
			err = fmt.Errorf("destination %s: remove %s: %w", f.path, f.temp, err)
		}
	}
	return errors.Join(err, f.close())
}

func (f *File) close() error { return errors.Join(f.file.Close(), f.folder.Close()) }
