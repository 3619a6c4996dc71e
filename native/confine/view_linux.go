package confine

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// The attributes of what a process sees. A device that is written to is no
// write to the file system that holds its name.
const (
	asFiles   = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
	asDevices = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC
	asProc    = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
)

// enterView gives the calling thread, in a mount namespace of its own, a root
// that holds the files needed, each under its own name and for reading only,
// and nothing else: no other file of the host has a name any more. Files that
// are open stay so, and can be opened again by /dev/fd.
func (n needs) enterView() error {
	// What happens in here is not to happen outside.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return os.NewSyscallError("mount", err)
	}
	root, err := mountNew("tmpfs", asFiles&^unix.MOUNT_ATTR_RDONLY, "mode", "755", "size", "256k")
	if err != nil {
		return err
	}
	defer unix.Close(root)
	// It must have a place of its own before anything has a place in it.
	if err := unix.MoveMount(root, "", unix.AT_FDCWD, "/", unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return os.NewSyscallError("move_mount", err)
	}
	v := view{root: root}
	// Folders before what is in them, which then need no place.
	paths := slices.SortedFunc(slices.Values(slices.Concat(n.execute, n.read)), func(a, b string) int { return cmp.Compare(len(a), len(b)) })
	for _, path := range paths {
		if err := v.show(path, asFiles); err != nil {
			return err
		}
	}
	for _, path := range []string{devNull, devRandom} {
		if err := v.show(path, asDevices); err != nil {
			return err
		}
	}
	if err := v.showProc(); err != nil {
		return err
	}
	if err := unix.MountSetattr(root, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return os.NewSyscallError("mount_setattr", err)
	}
	// The old root is put on top of the new one, and taken away: pivot_root(2).
	if err := unix.Fchdir(root); err != nil {
		return os.NewSyscallError("fchdir", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return os.NewSyscallError("pivot_root", err)
	}
	return os.NewSyscallError("umount2", unix.Unmount(".", unix.MNT_DETACH))
}

// A view is a root being put together.
type view struct {
	root  int      // its folder
	shown []string // the folders of the host that are in it
}

// show gives a file or folder of the host a place in the view. What does not
// exist is not missed.
func (v *view) show(path string, attributes uint64) error {
	for _, folder := range v.shown {
		if path == folder || strings.HasPrefix(path, folder+"/") {
			return nil
		}
	}
	tree, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "open_tree", Path: path, Err: err}
	}
	defer unix.Close(tree)
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: attributes}); err != nil {
		return &os.PathError{Op: "mount_setattr", Path: path, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(tree, &st); err != nil {
		return &os.PathError{Op: "fstat", Path: path, Err: err}
	}
	folder := st.Mode&unix.S_IFMT == unix.S_IFDIR
	if folder {
		v.shown = append(v.shown, path)
	}
	return v.place(tree, path, folder)
}

// showProc gives the view /proc, in which the process finds itself and no
// process of another user, and /dev/fd, which leads there.
func (v *view) showProc() error {
	proc, err := mountNew("proc", asProc, "hidepid", "invisible", "subset", "pid")
	if err != nil {
		return err
	}
	defer unix.Close(proc)
	if err := v.place(proc, "/proc", true); err != nil {
		return err
	}
	return os.NewSyscallError("symlinkat", unix.Symlinkat("/proc/self/fd", v.root, "dev/fd"))
}

// place puts a mount where it belongs in the view, and makes the folders that
// lead there.
func (v *view) place(mount int, path string, folder bool) error {
	name := strings.TrimPrefix(path, "/")
	for i, c := range name {
		if c == '/' {
			if err := v.makeFolder(name[:i]); err != nil {
				return err
			}
		}
	}
	if folder {
		if err := v.makeFolder(name); err != nil {
			return err
		}
	} else {
		fd, err := unix.Openat(v.root, name, unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC|unix.O_RDONLY, 0o444)
		if err != nil {
			return &os.PathError{Op: "create", Path: path, Err: err}
		}
		unix.Close(fd)
	}
	if err := unix.MoveMount(mount, "", v.root, name, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return &os.PathError{Op: "move_mount", Path: path, Err: err}
	}
	return nil
}

func (v *view) makeFolder(name string) error {
	if err := unix.Mkdirat(v.root, name, 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
		return &os.PathError{Op: "mkdir", Path: filepath.Join("/", name), Err: err}
	}
	return nil
}

// mountNew returns a new file system, mounted nowhere yet. settings are names
// and values.
func mountNew(kind string, attributes int, settings ...string) (int, error) {
	fs, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("fsopen "+kind, err)
	}
	defer unix.Close(fs)
	for pair := range slices.Chunk(settings, 2) {
		if err := unix.FsconfigSetString(fs, pair[0], pair[1]); err != nil {
			return -1, os.NewSyscallError("fsconfig "+kind+" "+pair[0], err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, os.NewSyscallError("fsconfig "+kind, err)
	}
	mount, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, attributes)
	return mount, os.NewSyscallError("fsmount "+kind, err)
}
