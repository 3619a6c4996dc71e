package qemuimg

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/assay-dev/assay/internal/vetted"
	"github.com/assay-dev/assay/native/nbd"
)

// TestInspectedBytesAreServed: qemu-img reads what was inspected, not what
// the file has become, and the rest from the source: a file, or any reader.
func TestInspectedBytesAreServed(t *testing.T) {
	tool := realTool(t)
	path := newImage(t, "-f", "qcow2", "-o", "cluster_size=4k")
	want := reference(t, "qcow2", path)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const head = 64 << 10 // the header, and the tables of so small an image
	file := open(t, path, os.O_RDWR)
	if _, err := file.WriteAt(make([]byte, head), 0); err != nil {
		t.Fatal(err)
	}
	now := slices.Concat(make([]byte, head), whole[head:])
	for name, source := range map[string]io.ReaderAt{"file": file, "reader": bytes.NewReader(now)} {
		c := goodFor(source, 1<<20)
		c.head = whole[:head]
		output := newOutput(t)
		if _, err := tool.Convert(t.Context(), acceptedAs(t, c, file, "qcow2", diskSize), output, ConvertOptions{Target: TargetRaw}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, _ := os.ReadFile(output.Name()); !bytes.Equal(got, want) {
			t.Errorf("%s: the bytes are not those of the image that was inspected", name)
		}
		c.gone = errChanged
		if _, err := tool.Convert(t.Context(), acceptedAs(t, c, file, "qcow2", diskSize), newOutput(t), ConvertOptions{Target: TargetRaw}); !errors.Is(err, errChanged) {
			t.Errorf("%s, no longer to be had: %v", name, err)
		}
		noChildren(t)
	}
}

// TestSourceCut: a source that ends early while it is read fails the job,
// whichever way it is handed over, and says so where it is served.
func TestSourceCut(t *testing.T) {
	tool := realTool(t)
	path := newImage(t, "-f", "raw")
	file := open(t, path, os.O_RDWR)
	image := accepted(t, file, "raw", diskSize)
	if err := file.Truncate(diskSize / 2); err != nil {
		t.Fatal(err)
	}
	_, err := tool.Convert(t.Context(), image, newOutput(t), ConvertOptions{Target: TargetRaw, HandOff: HandOffNBD})
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
}

// TestFallback: a qemu-img without the driver gets a descriptor, unless that
// is refused; a source that is no file cannot be handed over so.
func TestFallback(t *testing.T) {
	tool := fakeTool(t, "fake")
	source := open(t, filepath.Join(t.TempDir(), "source"), os.O_CREATE|os.O_RDWR)
	result, err := tool.Convert(t.Context(), accepted(t, source, "raw", 0), newOutput(t), ConvertOptions{Target: TargetRaw})
	if err != nil || result.HandOff != HandOffDescriptor {
		t.Errorf("got %+v, %v", result, err)
	}
	if _, err := tool.Convert(t.Context(), accepted(t, source, "raw", 0), newOutput(t), ConvertOptions{Target: TargetRaw, HandOff: HandOffNBD}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("refused, and yet: %v", err)
	}
	reader := acceptedAs(t, goodFor(bytes.NewReader(nil), 9), source, "raw", 0)
	if _, err := tool.Convert(t.Context(), reader, newOutput(t), ConvertOptions{Target: TargetRaw}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a reader: %v", err)
	}
}

// TestToolThatDoesNotAsk: a tool that says it succeeded without having read
// its source has not; one that asks and waits for ever is ended.
func TestToolThatDoesNotAsk(t *testing.T) {
	source := open(t, filepath.Join(t.TempDir(), "source"), os.O_CREATE|os.O_RDWR)
	_, err := fakeTool(t, "liar").Convert(t.Context(), accepted(t, source, "raw", 0), newOutput(t), ConvertOptions{Target: TargetRaw})
	if _, ok := errors.AsType[*nbd.ClientError](err); !ok {
		t.Errorf("the liar: %v", err)
	}
	limits := Limits{CPU: time.Minute, AddressSpace: 4 << 30, NoProgress: 100 * time.Millisecond}
	_, err = fakeTool(t, "deaf").Convert(t.Context(), accepted(t, source, "raw", 0), newOutput(t), ConvertOptions{Target: TargetRaw, Limits: &limits})
	if failed, ok := errors.AsType[*ToolError](err); !ok || failed.Limit != LimitNoProgress {
		t.Errorf("the deaf: %v", err)
	}
	noChildren(t)
}

func TestHasDriver(t *testing.T) {
	for answer, want := range map[string]bool{
		"usage\n\nSupported formats: file nbd qcow2\n\nSee\n":          true,
		"usage\n\nSupported image formats:\n  file\n  nbd qcow2\n":     true,
		"the nbd of it\n\nSupported formats: file null-co-nbd qcow2\n": false,
		"nbd": false,
		"":    false,
	} {
		if got := hasDriver([]byte(answer), "nbd"); got != want {
			t.Errorf("%q: %v", answer, got)
		}
	}
}

// TestLocked: an image that another of qemu's programs may write to, or wants
// for itself, is refused, unless it is raw and taken live; one that others
// read is not.
func TestLocked(t *testing.T) {
	tool := realTool(t)
	path := newImage(t, "-f", "raw")
	for _, c := range []struct {
		name    string
		bytes   []int64
		refused bool
	}{
		{"a reader", []int64{does + read, forbids + write, forbids + resize}, false},
		{"a writer", []int64{does + read, does + write}, true},
		{"one that resizes", []int64{does + resize}, true},
		{"one that wants to be alone", []int64{forbids + read}, true},
	} {
		holder := open(t, path, os.O_RDWR)
		for _, at := range c.bytes {
			l := unix.Flock_t{Type: unix.F_RDLCK, Start: at, Len: 1}
			if err := unix.FcntlFlock(holder.Fd(), unix.F_OFD_SETLK, &l); err != nil {
				t.Fatal(err)
			}
		}
		image := accepted(t, open(t, path, os.O_RDONLY), "raw", diskSize)
		for _, handOff := range []string{HandOffNBD, HandOffDescriptor} {
			_, err := tool.Convert(t.Context(), image, newOutput(t), ConvertOptions{Target: TargetRaw, HandOff: handOff})
			if locked, ok := errors.AsType[*LockedError](err); ok != c.refused || (err != nil) != c.refused {
				t.Errorf("%s, by %s: %v", c.name, handOff, err)
			} else if ok && locked.Hint() == "" {
				t.Errorf("%s: no hint", c.name)
			}
			if _, err := tool.Convert(t.Context(), image, newOutput(t), ConvertOptions{Target: TargetRaw, HandOff: handOff, Live: true}); err != nil {
				t.Errorf("%s, by %s, live: %v", c.name, handOff, err)
			}
		}
		holder.Close()
	}
}

// TestWriterIsKeptOut: while a job reads an image, qemu's programs cannot
// write to it; afterwards they can.
func TestWriterIsKeptOut(t *testing.T) {
	realTool(t)
	path := newImage(t, "-f", "raw")
	f := open(t, path, os.O_RDONLY)
	work, err := accepted(t, f, "raw", diskSize).Acquire()
	if err != nil {
		t.Fatal(err)
	}
	defer work.Release()
	s, err := newSource(work, HandOffNBD, vetted.Facts{Driver: "raw", Size: diskSize}, false)
	if err != nil {
		t.Fatal(err)
	}
	write := []string{"-f", "raw", "-c", "write -q 0 512", path}
	if out, err := combined("qemu-io", write...); err == nil || !strings.Contains(out, "lock") {
		t.Errorf("a writer was let in: %s", out)
	}
	s.close()
	if out, err := combined("qemu-io", write...); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestSourceThatCannotBeReopened: a descriptor that this process could not
// have opened itself is served by what it is good for.
func TestSourceThatCannotBeReopened(t *testing.T) {
	tool := realTool(t)
	if os.Geteuid() == 0 {
		t.Skip("root can reopen anything; TestAsNobody runs this")
	}
	path := newImage(t, "-f", "qcow2")
	want := reference(t, "qcow2", path)
	f := open(t, path, os.O_RDONLY)
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	output := newOutput(t)
	if _, err := tool.Convert(t.Context(), accepted(t, f, "qcow2", diskSize), output, ConvertOptions{Target: TargetRaw}); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(output.Name()); !bytes.Equal(got, want) {
		t.Error("the bytes are not those of plain qemu-img")
	}
}
