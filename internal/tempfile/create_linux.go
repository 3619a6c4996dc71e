package tempfile

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Create makes a file in a folder, open for reading and writing, with a mode
// before the umask; its Name is as. It has no name, or the one that is
// returned, where the file system must give it one. What is left of others
// there is then removed.
func Create(folder *os.File, as string, mode uint32) (file *os.File, name string, err error) {
	fd, err := unix.Openat(int(folder.Fd()), ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, mode)
	if err == nil {
		file = os.NewFile(uintptr(fd), as)
		// It may be given a name yet, as a link of it.
		if _, err := hold(file); err != nil {
			file.Close()
			return nil, "", err
		}
		return file, "", nil
	}
	// EOPNOTSUPP: the file system cannot. EISDIR: nor can the kernel's client
	// of it (open(2), O_TMPFILE).
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EISDIR) {
		return nil, "", err
	}
	Sweep(folder)
	return CreateNamed(folder, as, mode)
}

// tries is how many names are tried: a second one only when another process
// took the file of the first for left behind, which it was for the moment
// before it was locked.
const tries = 100

// CreateNamed is Create for a file system on which files have names.
func CreateNamed(folder *os.File, as string, mode uint32) (file *os.File, name string, err error) {
	for range tries {
		name = NewName()
		fd, err := unix.Openat(int(folder.Fd()), name, unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_RDWR|unix.O_CLOEXEC, mode)
		if err != nil {
			return nil, "", err
		}
		file = os.NewFile(uintptr(fd), as)
		held, err := hold(file)
		if err != nil {
			file.Close()
			unix.Unlinkat(int(folder.Fd()), name, 0)
			return nil, "", err
		}
		if held && isAt(file, folder, name) {
			return file, name, nil
		}
		file.Close()
	}
	return nil, "", errors.New("temporary files disappear as they are made")
}
