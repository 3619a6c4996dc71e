package qemuimg

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/assay-dev/assay/internal/vetted"
)

// TestResize: disks grow and shrink as with plain qemu-img, what stays of them
// is as it was, and what is new is zeros.
func TestResize(t *testing.T) {
	tool := realTool(t)
	for _, c := range some([]struct {
		args []string
		size int64
	}{
		{[]string{"-f", "qcow2"}, 2 * diskSize}, {[]string{"-f", "qcow2"}, 3 << 20}, {[]string{"-f", "qcow2"}, 512},
		{[]string{"-f", "qcow2"}, 100 << 30}, {[]string{"-f", "qcow2", "-o", "cluster_size=512"}, 1 << 30},
		{[]string{"-f", "qcow2", "-o", "extended_l2=on,cluster_size=128k"}, 2*diskSize + 512},
		{[]string{"-f", "qed"}, 2 * diskSize},
	}) {
		path, format := newImage(t, c.args...), c.args[1]
		want := reference(t, format, path)
		file := open(t, path, os.O_RDWR)
		shrink := c.size < diskSize
		r, err := tool.Resize(t.Context(), accepted(t, file, format, diskSize), ResizeOptions{Size: c.size, Shrink: shrink})
		if err != nil {
			t.Errorf("%q to %d: %v", c.args, c.size, err)
			continue
		}
		if len(r.Layers) < 5 || r.Wall <= 0 || r.CPU <= 0 {
			t.Errorf("result %+v", r)
		}
		plain(t, "qemu-img", "check", "-q", "-f", format, path)
		out, err := combined("qemu-img", "info", "-f", format, "--output=json", path)
		if err != nil || !strings.Contains(out, fmt.Sprintf(`"virtual-size": %d,`, c.size)) {
			t.Errorf("%q to %d: %s", c.args, c.size, out)
		}
		if c.size > 10*diskSize {
			continue // too large to be read
		}
		if shrink {
			want = want[:c.size]
		} else {
			want = append(want, make([]byte, c.size-diskSize)...)
		}
		if !bytes.Equal(reference(t, format, path), want) {
			t.Errorf("%q to %d: the disk is another", c.args, c.size)
		}
	}
	noChildren(t)
}

// TestResizeRefuses: what cannot be, or was not allowed, starts no process.
func TestResizeRefuses(t *testing.T) {
	for _, c := range []struct {
		driver string
		o      ResizeOptions
		shrink bool
		kind   error
	}{
		{"qcow2", ResizeOptions{Size: diskSize - 512}, true, nil},
		{"raw", ResizeOptions{Size: diskSize - 512}, true, nil},
		{"qed", ResizeOptions{Size: diskSize - 512}, true, nil},
		{"qed", ResizeOptions{Size: diskSize - 512, Shrink: true}, false, errors.ErrUnsupported},
		{"vmdk", ResizeOptions{Size: 2 * diskSize}, false, errors.ErrUnsupported},
		{"", ResizeOptions{Size: 2 * diskSize}, false, errors.ErrUnsupported},
		{"qcow2", ResizeOptions{}, false, nil},
		{"qcow2", ResizeOptions{Size: -512, Shrink: true}, false, nil},
		{"qcow2", ResizeOptions{Size: diskSize + 1}, false, nil},
	} {
		err := CanResize(vetted.Facts{Format: c.driver, Driver: c.driver, VirtualSize: diskSize}, c.o)
		if _, shrink := errors.AsType[*ShrinkError](err); err == nil || shrink != c.shrink || c.kind != nil && !errors.Is(err, c.kind) {
			t.Errorf("%s, %+v: %v", c.driver, c.o, err)
		}
	}
	tool := realTool(t)
	raw := open(t, newImage(t, "-f", "raw"), os.O_RDWR)
	if _, err := tool.Resize(t.Context(), accepted(t, raw, "raw", diskSize), ResizeOptions{Size: 2 * diskSize}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("raw: %v", err)
	}
	if _, err := tool.Resize(t.Context(), acceptedAs(t, goodFor(raw, 0), raw, "qcow2", diskSize), ResizeOptions{Size: 2 * diskSize}); !errors.Is(err, errChanged) {
		t.Errorf("a copy that is another: %v", err)
	}
	if _, err := tool.Resize(t.Context(), acceptedAs(t, goodFor(bytes.NewReader(nil), 9), raw, "qcow2", diskSize), ResizeOptions{Size: 2 * diskSize}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a reader: %v", err)
	}
	if _, err := tool.Resize(t.Context(), nil, ResizeOptions{Size: 512}); err == nil {
		t.Error("no image was resized")
	}
}

// TestResizeFails: a tool that fails is an error, with the one reason that
// callers ask for.
func TestResizeFails(t *testing.T) {
	file := open(t, newOutput(t).Name(), os.O_RDWR)
	for name, check := range map[string]func(error) bool{
		"full":    func(err error) bool { _, ok := errors.AsType[*NoSpaceError](err); return ok },
		"quota":   func(err error) bool { return errors.Is(err, unix.EDQUOT) },
		"hostile": func(err error) bool { e, ok := errors.AsType[*ToolError](err); return ok && e.ExitCode == 1 },
	} {
		_, err := fakeTool(t, name).Resize(t.Context(), accepted(t, file, "qcow2", diskSize), ResizeOptions{Size: 2 * diskSize})
		if !check(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	noChildren(t)
}

// TestResizeCapacity: what an image is said to hold, the real tool gives it, and
// a sector more is refused by us, and by the tool where it is not told how the
// image was made: then no limit of ours was met.
func TestResizeCapacity(t *testing.T) {
	tool := realTool(t)
	for _, c := range some([]struct {
		format string
		made   settings
		limit  int64
		unsaid bool // that the default holds more
		holds  bool // whether the tool is asked for the limit
	}{
		{"qcow2", settings{"cluster_size": "512"}, 128 << 30, true, false}, // it takes 10 s
		{"qcow2", settings{"cluster_size": "4096", "refcount_bits": "1"}, 8 << 40, true, true},
		{"qcow2", settings{"cluster_size": "16384", "extended_l2": "on"}, 64 << 40, true, true},
		{"qcow2", settings{}, 2 << 50, false, true},
		{"qed", settings{"cluster_size": "4096", "table_size": "2"}, 4 << 30, true, true},
		{"qed", settings{}, 64 << 40, false, true},
	}) {
		args := []string{"-f", c.format}
		for name, value := range c.made {
			args = append(args, "-o", name+"="+value)
		}
		path := newImage(t, args...)
		resize := func(size int64, made settings) error {
			_, err := tool.Resize(t.Context(), accepted(t, open(t, path, os.O_RDWR), c.format, diskSize), ResizeOptions{Size: size, Made: made})
			return err
		}
		err := resize(c.limit+sector, c.made)
		tooLarge, ok := errors.AsType[*CapacityError](err)
		if !ok || tooLarge.Limit != c.limit || tooLarge.Size != c.limit+sector || tooLarge.Target != c.format || tooLarge.Hint() == "" {
			t.Errorf("%q and a sector more: %v", args, err)
		}
		if c.unsaid {
			err := resize(c.limit+sector, nil)
			if failed, ok := errors.AsType[*ToolError](err); !ok || failed.Limit != "" {
				t.Errorf("%q, and the tool is asked: %v", args, err)
			}
		}
		if !c.holds {
			continue
		}
		if err := resize(c.limit, c.made); err != nil {
			t.Errorf("%q at its limit: %v", args, err)
		}
	}
	// Of clusters of 64 MiB and tables of 16 the disk's size is no int64.
	if err := CanResize(vetted.Facts{Format: "qed", Driver: "qed", VirtualSize: diskSize}, ResizeOptions{
		Size: math.MaxInt64 - math.MaxInt64%sector, Made: settings{"cluster_size": "67108864", "table_size": "16"},
	}); err != nil {
		t.Error(err)
	}
	noChildren(t)
}

// TestLockForResize: an image that another of qemu's programs has open is
// refused, also one that only reads; and kept from all but readers meanwhile.
func TestLockForResize(t *testing.T) {
	realTool(t)
	path := newImage(t, "-f", "raw")
	for name, bytes := range map[string][]int64{
		"a reader":           {does + read, forbids + write, forbids + resize},
		"a writer":           {does + read, does + write, forbids + write},
		"one that is alone":  {forbids + read},
		"one that resizes":   {does + resize},
		"one of ours reads":  readerTakes,
		"one of ours resize": resizerTakes,
	} {
		holder := open(t, path, os.O_RDWR)
		if err := lockBytes(holder, bytes, nil); err != nil {
			t.Fatal(err)
		}
		refused := open(t, path, os.O_RDWR)
		if err := LockForResize(refused); !isLocked(err) {
			t.Errorf("%s: %v", name, err)
		}
		refused.Close()
		holder.Close()
	}
	ours := open(t, path, os.O_RDWR)
	if err := LockForResize(ours); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{
		{"qemu-io", "-f", "raw", "-c", "write -q 0 512", path},
		{"qemu-img", "resize", "-f", "raw", path, "16M"},
	} {
		if out, err := combined(command[0], command[1:]...); err == nil || !strings.Contains(out, "lock") {
			t.Errorf("%q was let in: %s", command, out)
		}
	}
	ours.Close()
	plain(t, "qemu-io", "-f", "raw", "-c", "write -q 0 512", path)
}

func isLocked(err error) bool {
	locked, ok := errors.AsType[*LockedError](err)
	return ok && locked.Resize
}
