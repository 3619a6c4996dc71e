package destination

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A file that takes the place of another one is like it: data, holes, owner,
// mode, attributes; on every file system.
func TestReplaceByACopy(t *testing.T) {
	everywhere(t, func(t *testing.T, dir string, named bool) {
		path := filepath.Join(dir, "image")
		const size, hole = 600 << 10, 64 << 10
		data := bytes.Repeat([]byte{7}, size)
		clear(data[hole : size-hole])
		original, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer original.Close()
		_, err = original.WriteAt(data[:hole], 0)
		_, err2 := original.WriteAt(data[size-hole:], size-hole)
		if err := errors.Join(err, err2, original.Chmod(0o640|os.ModeSetgid)); err != nil {
			t.Fatal(err)
		}
		if os.Geteuid() == 0 {
			if err := errors.Join(original.Chown(1234, 4321), original.Chmod(0o640|os.ModeSetgid)); err != nil {
				t.Fatal(err)
			}
		}
		attributes := unix.Fsetxattr(int(original.Fd()), "user.assay.test", []byte("kept"), 0) == nil &&
			unix.Fsetxattr(int(original.Fd()), "user.assay.gone", []byte("x"), 0) == nil

		f := begin(t, path, Replace, nil, named)
		if err := errors.Join(f.TakeAfter(original, "user.assay.gone"), f.File().Chmod(0o600)); err != nil {
			t.Fatal(err)
		}
		var done, total int64
		how, err := f.CopyFrom(t.Context(), original, func(d, of int64) { done, total = d, of })
		if err != nil {
			t.Fatal(err)
		}
		if how == CopiedData && (done != size || total != size) {
			t.Errorf("progress ended at %d of %d", done, total)
		}
		info, _ := original.Stat()
		if err := errors.Join(f.File().Chmod(info.Mode()), f.Commit()); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(path); !bytes.Equal(got, data) {
			t.Error("the data are others")
		}
		var is, was unix.Stat_t
		if err := errors.Join(unix.Stat(path, &is), unix.Fstat(int(original.Fd()), &was)); err != nil {
			t.Fatal(err)
		}
		if is.Ino == was.Ino || is.Uid != was.Uid || is.Gid != was.Gid || is.Mode != was.Mode {
			t.Errorf("got %+v, want %+v", is, was)
		}
		if is.Blocks > was.Blocks+16 {
			t.Errorf("the copy takes %d blocks, the original %d", is.Blocks, was.Blocks)
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

// A file of several names is not replaced by one, and a cancelled or a cut
// copy is an error.
func TestCopyFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "image")
	write(t, path, strings.Repeat("x", 4096))
	if err := os.Link(path, filepath.Join(dir, "second")); err != nil {
		t.Fatal(err)
	}
	original, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer original.Close()
	f := begin(t, path, Replace, nil, false)
	defer f.Abort()
	if err := f.TakeAfter(original); err == nil || !strings.Contains(err.Error(), "2 names") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.copyData(ctx, original, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, _, err := nextData(original, 4096, 8192); err != nil {
		t.Errorf("behind the end: %v", err)
	}
}

// A full file system is told as such, and what was there stays.
func TestCopyWithoutSpace(t *testing.T) {
	dir := folders(t)["tmpfs"]
	if dir == "" {
		t.Skip("mounting a small file system needs root")
	}
	path := filepath.Join(dir, "image")
	write(t, path, strings.Repeat("x", 700<<10))
	original, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer original.Close()
	f := begin(t, path, Replace, nil, false)
	begun := func(int64, int64) { t.Error("what could not be completed was begun") }
	if _, err := f.CopyFrom(t.Context(), original, begun); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("got %v", err)
	}
	// Where it fills up meanwhile, it is told too.
	if err := f.copyData(t.Context(), original, nil); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("without asking: %v", err)
	}
	if err := f.Abort(); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != 700<<10 {
		t.Errorf("%v, %v", info, err)
	}
}

// Where files can share data, a copy is a clone: it needs no room.
func TestClone(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a file system needs root")
	}
	image, dir := filepath.Join(t.TempDir(), "btrfs"), t.TempDir()
	write(t, image, "")
	if err := os.Truncate(image, 256<<20); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"mkfs.btrfs", "-q", image}, {"mount", "-o", "loop", image, dir}} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Skipf("no btrfs: %v: %s", err, out)
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "image")
	data := bytes.Repeat([]byte("clone"), 100<<10)
	write(t, path, string(data))
	original, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer original.Close()
	f, err := Create(path, Replace, nil)
	if err != nil {
		t.Fatal(err)
	}
	if how, err := f.CopyFrom(t.Context(), original, nil); err != nil || how != Cloned {
		t.Errorf("%s, %v", how, err)
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(path); !bytes.Equal(got, data) {
		t.Error("the data are others")
	}
}
