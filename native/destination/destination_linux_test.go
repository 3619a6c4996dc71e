package destination

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assay-dev/assay/internal/tempfile"
	"golang.org/x/sys/unix"
)

// folders returns a folder on each file system that can be had here: that of
// temporary files, and as root tmpfs, overlayfs and ext4.
func folders(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{"temporary": t.TempDir()}
	if os.Geteuid() != 0 {
		return all
	}
	mount := func(name string, args ...string) {
		dir := t.TempDir()
		if out, err := exec.Command("mount", append(args, dir)...).CombinedOutput(); err != nil {
			t.Logf("no %s: %v: %s", name, err, out)
			return
		}
		t.Cleanup(func() {
			if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
		all[name] = dir
	}
	mount("tmpfs", "-t", "tmpfs", "-o", "size=1m", "assay-test")
	if base := all["tmpfs"]; base != "" {
		options := "lowerdir=" + base + "/lower,upperdir=" + base + "/upper,workdir=" + base + "/work"
		for _, dir := range []string{"lower", "upper", "work"} {
			if err := os.Mkdir(filepath.Join(base, dir), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		mount("overlayfs", "-t", "overlay", "-o", options, "assay-test")
	}
	image := filepath.Join(t.TempDir(), "ext4")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 8<<20); err != nil {
		t.Fatal(err)
	}
	if exec.Command("mkfs.ext4", "-q", "-F", image).Run() == nil {
		mount("ext4", "-o", "loop", image)
	}
	return all
}

// everywhere runs a test in a new folder on each file system, with nameless
// and with named temporary files.
func everywhere(t *testing.T, f func(t *testing.T, dir string, named bool)) {
	for name, base := range folders(t) {
		for _, named := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s,named=%v", name, named), func(t *testing.T) {
				dir, err := os.MkdirTemp(base, "test")
				if err != nil {
					t.Fatal(err)
				}
				f(t, dir, named)
			})
		}
	}
}

// begin creates a destination that holds "new".
func begin(t *testing.T, path string, overwrite Overwrite, source os.FileInfo, named bool) *File {
	t.Helper()
	f, err := Create(path, overwrite, source)
	if err != nil {
		t.Fatal(err)
	}
	if named && f.temp == "" {
		f.file.Close()
		if f.file, f.temp, err = tempfile.CreateNamed(f.folder, f.path, create); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.File().WriteString("new"); err != nil {
		t.Fatal(err)
	}
	return f
}

// listing returns the names in a folder, in order.
func listing(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
}

func wantContent(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s holds %q, want %q", path, got, want)
	}
}

func TestCommit(t *testing.T) {
	everywhere(t, func(t *testing.T, dir string, named bool) {
		path := filepath.Join(dir, "out")
		f := begin(t, path, Keep, nil, named)
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("it is there before it is complete: %v", err)
		}
		if err := f.Commit(); err != nil {
			t.Fatal(err)
		}
		wantContent(t, path, "new")
		if got := listing(t, dir); got != "out" {
			t.Errorf("the folder holds %q", got)
		}
		// The mode is that of any new file.
		write := filepath.Join(dir, "other")
		other, err := os.Create(write)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		want, _ := other.Stat()
		if got, _ := os.Stat(path); got.Mode() != want.Mode() {
			t.Errorf("mode %v, want %v", got.Mode(), want.Mode())
		}
		if err := f.Abort(); err != nil {
			t.Errorf("abort after commit: %v", err)
		}
		if err := f.Commit(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("a second commit: %v", err)
		}
		wantContent(t, path, "new")
	})
}

func TestReplace(t *testing.T) {
	everywhere(t, func(t *testing.T, dir string, named bool) {
		path := filepath.Join(dir, "out")
		write(t, path, "old")
		old, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer old.Close()
		f := begin(t, path, Replace, nil, named)
		wantContent(t, path, "old")
		if err := f.Commit(); err != nil {
			t.Fatal(err)
		}
		wantContent(t, path, "new")
		if got := listing(t, dir); got != "out" {
			t.Errorf("the folder holds %q", got)
		}
		// Who has the old file open keeps it.
		var text [3]byte
		if _, err := old.ReadAt(text[:], 0); err != nil || string(text[:]) != "old" {
			t.Errorf("the old file holds %q, %v", text, err)
		}
	})
}

func TestAbort(t *testing.T) {
	everywhere(t, func(t *testing.T, dir string, named bool) {
		path := filepath.Join(dir, "out")
		write(t, path, "old")
		f := begin(t, path, Replace, nil, named)
		if err := f.Abort(); err != nil {
			t.Fatal(err)
		}
		if err := f.Abort(); err != nil {
			t.Errorf("a second abort: %v", err)
		}
		wantContent(t, path, "old")
		if got := listing(t, dir); got != "out" {
			t.Errorf("the folder holds %q", got)
		}
		if err := f.Commit(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("commit after abort: %v", err)
		}
	})
}

// An obstacle is something at the destination's name.
type obstacle struct {
	name string
	make func(t *testing.T, path, source string)
	is   func(error) bool // of the error that says so
	both bool             // refused with Replace as well
}

func as[E error](err error) bool { _, ok := errors.AsType[E](err); return ok }

var obstacles = []obstacle{
	{"a file", func(t *testing.T, path, _ string) { write(t, path, "old") }, as[*ExistsError], false},
	{"a symbolic link", func(t *testing.T, path, source string) { symlink(t, source, path) }, as[*SymlinkError], true},
	{"a dangling link", func(t *testing.T, path, _ string) { symlink(t, "nowhere", path) }, as[*SymlinkError], true},
	{"the source's other name", func(t *testing.T, path, source string) {
		if err := os.Link(source, path); err != nil {
			t.Fatal(err)
		}
	}, as[*SourceError], true},
	{"a folder", func(t *testing.T, path, _ string) {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}, as[*KindError], true},
	{"a pipe", func(t *testing.T, path, _ string) {
		if err := unix.Mkfifo(path, 0o644); err != nil {
			t.Fatal(err)
		}
	}, as[*KindError], true},
	{"a socket", func(t *testing.T, path, _ string) {
		// The name of a socket is short: make it by a short way to the folder.
		dir, err := os.Open(filepath.Dir(path))
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		l.Close()
	}, as[*KindError], true},
}

func symlink(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

// TestInTheWay: what is at the name is refused, whether it was there before
// or comes while the file is written; and it stays as it was.
func TestInTheWay(t *testing.T) {
	everywhere(t, func(t *testing.T, dir string, named bool) {
		for _, o := range obstacles {
			for _, overwrite := range []Overwrite{Keep, Replace} {
				if overwrite == Replace && !o.both {
					continue
				}
				for _, late := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s,overwrite=%v,late=%v", o.name, overwrite, late), func(t *testing.T) {
						dir, err := os.MkdirTemp(dir, "")
						if err != nil {
							t.Fatal(err)
						}
						source, path := filepath.Join(dir, "source"), filepath.Join(dir, "out")
						write(t, source, "source")
						info, err := os.Stat(source)
						if err != nil {
							t.Fatal(err)
						}
						if late {
							f := begin(t, path, overwrite, info, named)
							o.make(t, path, source)
							err = f.Commit()
						} else {
							o.make(t, path, source)
							_, err = Create(path, overwrite, info)
						}
						if !o.is(err) {
							t.Errorf("got %v (%T)", err, err)
						}
						wantContent(t, source, "source")
						if got := listing(t, dir); got != "out source" {
							t.Errorf("the folder holds %q", got)
						}
						if o.name == "a file" {
							wantContent(t, path, "old")
						}
					})
				}
			}
		}
	})
}

// TestSourceItself: the source is refused by its own name, whatever is
// allowed.
func TestSourceItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "source")
	write(t, path, "source")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, overwrite := range []Overwrite{Keep, Replace} {
		if _, err := Create(path, overwrite, info); !as[*SourceError](err) {
			t.Errorf("overwrite %v: %v", overwrite, err)
		}
	}
}

// TestFolderRemoved: a folder that is gone with the file is told from a name
// that is not there.
func TestFolderRemoved(t *testing.T) {
	everywhere(t, func(t *testing.T, dir string, named bool) {
		for _, overwrite := range []Overwrite{Keep, Replace} {
			folder := filepath.Join(dir, "folder")
			if err := os.Mkdir(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(folder, "out")
			f := begin(t, path, overwrite, nil, named)
			if err := os.RemoveAll(folder); err != nil {
				t.Fatal(err)
			}
			err := f.Commit()
			if gone, ok := errors.AsType[*FolderRemovedError](err); !ok || gone.Path != path {
				t.Errorf("overwrite %v: %v", overwrite, err)
			}
			if got := listing(t, dir); got != "" {
				t.Errorf("left behind: %s", got)
			}
		}
	})
}

// TestReadOnly: a file system that takes no file is told.
func TestReadOnly(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a read-only file system needs root")
	}
	dir := t.TempDir()
	if err := unix.Mount("assay-test", dir, "tmpfs", unix.MS_RDONLY, "size=64k"); err != nil {
		t.Skip("no tmpfs: ", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	for _, overwrite := range []Overwrite{Keep, Replace} {
		if _, err := Create(filepath.Join(dir, "out"), overwrite, nil); !as[*ReadOnlyError](err) {
			t.Errorf("got %v", err)
		}
	}
}

// TestFolderMoved: the file goes to the folder it was begun in, wherever that
// is by then.
func TestFolderMoved(t *testing.T) {
	everywhere(t, func(t *testing.T, dir string, named bool) {
		for _, overwrite := range []Overwrite{Keep, Replace} {
			here, there, trap := filepath.Join(dir, "here"), filepath.Join(dir, "there"), filepath.Join(dir, "trap")
			for _, d := range []string{here, trap} {
				if err := os.MkdirAll(d, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			f := begin(t, filepath.Join(here, "out"), overwrite, nil, named)
			if err := os.Rename(here, there); err != nil {
				t.Fatal(err)
			}
			symlink(t, trap, here)
			if err := f.Commit(); err != nil {
				t.Fatal(err)
			}
			wantContent(t, filepath.Join(there, "out"), "new")
			if got := listing(t, trap); got != "" {
				t.Errorf("the trap holds %q", got)
			}
			if err := errors.Join(os.Remove(here), os.RemoveAll(there)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestSwapped: while another process swaps a file, a link to a victim and
// nothing at the name, the victim is never written.
func TestSwapped(t *testing.T) {
	dir := t.TempDir()
	path, victim := filepath.Join(dir, "out"), filepath.Join(dir, "victim")
	write(t, victim, "victim")
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			os.Remove(path)
			os.Symlink(victim, path)
			os.Remove(path)
			os.WriteFile(path, []byte("other"), 0o644)
		}
	}()
	for range 200 {
		f, err := Create(path, Replace, nil)
		if err != nil {
			continue
		}
		f.File().WriteString("new")
		f.Commit()
	}
	close(stop)
	<-stopped
	wantContent(t, victim, "victim")
	if got := listing(t, dir); got != "out victim" && got != "victim" {
		t.Errorf("the folder holds %q", got)
	}
}

func TestBadPath(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	write(t, file, "")
	for _, c := range []struct {
		path string
		is   func(error) bool
	}{
		{"", as[*KindError]},
		{dir + "/", as[*KindError]},
		{dir + "/.", as[*KindError]},
		{dir + "/..", as[*KindError]},
		{filepath.Join(dir, "none", "out"), func(err error) bool { return errors.Is(err, os.ErrNotExist) }},
		{filepath.Join(file, "out"), func(err error) bool { return errors.Is(err, unix.ENOTDIR) }},
		{filepath.Join(dir, strings.Repeat("x", 300)), func(err error) bool { return errors.Is(err, unix.ENAMETOOLONG) }},
		{filepath.Join(dir, "a\x00b"), func(err error) bool { return errors.Is(err, unix.EINVAL) }},
	} {
		if f, err := Create(c.path, Keep, nil); f != nil || !c.is(err) {
			t.Errorf("%q: %v", c.path, err)
		}
	}
	if got := listing(t, dir); got != "file" {
		t.Errorf("the folder holds %q", got)
	}
}

// TestDevice: a block device is refused, and said to be one.
func TestDevice(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making a device node needs root")
	}
	path := filepath.Join(t.TempDir(), "disk")
	if err := unix.Mknod(path, unix.S_IFBLK|0o600, int(unix.Mkdev(7, 0))); err != nil {
		t.Skip(err)
	}
	_, err := Create(path, Replace, nil)
	if kind, ok := errors.AsType[*KindError](err); !ok || kind.Kind != "a block device" || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}

// TestFull: a disk that is full by the time of Commit leaves nothing.
func TestFull(t *testing.T) {
	dir := folders(t)["ext4"]
	if dir == "" {
		t.Skip("a file system of a known size needs root and loop devices")
	}
	path := filepath.Join(dir, "out")
	f, err := Create(path, Keep, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Abort()
	_, err = f.File().Write(make([]byte, 16<<20))
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("wrote it all: %v", err)
	}
	if err := f.Abort(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is there: %v", err)
	}
}
