package engine_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/native/destination"
	"github.com/assay-dev/assay/native/qemuimg"
	"github.com/assay-dev/assay/testdata/images"
)

// resizable makes a qcow2 image in a folder of its own.
func resizable(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "a.qcow2")
	tool(t, "qemu-img", "create", "-q", "-f", "qcow2", path, "24M")
	tool(t, "qemu-io", "-c", "write -q -P 3 1M 3M", "-c", "write -q -P 9 20M 64k", path)
	return path
}

// The image at a name has another size afterwards, and is else the same: for
// those who have it open, what they opened.
func TestResize(t *testing.T) {
	needTools(t)
	path := resizable(t)
	eng := newEngine(t, engine.NewConfig())
	f := open(t, path)
	before := readFile(t, path)
	image := vet(t, eng, f)
	r, err := eng.Resize(t.Context(), image, path, engine.ResizeOptions{Size: 48 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if r.VirtualSize != 48<<20 || r.VirtualSizeBefore != 24<<20 || r.Format != "qcow2" || r.Tool == nil || len(r.Layers) < 4 ||
		(r.Method != engine.ResizeCopy && r.Method != engine.ResizeClone) || r.DurationMicros <= 0 || r.Bytes < int64(len(before)) {
		t.Errorf("result %s", text(r))
	}
	held := make([]byte, len(before)+1)
	if n, _ := f.ReadAt(held, 0); !bytes.Equal(held[:n], before) {
		t.Error("who has the image open sees another")
	}
	tool(t, "qemu-io", "-r", "-f", "qcow2", "-c", "read -q -P 3 1M 3M", "-c", "read -q -P 9 20M 64k", "-c", "read -q -P 0 24M 24M", path)
	// What was vetted is no longer at the name.
	if _, err := eng.Resize(t.Context(), image, path, engine.ResizeOptions{Size: 64 << 20}); !isError[*engine.SourceChangedError](err) {
		t.Errorf("again: %v", err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A raw image is cut and extended in place, with any partition table on it.
func TestResizeRaw(t *testing.T) {
	needConfinement(t)
	eng := newEngine(t, engine.NewConfig())
	for name, disk := range map[string][]byte{"nothing": randomDisk(1 << 20), "gpt": append(images.GPT(512), make([]byte, 1<<20)...)} {
		f := openBytes(t, disk)
		size := int64(len(disk))
		r, err := eng.Resize(t.Context(), vet(t, eng, f, engine.Claim("raw")), f.Name(), engine.ResizeOptions{Size: 2 * size})
		if err != nil || r.Method != engine.ResizeTruncate || r.Bytes != 2*size || r.Tool != nil {
			t.Fatalf("%s: %s, %v", name, text(r), err)
		}
		if got := readFile(t, f.Name()); !bytes.Equal(got, append(bytes.Clone(disk), make([]byte, size)...)) {
			t.Errorf("%s: the disk is another", name)
		}
		image := vet(t, eng, f, engine.Claim("raw"))
		if _, err := eng.Resize(t.Context(), image, f.Name(), engine.ResizeOptions{Size: size}); !isError[*qemuimg.ShrinkError](err) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := eng.Resize(t.Context(), image, f.Name(), engine.ResizeOptions{Size: size, Shrink: true}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := readFile(t, f.Name()); !bytes.Equal(got, disk) {
			t.Errorf("%s: cut to another disk", name)
		}
	}
}

// Every way to fail leaves the image as it was, and nothing beside it.
func TestResizeFails(t *testing.T) {
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	grow := engine.ResizeOptions{Size: 48 << 20}
	for name, c := range map[string]struct {
		options engine.ResizeOptions
		prepare func(t *testing.T, path string) (named string)
		check   func(error) bool
	}{
		"shrinks":       {engine.ResizeOptions{Size: 1 << 20}, nil, isError[*qemuimg.ShrinkError]},
		"odd size":      {engine.ResizeOptions{Size: 48<<20 + 1}, nil, nil},
		"too large":     {engine.ResizeOptions{Size: 4 << 50}, nil, isError[*qemuimg.CapacityError]},
		"beyond policy": {engine.ResizeOptions{Size: 65 << 40}, nil, isError[*engine.OutputError]},
		"a link": {grow, func(t *testing.T, path string) string {
			link := filepath.Join(t.TempDir(), "link")
			if err := os.Symlink(path, link); err != nil {
				t.Fatal(err)
			}
			return link
		}, isError[*destination.SymlinkError]},
		"another file": {grow, func(t *testing.T, path string) string { return resizable(t) }, isError[*engine.SourceChangedError]},
		"no file":      {grow, func(t *testing.T, path string) string { return path + ".none" }, func(err error) bool { return errors.Is(err, os.ErrNotExist) }},
		"several names": {grow, func(t *testing.T, path string) string {
			if err := os.Link(path, filepath.Join(t.TempDir(), "second")); err != nil {
				t.Fatal(err)
			}
			return path
		}, nil},
		"in use": {grow, func(t *testing.T, path string) string {
			f := open(t, path)
			// As a program of qemu's that reads: it does not expect a resize.
			l := unix.Flock_t{Type: unix.F_RDLCK, Start: 203, Len: 1}
			if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &l); err != nil {
				t.Fatal(err)
			}
			return path
		}, isError[*qemuimg.LockedError]},
		"written to": {grow, func(t *testing.T, path string) string {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt([]byte{0}, 50); err != nil {
				t.Fatal(err)
			}
			return path
		}, isError[*engine.SourceChangedError]},
	} {
		t.Run(name, func(t *testing.T) {
			path := resizable(t)
			image := vet(t, eng, open(t, path))
			named := path
			if c.prepare != nil {
				named = c.prepare(t, path)
			}
			before := readFile(t, path)
			_, err := eng.Resize(t.Context(), image, named, c.options)
			if err == nil || c.check != nil && !c.check(err) {
				t.Errorf("got %v", err)
			}
			if !bytes.Equal(readFile(t, path), before) {
				t.Error("the image was changed")
			}
			if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
	reader, err := eng.Vet(t.Context(), engine.ReaderAt(bytes.NewReader(images.Qcow2()), int64(len(images.Qcow2()))))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if _, err := eng.Resize(t.Context(), reader, "x", grow); !errors.Is(err, engine.ErrNotSupported) {
		t.Errorf("a reader: %v", err)
	}
	if _, err := eng.Resize(t.Context(), &engine.Image{}, "x", grow); !errors.Is(err, engine.ErrNotVetted) {
		t.Errorf("no image: %v", err)
	}
}

// A size that the policy rejects is refused, before the work where there is any:
// this tool would be found out by what it writes. A raw disk takes none.
func TestResizeBeyondPolicy(t *testing.T) {
	needTools(t)
	policy, err := engine.ParsePolicy(bytes.Replace(engine.Strict().Document(), []byte(`"virtual_size": 70368744177664`), []byte(`"virtual_size": 50331648`), 1))
	if err != nil {
		t.Fatal(err)
	}
	qcow2, raw := resizable(t), filepath.Join(t.TempDir(), "raw")
	if err := os.WriteFile(raw, images.Random(1<<20, 1), 0o600); err != nil {
		t.Fatal(err)
	}
	eng := newEngine(t, engine.NewConfig().WithPolicy(policy).WithQemuImg(doesNothing(t)))
	for path, claim := range map[string]engine.Format{qcow2: "", raw: engine.Raw} {
		image := vet(t, eng, open(t, path), engine.Claim(claim))
		before := readFile(t, path)
		_, err := eng.Resize(t.Context(), image, path, engine.ResizeOptions{Size: 48<<20 + 512})
		if !isError[*engine.OutputError](err) || !strings.Contains(err.Error(), "virtual-size-limit") {
			t.Errorf("%q: error %v", claim, err)
		}
		if !bytes.Equal(readFile(t, path), before) {
			t.Errorf("%q: the image was changed", claim)
		}
	}
	path := filepath.Join(t.TempDir(), "fits")
	if err := os.WriteFile(path, images.Random(1<<20, 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := eng.Resize(t.Context(), vet(t, eng, open(t, path), engine.Claim(engine.Raw)), path, engine.ResizeOptions{Size: 48 << 20}); err != nil {
		t.Errorf("the largest size that the policy allows: %v", err)
	}
}

// doesNothing builds a qemu-img that does nothing, and says it did.
func doesNothing(t *testing.T) string {
	t.Helper()
	path := filepath.Join(sharedDir(t), "nothing")
	build := exec.Command("go", "build", "-o", path, "./testdata/fake")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		unavailable(t, "building the fake tool: %v\n%s", err, out)
	}
	return path
}

// A tool that does nothing, and says it did, is found out; and so is a file
// system without room for the copy.
func TestResizeIsVerified(t *testing.T) {
	needTools(t)
	path := resizable(t)
	before := readFile(t, path)
	eng := newEngine(t, engine.NewConfig().WithQemuImg(doesNothing(t)))
	_, err := eng.Resize(t.Context(), vet(t, eng, open(t, path)), path, engine.ResizeOptions{Size: 48 << 20})
	if !isError[*engine.OutputError](err) {
		t.Errorf("a tool that lies: %v", err)
	}
	if !bytes.Equal(readFile(t, path), before) {
		t.Error("the image was changed")
	}
	if os.Geteuid() != 0 {
		return
	}
	small := t.TempDir()
	if err := unix.Mount("assay-test", small, "tmpfs", 0, "size=5m"); err != nil {
		t.Skip("no small file system: ", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(small, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	full := filepath.Join(small, "a.qcow2")
	if err := os.WriteFile(full, before, 0o600); err != nil {
		t.Fatal(err)
	}
	real := newEngine(t, engine.NewConfig())
	_, err = real.Resize(t.Context(), vet(t, real, open(t, full)), full, engine.ResizeOptions{Size: 48 << 20})
	if !isError[*qemuimg.NoSpaceError](err) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("no space: %v", err)
	}
	if left, err := os.ReadDir(small); err != nil || len(left) != 1 || !bytes.Equal(readFile(t, full), before) {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// However soon a resize is given up, the image is what it was, or has its new
// size; nothing is beside it.
func TestResizeCancelled(t *testing.T) {
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	path := resizable(t)
	size, cancelled := int64(24<<20), 0
	for i := range 12 {
		image, before := vet(t, eng, open(t, path)), readFile(t, path)
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*i)*time.Millisecond)
		_, err := eng.Resize(ctx, image, path, engine.ResizeOptions{Size: size + 1<<20})
		cancel()
		switch {
		case err == nil:
			size += 1 << 20
		case !errors.Is(err, context.DeadlineExceeded):
			t.Errorf("cancelled after %d ms: %v", i*i, err)
		default:
			cancelled++
			if !bytes.Equal(readFile(t, path), before) {
				t.Fatalf("cancelled after %d ms, and changed", i*i)
			}
		}
		if now := vet(t, eng, open(t, path)).Report(); now.VirtualSize != size {
			t.Errorf("after %d ms the disk has %d bytes, not %d", i*i, now.VirtualSize, size)
		}
		if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
	if cancelled < 3 {
		t.Errorf("only %d were cancelled", cancelled)
	}
}

// Where files can share data, the copy is a clone.
func TestResizeClone(t *testing.T) {
	needTools(t)
	if os.Geteuid() != 0 {
		t.Skip("mounting a file system needs root")
	}
	disk, dir := openBytes(t, nil), t.TempDir()
	if err := disk.Truncate(256 << 20); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"mkfs.btrfs", "-q", disk.Name()}, {"mount", "-o", "loop", disk.Name(), dir}} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Skipf("no btrfs: %v: %s", err, out)
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "a.qcow2")
	if err := os.WriteFile(path, readFile(t, resizable(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	eng := newEngine(t, engine.NewConfig())
	r, err := eng.Resize(t.Context(), vet(t, eng, open(t, path)), path, engine.ResizeOptions{Size: 48 << 20})
	if err != nil || r.Method != engine.ResizeClone {
		t.Fatalf("%s, %v", text(r), err)
	}
	tool(t, "qemu-io", "-r", "-f", "qcow2", "-c", "read -q -P 3 1M 3M", "-c", "read -q -P 9 20M 64k", "-c", "read -q -P 0 24M 24M", path)
}
