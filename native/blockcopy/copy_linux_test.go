package blockcopy

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assay-dev/assay/internal/vetted"
	"github.com/assay-dev/assay/native/qemuimg"
	"golang.org/x/sys/unix"
)

// A file that shrinks while it is copied fails the copy, whatever is left to
// read of it; one that grows is copied as long as it was.
func TestSizeChanges(t *testing.T) {
	disk := make([]byte, 8<<20)
	fill(random(1), disk)
	for name, tc := range map[string]struct {
		stored [][2]int64 // of the source
		size   int64      // it becomes
	}{
		"data cut off": {[][2]int64{{0, 8 << 20}}, 4<<20 + 5},
		"a hole cut":   {[][2]int64{{0, 1 << 20}}, 4 << 20},
		"to nothing":   {[][2]int64{{0, 1 << 20}, {7 << 20, 8 << 20}}, 0},
		"grown":        {[][2]int64{{0, 8 << 20}}, 9 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			l := layout{disk: make([]byte, len(disk)), stored: tc.stored}
			for _, s := range tc.stored {
				copy(l.disk[s[0]:s[1]], disk[s[0]:s[1]])
			}
			source, out := l.file(t, t.TempDir()), newFile(t, t.TempDir())
			calls := 0
			_, err := Copy(t.Context(), image(t, &content{source: source, vetted: l.disk}), out, Options{
				Workers: 1,
				Progress: func(int64, int64) {
					if calls++; calls == 1 {
						if err := source.Truncate(tc.size); err != nil {
							t.Error(err)
						}
					}
				},
			})
			switch {
			case tc.size > int64(len(disk)):
				if err != nil {
					t.Fatal(err)
				}
				wantDisk(t, out, l.disk)
			case !errors.Is(err, io.ErrUnexpectedEOF):
				t.Errorf("error %v", err)
			}
		})
	}
}

// Where the file system can, the data is shared; what was inspected is still
// what was vetted, and the source is not shown to have changed later.
func TestClone(t *testing.T) {
	all, shared := folders(t), 0
	for _, name := range []string{"xfs", "btrfs"} {
		if all[name] == "" {
			continue
		}
		shared++
		t.Run(name, func(t *testing.T) {
			disk := make([]byte, 2<<20+700)
			fill(random(3), disk)
			l := layout{disk: disk, stored: [][2]int64{{0, int64(len(disk))}}}
			source, out := l.file(t, all[name]), newFile(t, all[name])
			c := &content{source: source, vetted: bytes.Clone(disk), ranges: [][2]int64{{0, 2 * block}, {1 << 20, 1<<20 + block}, {2 << 20, int64(len(disk))}}}
			clear(c.vetted[block : 2*block])
			c.vetted[2<<20+699] ^= 1
			result, err := Copy(t.Context(), image(t, c), out, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if want := int64(block + 700); !result.Cloned || result.Written != want {
				t.Errorf("cloned %v, and %d bytes written, want %d", result.Cloned, result.Written, want)
			}
			if _, err := source.WriteAt(make([]byte, len(disk)), 0); err != nil {
				t.Fatal(err)
			}
			wantDisk(t, out, c.vetted)

			// What was taken at one moment may not be all there was.
			if err := source.Truncate(2 << 20); err != nil {
				t.Fatal(err)
			}
			if _, err := Copy(t.Context(), image(t, c), newFile(t, all[name]), Options{Live: true}); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("a source cut short: %v", err)
			}
			if err := source.Truncate(4 << 20); err != nil {
				t.Fatal(err)
			}
			longer := newFile(t, all[name])
			if _, err := Copy(t.Context(), image(t, c), longer, Options{Live: true}); err != nil {
				t.Fatal(err)
			}
			wantDisk(t, longer, make([]byte, len(disk)))
		})
	}
	if shared == 0 {
		t.Skip("no file system that shares data: needs root, and mkfs.xfs or mkfs.btrfs")
	}
}

// A full file system is told as such, wherever in the disk it is full.
func TestNoSpace(t *testing.T) {
	all := folders(t)
	if all["tmpfs"] == "" {
		t.Skip("needs root: a small file system")
	}
	disk := make([]byte, 8<<20)
	fill(random(1), disk)
	c := &content{source: bytes.NewReader(disk), vetted: disk}
	for _, name := range []string{"tmpfs", "ext4"} {
		dir := all[name]
		if dir == "" {
			continue
		}
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err != nil {
			t.Fatal(err)
		}
		free := int64(st.Bfree) * int64(st.Bsize) // also what is there for root only
		for where, room := range map[string]int64{"start": 0, "middle": 4 << 20, "end": 8<<20 - 64<<10} {
			for _, cached := range []bool{true, false} {
				ballast, out := newFile(t, dir), newFile(t, dir)
				// The last blocks may be for the tables of the file system.
				for size := free - room; ; size -= 64 << 10 {
					if err := unix.Fallocate(int(ballast.Fd()), 0, 0, size); err == nil {
						break
					}
				}
				_, err := Copy(t.Context(), image(t, c), out, Options{Cached: cached})
				full, ok := errors.AsType[*qemuimg.NoSpaceError](err)
				if !ok || full.Path != out.Name() || !errors.Is(err, unix.ENOSPC) {
					t.Errorf("%s, full at the %s: %v", name, where, err)
				}
				for _, f := range []*os.File{ballast, out} {
					f.Close()
					os.Remove(f.Name())
				}
			}
		}
	}
}

// Nothing of what a device held is left in the disk, and behind it everything.
func TestDevice(t *testing.T) {
	const size = 8 << 20
	for _, sectorSize := range []string{"512", "4096"} {
		t.Run(sectorSize, func(t *testing.T) {
			device := loop(t, size, sectorSize)
			for seed := range uint64(6) {
				r := random(seed)
				l := newLayout(r, size-r.IntN(3<<20)-r.IntN(2)*700)
				source := l.file(t, t.TempDir())
				c := &content{source: source, vetted: bytes.Clone(l.disk), ranges: [][2]int64{{0, min(block, int64(len(l.disk)))}}}
				for _, o := range []Options{{}, {Workers: 3}} {
					dirty := bytes.Repeat([]byte{0xff}, size)
					if _, err := device.WriteAt(dirty, 0); err != nil {
						t.Fatal(err)
					}
					result, err := Copy(t.Context(), image(t, c), device, o)
					if err != nil {
						t.Fatal(err)
					}
					copy(dirty, make([]byte, result.OutputSize))
					copy(dirty, l.disk)
					wantDisk(t, device, dirty)
				}
			}
			small := &content{source: bytes.NewReader(nil), vetted: make([]byte, size+1)}
			if _, err := Copy(t.Context(), image(t, small), device, Options{}); err == nil || !strings.Contains(err.Error(), "8388608 bytes") {
				t.Errorf("a device that is too small: %v", err)
			}
		})
	}
}

// loop makes a loop device.
func loop(t *testing.T, size int64, sectorSize string) *os.File {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: a loop device")
	}
	backing := filepath.Join(t.TempDir(), "device")
	if err := os.WriteFile(backing, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(backing, size); err != nil {
		t.Fatal(err)
	}
	name, err := exec.Command("losetup", "--find", "--show", "--sector-size", sectorSize, backing).Output()
	if err != nil {
		t.Skipf("no loop device: %v", err)
	}
	path := strings.TrimSpace(string(name))
	t.Cleanup(func() {
		if out, err := exec.Command("losetup", "--detach", path).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	device, err := os.OpenFile(path, os.O_RDWR|unix.O_EXCL, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { device.Close() })
	return device
}

// A source that another program has locked for writing is refused, unless it
// is taken live; one that is copied is locked against that.
func TestLocked(t *testing.T) {
	l := newLayout(random(1), 2<<20)
	source := l.file(t, t.TempDir())
	c := &content{source: source, vetted: l.disk}
	again, err := os.OpenFile(source.Name(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	write := unix.Flock_t{Type: unix.F_WRLCK, Start: 101, Len: 1} // block/file-posix.c: BLK_PERM_WRITE
	if err := unix.FcntlFlock(again.Fd(), unix.F_OFD_SETLK, &write); err != nil {
		t.Fatal(err)
	}
	if _, err := Copy(t.Context(), image(t, c), newFile(t, t.TempDir()), Options{}); err == nil || !errors.As(err, new(*qemuimg.LockedError)) {
		t.Errorf("error %v, want a LockedError", err)
	}
	if _, err := Copy(t.Context(), image(t, c), newFile(t, t.TempDir()), Options{Live: true}); err != nil {
		t.Errorf("live: %v", err)
	}
	write.Type = unix.F_UNLCK
	if err := unix.FcntlFlock(again.Fd(), unix.F_OFD_SETLK, &write); err != nil {
		t.Fatal(err)
	}
	tested := false
	if _, err := Copy(t.Context(), image(t, c), newFile(t, t.TempDir()), Options{Progress: func(int64, int64) {
		forbids := unix.Flock_t{Type: unix.F_WRLCK, Start: 201, Len: 1}
		if err := unix.FcntlFlock(again.Fd(), unix.F_OFD_GETLK, &forbids); err != nil || forbids.Type == unix.F_UNLCK {
			t.Errorf("others may write to the source: %v", err)
		}
		tested = true
	}}); err != nil || !tested {
		t.Error(err)
	}
	if at, err := source.Seek(0, io.SeekCurrent); err != nil || at != 0 {
		t.Errorf("the position of the source has become %d: %v", at, err)
	}
}

// TestRoom: a copy that asks for room is not begun without.
func TestRoom(t *testing.T) {
	dir := folders(t)["tmpfs"]
	if dir == "" {
		t.Skip("needs root: a small file system")
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	free := int64(st.Bavail) * int64(st.Frsize)
	for size, fits := range map[int64]bool{free / 2: true, free: false, 1 << 40: false} {
		// As a reader it has no holes to ask for, and one that begins tells.
		c := &content{source: zeroReader{}, vetted: nil}
		i := vetted.New(vetted.Facts{Format: "raw", Driver: "raw", Size: size, VirtualSize: size}, c)
		out, begun := newFile(t, dir), false
		_, err := Copy(t.Context(), i, out, Options{Room: true, Progress: func(int64, int64) { begun = true }})
		if fits != (err == nil) || begun != fits {
			t.Errorf("%d bytes of %d: %v, begun %v", size, free, err, begun)
		}
		if !fits && (!errors.Is(err, unix.ENOSPC) || length(t, out) != 0) {
			t.Errorf("%d bytes of %d: %v, %d bytes long", size, free, err, length(t, out))
		}
		out.Close()
		os.Remove(out.Name())
		i.Close()
	}
}

// zeroReader is a source of zeros without end.
type zeroReader struct{}

func (zeroReader) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}

func length(t *testing.T, f *os.File) int64 {
	t.Helper()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
