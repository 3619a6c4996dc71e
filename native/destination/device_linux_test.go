package destination

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// attach returns a loop device of a file.
func attach(t *testing.T, image string, args ...string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("loop devices need root")
	}
	out, err := exec.Command("losetup", append([]string{"--find", "--show", image}, args...)...).CombinedOutput()
	if err != nil {
		t.Skipf("no loop device: %v: %s", err, out)
	}
	device := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if out, err := exec.Command("losetup", "--detach", device).CombinedOutput(); err != nil {
			t.Errorf("losetup: %v: %s", err, out)
		}
	})
	return device
}

const deviceSize = 3 << 20

// old returns a file and a loop device of it, full of 0xff.
func old(t *testing.T, sector int, args ...string) (image, device string) {
	t.Helper()
	image = filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, bytes.Repeat([]byte{0xff}, deviceSize), 0o600); err != nil {
		t.Fatal(err)
	}
	return image, attach(t, image, append(args, "--sector-size", strconv.Itoa(sector))...)
}

// wantBytes checks that a device holds b in [from, to).
func wantBytes(t *testing.T, path string, from, to int, b byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != deviceSize {
		t.Fatalf("%d bytes", len(got))
	}
	for i, c := range got[from:to] {
		if c != b {
			t.Fatalf("%#x at offset %d, want %#x in [%d, %d)", c, from+i, b, from, to)
		}
	}
}

// devices runs a test with sectors of both sizes and each way to zero.
func devices(t *testing.T, f func(t *testing.T, device string, open func(need int64) *Device)) {
	for _, sector := range []int{512, 4096} {
		for ways := range 3 {
			t.Run(fmt.Sprintf("%d,ways=%d", sector, ways), func(t *testing.T) {
				_, device := old(t, sector)
				f(t, device, func(need int64) *Device {
					d, err := OpenDevice(device, need, nil)
					if err != nil {
						t.Fatal(err)
					}
					d.ways = d.ways[2-ways:]
					t.Cleanup(func() { d.file.Close() })
					return d
				})
			})
		}
	}
}

// imageSize ends in the middle of a sector of either size.
const imageSize = 1<<20 + 100

func TestDeviceCommit(t *testing.T) {
	devices(t, func(t *testing.T, device string, open func(int64) *Device) {
		for _, keepTail := range []bool{true, false} {
			d := open(imageSize)
			if d.Size() != deviceSize || d.Path() != device {
				t.Errorf("%d bytes, %s", d.Size(), d.Path())
			}
			// A tool leaves zeros out; the image is shorter than it said.
			if err := d.Clear(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := d.File().WriteAt([]byte{1, 1, 1}, 4095); err != nil {
				t.Fatal(err)
			}
			if err := d.Commit(t.Context(), imageSize, keepTail); err != nil {
				t.Fatal(err)
			}
			wantBytes(t, device, 0, 4095, 0)
			wantBytes(t, device, 4095, 4098, 1)
			wantBytes(t, device, 4098, imageSize, 0)
			if keepTail {
				wantBytes(t, device, imageSize, deviceSize, 0xff)
			} else {
				wantBytes(t, device, imageSize, deviceSize, 0)
			}
			if err := d.Abort(); err != nil {
				t.Errorf("abort after commit: %v", err)
			}
			wantBytes(t, device, 4095, 4098, 1)
			if err := d.Commit(t.Context(), imageSize, true); !errors.Is(err, os.ErrClosed) {
				t.Errorf("a second commit: %v", err)
			}
			if err := d.Clear(t.Context()); !errors.Is(err, os.ErrClosed) {
				t.Errorf("clear after commit: %v", err)
			}
		}
	})
}

func TestDeviceAbort(t *testing.T) {
	devices(t, func(t *testing.T, device string, open func(int64) *Device) {
		// Nothing could be written yet.
		if err := open(imageSize).Abort(); err != nil {
			t.Fatal(err)
		}
		wantBytes(t, device, 0, deviceSize, 0xff)

		d := open(imageSize)
		if _, err := d.File().WriteAt([]byte{1}, 5000); err != nil {
			t.Fatal(err)
		}
		if err := d.Abort(); err != nil {
			t.Fatal(err)
		}
		wantBytes(t, device, 0, imageSize, 0)
		wantBytes(t, device, imageSize, deviceSize, 0xff)
	})
}

// What is cancelled or wrong is undone.
func TestDeviceCommitFails(t *testing.T) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	devices(t, func(t *testing.T, device string, open func(int64) *Device) {
		for _, c := range []struct {
			ctx     context.Context
			written int64
			is      error
		}{{cancelled, imageSize, context.Canceled}, {t.Context(), -1, nil}, {t.Context(), deviceSize + 1, nil}} {
			d := open(imageSize)
			if _, err := d.File().WriteAt([]byte{1}, 5000); err != nil {
				t.Fatal(err)
			}
			if err := d.Clear(cancelled); !errors.Is(err, context.Canceled) {
				t.Errorf("clear: %v", err)
			}
			err := d.Commit(c.ctx, c.written, false)
			if err == nil || c.is != nil && !errors.Is(err, c.is) || as[*DirtyError](err) {
				t.Errorf("%d: %v", c.written, err)
			}
			wantBytes(t, device, 0, imageSize, 0)
			wantBytes(t, device, imageSize, deviceSize, 0xff)
		}
	})
}

// What cannot be zeroed is told.
func TestDeviceDirty(t *testing.T) {
	_, device := old(t, 512)
	d, err := OpenDevice(device, imageSize, nil)
	if err != nil {
		t.Fatal(err)
	}
	d.File()
	if out, err := exec.Command("blockdev", "--setro", device).CombinedOutput(); err != nil {
		d.file.Close()
		t.Skipf("blockdev: %v: %s", err, out)
	}
	// The next user of the loop device would find it so.
	t.Cleanup(func() {
		if out, err := exec.Command("blockdev", "--setrw", device).CombinedOutput(); err != nil {
			t.Errorf("blockdev: %v: %s", err, out)
		}
	})
	err = d.Abort()
	dirty, ok := errors.AsType[*DirtyError](err)
	if !ok || dirty.Extent != (Extent{0, imageSize}) || dirty.Path != device || !errors.Is(err, unix.EPERM) {
		t.Errorf("got %v", err)
	}
}

func TestDeviceRefused(t *testing.T) {
	image, device := old(t, 512)
	stat := func(path string) os.FileInfo {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	refused := func(name, path string, need int64, source os.FileInfo, is func(error) bool) {
		t.Helper()
		d, err := OpenDevice(path, need, source)
		if err == nil {
			d.Abort()
		}
		if !is(err) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	symlink(t, device, link)

	refused("a file", image, 0, nil, as[*NotDeviceError])
	refused("a folder", dir, 0, nil, as[*NotDeviceError])
	refused("a folder, named as one", dir+"/", 0, nil, as[*NotDeviceError])
	refused("a character device", "/dev/null", 0, nil, as[*NotDeviceError])
	refused("nothing", filepath.Join(dir, "absent"), 0, nil, func(err error) bool { return errors.Is(err, os.ErrNotExist) })
	refused("a link", link, 0, nil, as[*SymlinkError])
	refused("less than nothing", device, -1, nil, func(err error) bool { return err != nil })
	refused("too small", device, deviceSize+1, nil, func(err error) bool {
		small, ok := errors.AsType[*TooSmallError](err)
		return ok && *small == TooSmallError{Path: device, Needed: deviceSize + 1, Size: deviceSize}
	})
	refused("the source", device, 0, stat(device), as[*SourceError])
	refused("a loop device of the source", device, 0, stat(image), as[*SourceError])
	refused("a second one", attach(t, image), 0, stat(device), as[*SourceError])
	refused("one of its own", attach(t, device), 0, stat(image), as[*SourceError])
	// Without a name, the source is known all the same.
	info := stat(image)
	if err := os.Remove(image); err != nil {
		t.Fatal(err)
	}
	refused("one of a source without a name", device, 0, info, as[*SourceError])

	// Another source is none of its business.
	other, _ := old(t, 512)
	d, err := OpenDevice(device, deviceSize, stat(other))
	if err != nil {
		t.Fatal(err)
	}
	refused("in use", device, 0, nil, as[*BusyError])
	if err := d.Abort(); err != nil {
		t.Error(err)
	}
	_, readOnly := old(t, 512, "--read-only")
	refused("read-only", readOnly, 0, nil, as[*ReadOnlyError])
	wantBytes(t, device, 0, deviceSize, 0xff)
}

// The file of a loop device is the source where the device is: replaced by
// another one, its data would be gone with the device.
func TestFileOfSource(t *testing.T) {
	image, device := old(t, 512)
	link := filepath.Join(filepath.Dir(image), "link")
	if err := os.Link(image, link); err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{device, attach(t, device)} {
		info, err := os.Stat(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{image, link} {
			if _, err := Create(path, Replace, info); !as[*SourceError](err) {
				t.Errorf("got %v", err)
			}
		}
		f, err := Create(filepath.Join(t.TempDir(), "other"), Replace, info)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Abort(); err != nil {
			t.Error(err)
		}
	}
}

// A mounted device is in use, and beneath what it holds.
func TestDeviceMounted(t *testing.T) {
	image, device := old(t, 512)
	dir := t.TempDir()
	for _, command := range [][]string{{"mkfs.ext4", "-q", "-F", device}, {"mount", device, dir}} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Skipf("%s: %v: %s", command[0], err, out)
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	if _, err := OpenDevice(device, 0, nil); !as[*BusyError](err) {
		t.Errorf("got %v", err)
	}
	path := filepath.Join(dir, "source")
	write(t, path, strings.Repeat("x", 64<<10))
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDevice(device, 0, info); !as[*SharedError](err) {
		t.Errorf("the device of its file system: %v", err)
	}
	if _, err := Create(image, Replace, info); !as[*SharedError](err) {
		t.Errorf("the file of the loop device of its file system: %v", err)
	}
	// What is on the file system is above the device.
	if info, err = os.Stat(device); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDevice(attach(t, path), 0, info); !as[*SharedError](err) {
		t.Errorf("a loop device of a file on the source: %v", err)
	}
}

// A link is followed where only root could have made it.
func TestDeviceLinks(t *testing.T) {
	_, device := old(t, 512)
	for base, followed := range map[string]bool{"/dev": true, "/dev/shm": false} {
		dir, err := os.MkdirTemp(base, "assay-test")
		if err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		if !followed {
			if err := os.Chmod(dir, 0o777); err != nil {
				t.Fatal(err)
			}
		}
		link := filepath.Join(dir, "by-name")
		symlink(t, device, link)
		d, err := OpenDevice(link, 0, nil)
		if followed && err != nil || !followed && !as[*SymlinkError](err) {
			t.Errorf("%s: %v", base, err)
		}
		if err == nil {
			d.Abort()
		}
	}
}

// A device may end in a part of a sector, which nothing can be written to.
func TestDeviceEndsInASector(t *testing.T) {
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, bytes.Repeat([]byte{0xff}, 1<<20+512), 0o600); err != nil {
		t.Fatal(err)
	}
	device := attach(t, image, "--sector-size", "4096")
	if _, err := OpenDevice(device, 1<<20+1, nil); !as[*TooSmallError](err) {
		t.Errorf("got %v", err)
	}
	d, err := OpenDevice(device, 1<<20, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Commit(t.Context(), 0, false); err != nil {
		t.Error(err)
	}
}
