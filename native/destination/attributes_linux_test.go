package destination

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A file that takes the place of another one is like it: owner, mode and
// attributes, on every file system.
func TestTakeAfter(t *testing.T) {
	everywhere(t, func(t *testing.T, dir string, named bool) {
		path := filepath.Join(dir, "image")
		original, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer original.Close()
		if os.Geteuid() == 0 {
			if err := original.Chown(1234, 4321); err != nil {
				t.Fatal(err)
			}
		}
		if err := original.Chmod(0o640 | os.ModeSetgid); err != nil {
			t.Fatal(err)
		}
		attributes := unix.Fsetxattr(int(original.Fd()), "user.assay.test", []byte("kept"), 0) == nil &&
			unix.Fsetxattr(int(original.Fd()), "user.assay.gone", []byte("x"), 0) == nil

		f := begin(t, path, Replace, nil, named)
		if err := errors.Join(f.TakeAfter(original, "user.assay.gone"), f.Commit()); err != nil {
			t.Fatal(err)
		}
		var is, was unix.Stat_t
		if err := errors.Join(unix.Stat(path, &is), unix.Fstat(int(original.Fd()), &was)); err != nil {
			t.Fatal(err)
		}
		if is.Ino == was.Ino || is.Uid != was.Uid || is.Gid != was.Gid || is.Mode != was.Mode {
			t.Errorf("got %+v, want %+v", is, was)
		}
		if attributes {
			value := make([]byte, 10)
			if n, err := unix.Getxattr(path, "user.assay.test", value); err != nil || string(value[:n]) != "kept" {
				t.Errorf("attribute: %v", err)
			}
			if _, err := unix.Getxattr(path, "user.assay.gone", value); !errors.Is(err, unix.ENODATA) {
				t.Errorf("the attribute that was excepted: %v", err)
			}
		}
		if got := listing(t, dir); got != "image" {
			t.Errorf("left: %s", got)
		}
	})
}

// A file of several names is not replaced by one.
func TestTakeAfterSeveralNames(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "image")
	write(t, path, "x")
	if err := os.Link(path, filepath.Join(dir, "second")); err != nil {
		t.Fatal(err)
	}
	original, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer original.Close()
	f := begin(t, path, Replace, nil, false)
	defer f.Abort()
	if err := f.TakeAfter(original); err == nil || !strings.Contains(err.Error(), "2 names") {
		t.Errorf("got %v", err)
	}
}
