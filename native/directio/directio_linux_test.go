package directio

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// works reads a file with O_DIRECT, aligned as told and no better.
func works(t *testing.T, path string, a Alignment) {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	p := buffer(a.Offset, a.Memory)
	if n, err := unix.Pread(fd, p, int64(a.Offset)); err != nil || n != a.Offset {
		t.Errorf("%+v: read %d, %v", a, n, err)
	}
	if n, err := unix.Pwrite(fd, p, int64(a.Offset)); err != nil || n != a.Offset {
		t.Errorf("%+v: wrote %d, %v", a, n, err)
	}
}

func file(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, bytes.Repeat([]byte{1}, 256<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Skipf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func root(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("loop devices and mounts need root")
	}
}

func mount(t *testing.T, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	run(t, "mount", append(args, dir)...)
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// loop returns a loop device of 1 MiB.
func loop(t *testing.T, sector int) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	device := run(t, "losetup", "--find", "--show", "--sector-size", strconv.Itoa(sector), image)
	t.Cleanup(func() {
		if out, err := exec.Command("losetup", "--detach", device).CombinedOutput(); err != nil {
			t.Errorf("losetup: %v: %s", err, out)
		}
	})
	return device
}

// What is told works, on each file system; and the file is as it was.
func TestFiles(t *testing.T) {
	for name, folder := range map[string]func(t *testing.T) string{
		"temporary": func(t *testing.T) string { return t.TempDir() },
		"tmpfs":     func(t *testing.T) string { root(t); return mount(t, "-t", "tmpfs", "assay-test") },
		"overlay": func(t *testing.T) string {
			root(t)
			base := mount(t, "-t", "tmpfs", "assay-test")
			for _, dir := range []string{"lower", "upper", "work"} {
				if err := os.Mkdir(filepath.Join(base, dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			return mount(t, "-t", "overlay", "-o", "lowerdir="+base+"/lower,upperdir="+base+"/upper,workdir="+base+"/work", "assay-test")
		},
		"ext4, sectors of 4096": func(t *testing.T) string {
			root(t)
			device := loop(t, 4096)
			run(t, "mkfs.ext4", "-q", "-F", "-O", "^has_journal", device)
			return mount(t, device)
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := file(t, folder(t))
			var before, after unix.Stat_t
			if err := unix.Stat(path, &before); err != nil {
				t.Fatal(err)
			}
			a, err := OfPath(path)
			if errors.Is(err, errors.ErrUnsupported) && name == "temporary" {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := unix.Stat(path, &after); err != nil || before != after {
				t.Errorf("it has changed: %+v, %+v, %v", before, after, err)
			}
			works(t, path, a)
			if strings.Contains(name, "4096") && a.Offset < 4096 {
				t.Errorf("%+v", a)
			}
			// A file that is only written to can be told of as well, and an
			// empty one.
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if got, err := Of(f); err != nil || got != a {
				t.Errorf("open: %+v, %v; want %+v", got, err, a)
			}
			if err := f.Truncate(0); err != nil {
				t.Fatal(err)
			}
			if got, err := Of(f); err != nil || got != a {
				t.Errorf("empty: %+v, %v; want %+v", got, err, a)
			}
		})
	}
}

// Of a device it is the sector, told or assumed, and less does not work.
func TestDevices(t *testing.T) {
	root(t)
	for _, sector := range []int{512, 4096} {
		t.Run(strconv.Itoa(sector), func(t *testing.T) {
			device := loop(t, sector)
			a, err := OfPath(device)
			if err != nil {
				t.Fatal(err)
			}
			if a.Offset != sector {
				t.Errorf("%+v", a)
			}
			works(t, device, a)
			f, err := os.OpenFile(device, os.O_RDONLY|unix.O_DIRECT, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if got, err := assumed(int(f.Fd()), true); err != nil || got != (Alignment{Memory: sector, Offset: sector}) {
				t.Errorf("assumed: %+v, %v", got, err)
			}
			err = try(int(f.Fd()), Alignment{Memory: sector, Offset: sector / 2})
			if unavailable, ok := errors.AsType[*UnavailableError](err); !ok || !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("half a sector: %v, %v", unavailable, err)
			}
		})
	}
}

// Where the system does not tell, what is assumed of a file works.
func TestAssumed(t *testing.T) {
	path := file(t, t.TempDir())
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no direct i/o here: %v", err)
	}
	defer unix.Close(fd)
	a, err := assumed(fd, false)
	if err != nil || a.Offset < alignmentLeast {
		t.Fatalf("%+v, %v", a, err)
	}
	works(t, path, a)
}

// A file system that says it cannot is believed.
func TestJournaled(t *testing.T) {
	root(t)
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, make([]byte, 16<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "mkfs.ext4", "-q", "-F", image)
	path := file(t, mount(t, "-o", "loop,data=journal", image))
	var stat unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_DIOALIGN, &stat); err != nil || stat.Mask&unix.STATX_DIOALIGN == 0 {
		t.Skipf("the system does not tell: %v", err)
	}
	_, err := OfPath(path)
	if unavailable, ok := errors.AsType[*UnavailableError](err); !ok || unavailable.Path != path {
		t.Errorf("got %v", err)
	}
}

// What is told is checked before it is used.
func TestReported(t *testing.T) {
	for _, c := range []struct {
		memory, offset uint32
		ok             bool
	}{
		{4, 512, true}, {4096, 4096, true}, {1, 1, true}, {512, alignmentBound, true},
		{0, 0, false}, {512, 0, false}, {0, 512, false}, {512, 513, false}, {3, 512, false},
		{512, 2 * alignmentBound, false}, {1 << 31, 512, false},
	} {
		stat := unix.Statx_t{Mask: unix.STATX_DIOALIGN, Dio_mem_align: c.memory, Dio_offset_align: c.offset}
		a, told, err := reported(&stat)
		if !told || (err == nil) != c.ok {
			t.Errorf("%+v: %v, %v", c, told, err)
		}
		if c.ok && (a.Memory != int(c.memory) || a.Offset != int(c.offset)) {
			t.Errorf("%+v: %+v", c, a)
		}
	}
	if _, told, err := reported(&unix.Statx_t{}); told || err != nil {
		t.Errorf("%v, %v", told, err)
	}
}

// Nothing but files and devices is opened: a pipe would wait for its other
// end.
func TestNeither(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, pipe, "/dev/null"} {
		if _, err := OfPath(path); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", path, err)
		}
	}
	_, err := OfPath(filepath.Join(dir, "absent"))
	if !errors.Is(err, os.ErrNotExist) || errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("absent: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is there now: %v", err)
	}
}

func TestBuffer(t *testing.T) {
	for _, align := range []int{1, 4, 512, 4096, 64 << 10} {
		for range 8 {
			p := buffer(512, align)
			at := uintptr(unsafe.Pointer(&p[0]))
			if len(p) != 512 || at%uintptr(align) != 0 || at%uintptr(2*align) == 0 {
				t.Errorf("%d: %d bytes at %#x", align, len(p), at)
			}
		}
	}
}
