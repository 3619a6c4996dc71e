package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/native/destination"
	"github.com/assay-dev/assay/native/qemuimg"
	"golang.org/x/sys/unix"
)

// allZeros are a disk of them.
type allZeros struct{}

func (allZeros) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }

// A disk that the format cannot hold is refused before a tool is looked for.
func TestConvertBeyondCapacity(t *testing.T) {
	eng := newEngine(t, engine.NewConfig().WithQemuImg("/nonexistent/qemu-img"))
	const size = 8<<40 + 512
	image, err := eng.Vet(t.Context(), engine.ReaderAt(allZeros{}, size), engine.Claim("raw"))
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	dir := t.TempDir()
	for _, o := range []engine.ConvertOptions{
		{To: "vhd", Subformat: "fixed"}, {To: "vmdk"}, {To: "qcow2", Options: map[string]string{"cluster_size": "4096"}},
	} {
		_, err := eng.Convert(t.Context(), image, engine.ToFile(filepath.Join(dir, "dst")), o)
		tooLarge, ok := errors.AsType[*qemuimg.CapacityError](err)
		if !ok || tooLarge.Size != size || tooLarge.Limit >= size || !errors.Is(err, engine.ErrNotSupported) {
			t.Errorf("%s: %v", outputName(o), err)
		}
	}
	nothingIn(t, dir)
}

// ways are the ways in which an output is made: by the engine, and by the tool
// that is served the source, or is handed it, in several formats.
func ways() []engine.ConvertOptions {
	return []engine.ConvertOptions{
		{To: "raw"},
		{To: "raw", HandOff: engine.HandOffNBD},
		{To: "raw", HandOff: engine.HandOffDescriptor},
		{To: "qcow2"},
		{To: "vmdk", Subformat: "streamOptimized"},
		{To: "vhd", Subformat: "fixed"},
	}
}

// interrupted is a source of which reads in a range, which is not inspected,
// wait until something is done, if there is something to do.
type interrupted struct {
	io.ReaderAt
	from, to int64

	mu sync.Mutex
	do func() // done once
}

func (s *interrupted) interrupt(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.do = do
}

func (s *interrupted) ReadAt(p []byte, off int64) (int, error) {
	if off >= s.from && off < s.to {
		s.mu.Lock()
		if s.do != nil {
			s.do()
			s.do = nil
		}
		s.mu.Unlock()
	}
	return s.ReaderAt.ReadAt(p, off)
}

// interruptible returns a vetted raw disk whose conversion can be interrupted
// when half of it is read.
func interruptible(t *testing.T, eng *engine.Engine, disk []byte) (*interrupted, *engine.Image) {
	t.Helper()
	half := int64(len(disk) / 2)
	source := &interrupted{ReaderAt: bytes.NewReader(disk), from: half, to: half + 1<<20}
	image, err := eng.Vet(t.Context(), engine.ReaderAt(source, int64(len(disk))), engine.Claim("raw"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { image.Close() })
	return source, image
}

// smallFolder is a file system of size bytes in memory.
func smallFolder(t *testing.T, size int64) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a small file system needs root")
	}
	dir := t.TempDir()
	if err := unix.Mount("assay-test", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=755", size)); err != nil {
		unavailable(t, "no tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill leaves as much room in a folder's file system as an output in it needs
// to come to a size in bytes, or none if it is larger already.
func fill(t *testing.T, dir string, size int64) {
	filler, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Error(err)
		return
	}
	defer filler.Close()
	for err = unix.ENOSPC; err != nil; {
		var fs unix.Statfs_t
		if err := unix.Statfs(dir, &fs); err != nil {
			t.Error(err)
			return
		}
		written := int64(fs.Blocks-fs.Bfree) * int64(fs.Bsize)
		room := int64(fs.Bfree)*int64(fs.Bsize) - max(0, size-written)
		if room <= 0 {
			return
		}
		// It fails when the output grows meanwhile.
		if err = unix.Fallocate(int(filler.Fd()), 0, 0, room); err != nil && !errors.Is(err, unix.ENOSPC) {
			t.Error(err)
			return
		}
	}
}

// awaitEmpty waits until nothing is stored in a folder's file system. What the
// tool may have open is known to Landlock for a moment after both are gone.
func awaitEmpty(t *testing.T, dir string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		var fs unix.Statfs_t
		if err := unix.Statfs(dir, &fs); err != nil {
			t.Fatal(err)
		}
		if fs.Bfree == fs.Blocks {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d bytes are still stored", int64(fs.Blocks-fs.Bfree)*int64(fs.Bsize))
		}
	}
}

// TestConvertNoSpace: a file system that others fill while the output is
// written, at its start, its middle or before its last page, is told, and
// nothing is left on it. Without ASSAY_LONG=1 each way takes one of these.
func TestConvertNoSpace(t *testing.T) {
	needTools(t)
	eng := newEngine(t, engine.NewConfig().WithSpoolDir(t.TempDir()))
	source, image := interruptible(t, eng, randomDisk(6<<20))
	for i, o := range ways() {
		t.Run(outputName(o)+" "+o.HandOff, func(t *testing.T) {
			dir := smallFolder(t, 64<<20)
			out := filepath.Join(dir, "out")
			convert := func(meanwhile func()) (*engine.ConvertResult, error) {
				source.interrupt(meanwhile)
				return eng.Convert(t.Context(), image, engine.ToFile(out), o)
			}
			whole, err := convert(func() {})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(out); err != nil {
				t.Fatal(err)
			}
			for j, size := range []int64{0, whole.AllocatedBytes / 2, whole.AllocatedBytes - 4096} {
				if !long() && j != i%3 {
					continue
				}
				awaitEmpty(t, dir)
				_, err := convert(func() { fill(t, dir, size) })
				full, ok := errors.AsType[*qemuimg.NoSpaceError](err)
				if !ok || full.Path != out || !errors.Is(err, syscall.ENOSPC) {
					t.Errorf("full at %d of %d bytes: %v", size, whole.AllocatedBytes, err)
				}
				if err := os.Remove(filepath.Join(dir, "filler")); err != nil {
					t.Fatal(err)
				}
				nothingIn(t, dir)
			}
		})
	}
}

// failing is a source of which, once it is armed, what lies at an offset cannot
// be read.
type failing struct {
	io.ReaderAt
	at atomic.Int64 // -1: all can be read
}

func (f *failing) ReadAt(p []byte, off int64) (int, error) {
	if at := f.at.Load(); at >= off && at < off+int64(len(p)) {
		return 0, &os.PathError{Op: "read", Path: "the medium", Err: syscall.EIO}
	}
	return f.ReaderAt.ReadAt(p, off)
}

// TestConvertReadErrors: a source that cannot be read somewhere, be it what was
// inspected or what was not, fails every way of conversion with why, and
// nothing is left.
func TestConvertReadErrors(t *testing.T) {
	needTools(t)
	const size = 6 << 20
	source := &failing{ReaderAt: bytes.NewReader(randomDisk(size))}
	source.at.Store(-1)
	eng := newEngine(t, engine.NewConfig().WithSpoolDir(t.TempDir()))
	image, err := eng.Vet(t.Context(), engine.ReaderAt(source, size), engine.Claim("raw"))
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	for _, o := range ways() {
		for _, at := range []int64{0, 1<<20 - 1, 3<<20 + 17, size - 1} {
			source.at.Store(at)
			dir := t.TempDir()
			_, err := eng.Convert(t.Context(), image, engine.ToFile(filepath.Join(dir, "out")), o)
			if !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "the medium") {
				t.Errorf("%s %s, %d cannot be read: %v", outputName(o), o.HandOff, at, err)
			}
			nothingIn(t, dir)
		}
	}
}

// lost tells whether an error says that something could not be read: the
// engine, or the tool that had the source itself.
func lost(err error) bool {
	failed, ok := errors.AsType[*qemuimg.ToolError](err)
	return errors.Is(err, syscall.EIO) || ok && strings.Contains(failed.Stderr, "Input/output error")
}

// TestConvertLostMedium: so does a device whose medium is gone in part.
func TestConvertLostMedium(t *testing.T) {
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	const size = 6 << 20
	for _, o := range ways() {
		t.Run(outputName(o)+" "+o.HandOff, func(t *testing.T) {
			device := loopDevice(t, size, "512")
			image := vet(t, eng, open(t, device), engine.Claim("raw"))
			out, err := exec.Command("losetup", "--noheadings", "--output", "BACK-FILE", device).Output()
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(strings.TrimSpace(string(out)), 3<<20); err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if _, err := eng.Convert(t.Context(), image, engine.ToFile(filepath.Join(dir, "out")), o); !lost(err) {
				t.Errorf("got %v", err)
			}
			nothingIn(t, dir)
		})
	}
}

// TestConvertFolderRemoved: when the folder of the output is removed while it
// is written, the error says so, and the output does not appear elsewhere.
func TestConvertFolderRemoved(t *testing.T) {
	needTools(t)
	eng := newEngine(t, engine.NewConfig().WithSpoolDir(t.TempDir()))
	source, image := interruptible(t, eng, randomDisk(4<<20))
	for _, o := range ways() {
		if o.HandOff == engine.HandOffDescriptor {
			continue // such a source is read before there is an output
		}
		parent := t.TempDir()
		dir := filepath.Join(parent, "folder")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		remove := func() {
			if err := os.RemoveAll(dir); err != nil {
				t.Error(err)
			}
		}
		source.interrupt(remove)
		_, err := eng.Convert(t.Context(), image, engine.ToFile(filepath.Join(dir, "out")), o)
		if !isError[*destination.FolderRemovedError](err) {
			t.Errorf("%s %s: %v", outputName(o), o.HandOff, err)
		}
		nothingIn(t, parent)
	}
}

// TestConvertCancelledAnywhere: whenever it is, and however the output is made,
// a file is whole or not there, and a device holds the disk, or zeros in its
// place.
func TestConvertCancelledAnywhere(t *testing.T) {
	needTools(t)
	eng := newEngine(t, engine.NewConfig().WithSpoolDir(t.TempDir()))
	disk := randomDisk(3 << 20)
	image := vet(t, eng, openBytes(t, disk), engine.Claim("raw"))
	moments := rand.New(rand.NewPCG(7, 7))
	rounds := 3
	if long() {
		rounds = 50
	}
	cancelled := func(t *testing.T, to engine.Destination, o engine.ConvertOptions) bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(moments.Int64N(int64(120*time.Millisecond))))
		defer cancel()
		_, err := eng.Convert(ctx, image, to, o)
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s %s: %v", outputName(o), o.HandOff, err)
		}
		return err != nil
	}
	ended := map[bool]int{}
	for _, o := range ways() {
		for range rounds {
			dir := t.TempDir()
			out := filepath.Join(dir, "out")
			was := cancelled(t, engine.ToFile(out), o)
			ended[was]++
			if was {
				nothingIn(t, dir)
			} else if o.To == "raw" && !bytes.Equal(readFile(t, out), disk) {
				t.Errorf("%s: another disk", o.HandOff)
			}
		}
	}
	if os.Geteuid() == 0 {
		device := loopDevice(t, len(disk)+1<<20, "512")
		dirt := bytes.Repeat([]byte{0xff}, len(disk)+1<<20)
		for i := range 4 * rounds {
			if err := os.WriteFile(device, dirt, 0); err != nil {
				t.Fatal(err)
			}
			was := cancelled(t, engine.ToDevice(device), engine.ConvertOptions{To: "raw", HandOff: ways()[i%3].HandOff})
			ended[was]++
			switch got := readFile(t, device)[:len(disk)]; {
			case bytes.Equal(got, disk) && !was, was && bytes.Equal(got, make([]byte, len(disk))):
			case was && bytes.Equal(got, dirt[:len(disk)]): // before anything was written
			default:
				t.Errorf("cancelled %v: the device holds something else", was)
			}
		}
	}
	if ended[true] == 0 {
		t.Errorf("none was cancelled: %v", ended)
	}
}
