package blockcopy

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// folders returns a folder on each file system that can be had here: that of
// temporary files, and as root tmpfs, ext4 and, which share data, xfs and
// btrfs.
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
	mount("tmpfs", "-t", "tmpfs", "-o", "size=64m", "assay-test")
	for name, options := range map[string][]string{
		"ext4":  {"-q", "-F"},
		"xfs":   {"-q"},
		"btrfs": {"-q"},
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 320<<20); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("mkfs."+name, append(options, path)...).CombinedOutput(); err != nil {
			t.Logf("no %s: %v: %s", name, err, out)
			continue
		}
		// Not read-only, as mount would where somebody else took the device.
		mount(name, "-w", "-o", "loop", path)
	}
	return all
}

// everywhere runs a test in a new folder on each file system.
func everywhere(t *testing.T, f func(t *testing.T, dir string)) {
	for name, base := range folders(t) {
		t.Run(name, func(t *testing.T) {
			dir, err := os.MkdirTemp(base, "test")
			if err != nil {
				t.Fatal(err)
			}
			f(t, dir)
		})
	}
}
