package engine_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/native/qemuimg"
	"golang.org/x/sys/unix"
)

// TestNoSpace: a conversion that cannot fit is not begun, or fails on the way;
// the error names the mount point, and nothing is left.
func TestNoSpace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: a small file system")
	}
	needTools(t)
	dir := t.TempDir()
	if err := unix.Mount("assay-test", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("no tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	eng := newEngine(t, engine.NewConfig())
	// A sparse disk is not taken for what it may grow to.
	sparse := filepath.Join(t.TempDir(), "sparse")
	if err := errors.Join(os.WriteFile(sparse, randomDisk(64<<10), 0o600), os.Truncate(sparse, 1<<30)); err != nil {
		t.Fatal(err)
	}
	small := vet(t, eng, open(t, sparse), engine.Claim("raw"))
	if _, err := eng.Convert(t.Context(), small, engine.ToFile(filepath.Join(dir, "out")), engine.ConvertOptions{To: "raw"}); err != nil {
		t.Error(err)
	}
	if err := os.Remove(filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	image := vet(t, eng, openBytes(t, randomDisk(4<<20)), engine.Claim("raw"))
	for _, to := range []engine.Format{"raw", "vmdk"} {
		for _, unchecked := range []bool{false, true} {
			_, err := eng.Convert(t.Context(), image, engine.ToFile(filepath.Join(dir, "out")), engine.ConvertOptions{To: to, NoSpaceCheck: unchecked})
			full, ok := errors.AsType[*qemuimg.NoSpaceError](err)
			if !ok || !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("%s: %v", to, err)
			} else if full.MountPoint != dir || (full.Needed == 0) != unchecked {
				t.Errorf("%s, unchecked %v: %+v", to, unchecked, full)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
				t.Errorf("%s: left %v, %v", to, left, err)
			}
		}
	}
}
