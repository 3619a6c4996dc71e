package qemuimg

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// smallFS mounts a tmpfs of this many bytes, whose name has a space.
func smallFS(t *testing.T, size int64) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: a small file system")
	}
	dir := filepath.Join(t.TempDir(), "small one")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d", size), "assay-test", dir).CombinedOutput(); err != nil {
		t.Skipf("no tmpfs: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestSpaceWithoutBound: a file system without a bound has room.
func TestSpaceWithoutBound(t *testing.T) {
	folder := open(t, smallFS(t, 0), os.O_RDONLY)
	if err := CheckSpace(folder, 1<<40); err != nil {
		t.Error(err)
	}
	if at := mountPoint(open(t, os.DevNull, os.O_RDWR)); at != "" {
		t.Errorf("a device that is full is one of the file system at %s", at)
	}
}

// TestSparseSize: 0 stores what is zero too, and a longer run than there is
// stores those that are shorter.
func TestSparseSize(t *testing.T) {
	tool := realTool(t)
	// 64 KiB of data, as many of zeros, and so on.
	want := bytes.Repeat(append(bytes.Repeat([]byte{7}, 64<<10), make([]byte, 64<<10)...), diskSize>>17)
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, want, 0o600); err != nil {
		t.Fatal(err)
	}
	stored := func(sparse *int64, target string) int64 {
		output := newOutput(t)
		result, err := tool.Convert(t.Context(), accepted(t, open(t, path, os.O_RDONLY), "raw", diskSize), output, ConvertOptions{Target: target, SparseSize: sparse})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(reference(t, target, output.Name()), want) {
			t.Errorf("%s: another disk", target)
		}
		return result.Allocated
	}
	if got := stored(new(int64(0)), TargetRaw); got < diskSize {
		t.Errorf("%d bytes are stored of all %d", got, diskSize)
	}
	if few, more := stored(nil, TargetRaw), stored(new(int64(128<<10)), TargetRaw); few > diskSize*2/3 || more < diskSize*2/3 {
		t.Errorf("%d bytes are stored, and %d with a larger sparse size", few, more)
	}
	if got := stored(new(int64(0)), TargetQcow2); got < diskSize {
		t.Errorf("qcow2: %d bytes are stored of all %d", got, diskSize)
	}
	for _, size := range []int64{-512, 1, 513, MaxSparseSize + 512} {
		_, err := tool.Convert(t.Context(), accepted(t, open(t, path, os.O_RDONLY), "raw", diskSize), newOutput(t), ConvertOptions{Target: TargetRaw, SparseSize: &size})
		if err == nil || !strings.Contains(err.Error(), "sparse size") {
			t.Errorf("%d: %v", size, err)
		}
	}
}

// TestCache: every mode writes the disk, and one that is not there or cannot
// be is refused before anything starts.
func TestCache(t *testing.T) {
	tool := realTool(t)
	path := newImage(t, "-f", "raw")
	image := accepted(t, open(t, path, os.O_RDONLY), "raw", diskSize)
	for _, target := range []string{TargetRaw, TargetQcow2} {
		for _, mode := range some(CacheModes()) {
			output := newOutput(t)
			_, err := tool.Convert(t.Context(), image, output, ConvertOptions{Target: target, Cache: mode})
			if cannot, ok := errors.AsType[*CacheError](err); ok && !passesCache(output) && errors.Is(cannot, errors.ErrUnsupported) {
				continue // the folder of temporary files is on no such file system
			}
			if err != nil {
				t.Errorf("%s, %s: %v", target, mode, err)
			} else if !bytes.Equal(reference(t, target, output.Name()), reference(t, "raw", path)) {
				t.Errorf("%s, %s: another disk", target, mode)
			}
		}
	}
	if _, err := tool.Convert(t.Context(), image, newOutput(t), ConvertOptions{Target: TargetRaw, Cache: "none,x"}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("another mode: %v", err)
	}
	// A file that takes no write past the page cache, whatever else it is.
	closed := newOutput(t)
	closed.Close()
	for mode, refused := range map[string]bool{CacheNone: true, CacheDirectsync: true, CacheWriteback: false, CacheUnsafe: false, "": false} {
		err := (&ConvertOptions{Cache: mode}).passes(closed)
		if _, ok := errors.AsType[*CacheError](err); ok != refused || (err != nil) != refused {
			t.Errorf("%q: %v", mode, err)
		}
	}
}

// TestSpace: what cannot fit is refused before the tool is started, or found
// out by it, and either error names the mount point.
func TestSpace(t *testing.T) {
	tool := realTool(t)
	dir := smallFS(t, 4<<20)
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, bytes.Repeat([]byte{7}, diskSize), 0o600); err != nil {
		t.Fatal(err)
	}
	sparse, folder := newImage(t, "-f", "qcow2"), open(t, dir, os.O_RDONLY)
	free, err := freeSpace(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, format, path string
		o                  ConvertOptions
		fits, before       bool
	}{
		{"a full disk", "raw", path, ConvertOptions{Target: TargetQcow2}, false, true},
		{"a full disk, all the same", "raw", path, ConvertOptions{Target: TargetQcow2, NoSpaceCheck: true}, false, false},
		{"a sparse one", "qcow2", sparse, ConvertOptions{Target: TargetRaw}, true, false},
		{"with its zeros", "qcow2", sparse, ConvertOptions{Target: TargetRaw, SparseSize: new(int64(0))}, false, true},
		{"preallocated", "qcow2", sparse, ConvertOptions{Target: TargetQcow2, Options: settings{"preallocation": "full"}}, false, true},
		{"fixed", "qcow2", sparse, ConvertOptions{Target: TargetVHD, Subformat: "fixed"}, false, true},
		{"encrypted", "qcow2", sparse, ConvertOptions{Target: TargetLUKS, Encryption: quickly("x", "", 0)}, false, true},
	} {
		output := open(t, filepath.Join(dir, "output"), os.O_CREATE|os.O_RDWR|os.O_EXCL)
		_, err := tool.Convert(t.Context(), accepted(t, open(t, c.path, os.O_RDONLY), c.format, diskSize), output, c.o)
		full, ok := errors.AsType[*NoSpaceError](err)
		if (err == nil) != c.fits || ok == c.fits {
			t.Errorf("%s: %v", c.name, err)
		}
		if ok && (full.MountPoint != dir || !strings.Contains(err.Error(), dir) || !errors.Is(err, unix.ENOSPC) || full.Needed > 0 != c.before || full.Free > 4<<20) {
			t.Errorf("%s: %+v", c.name, full)
		}
		info, err := output.Stat()
		if err != nil || c.before && info.Size() != 0 {
			t.Errorf("%s: %d bytes were written, %v", c.name, info.Size(), err)
		}
		output.Close()
		if err := os.Remove(output.Name()); err != nil {
			t.Fatal(err)
		}
		// The tool's Landlock rules hold the file until the kernel has cleaned
		// up after it, a moment later.
		for range 500 {
			if now, err := freeSpace(folder); err != nil || now >= free {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}
