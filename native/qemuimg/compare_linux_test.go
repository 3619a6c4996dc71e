package qemuimg

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/assay-dev/assay/native/confine"
)

// TestCompare: the same disk in two formats is the same; a difference is
// found where it is, also behind the end of the smaller one.
func TestCompare(t *testing.T) {
	tool := realTool(t)
	dir := t.TempDir()
	packed := newImage(t, "-f", "qcow2")
	plain(t, "qemu-img", "convert", "-f", "qcow2", "-O", "raw", packed, filepath.Join(dir, "same"))
	disk, err := os.ReadFile(filepath.Join(dir, "same"))
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, change func([]byte) []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), change(bytes.Clone(disk)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("other", func(d []byte) []byte { d[3<<20] = 1; return d })
	write("first", func(d []byte) []byte { d[0] = 1; return d })
	write("longer", func(d []byte) []byte { return append(d, make([]byte, 1<<20)...) })
	write("much longer", func(d []byte) []byte { d = append(d, make([]byte, 1<<20)...); d[len(d)-1] = 1; return d })
	for _, c := range []struct {
		name   string
		size   int64
		offset int64
	}{
		{"same", diskSize, -1}, {"other", diskSize, 3 << 20}, {"first", diskSize, 0},
		{"longer", diskSize + 1<<20, -1}, {"much longer", diskSize + 1<<20, diskSize + 1<<20 - 512},
	} {
		for _, handOff := range []string{HandOffNBD, HandOffDescriptor} {
			var done, of int64
			a := accepted(t, open(t, packed, os.O_RDONLY), "qcow2", diskSize)
			b := accepted(t, open(t, filepath.Join(dir, c.name), os.O_RDONLY), "raw", c.size)
			r, err := tool.Compare(t.Context(), a, b, CompareOptions{HandOff: handOff, Progress: func(d, total int64) { done, of = d, total }})
			if err != nil {
				t.Errorf("%s by %s: %v", c.name, handOff, err)
				continue
			}
			if r.Identical != (c.offset < 0) || r.HandOff != handOff || len(r.Layers) < 5 {
				t.Errorf("%s by %s: %+v", c.name, handOff, r)
			}
			if r.Offset != c.offset {
				t.Errorf("%s by %s: differs at %d, want %d", c.name, handOff, r.Offset, c.offset)
			}
			if r.Identical && (done != c.size || of != c.size) {
				t.Errorf("%s: progress ended at %d of %d", c.name, done, of)
			}
		}
	}
	noChildren(t)
}

// TestCompareFails: an image that cannot be read is neither the same nor
// another one.
func TestCompareFails(t *testing.T) {
	tool := realTool(t)
	raw := newImage(t, "-f", "raw")
	good := accepted(t, open(t, raw, os.O_RDONLY), "raw", diskSize)
	bad := accepted(t, open(t, raw, os.O_RDONLY), "qcow2", diskSize)
	for name, err := range map[string]error{
		"second": func() error { _, err := tool.Compare(t.Context(), good, bad, CompareOptions{}); return err }(),
		"first":  func() error { _, err := tool.Compare(t.Context(), bad, good, CompareOptions{}); return err }(),
	} {
		if failed, ok := errors.AsType[*ToolError](err); !ok || failed.Op != "compare" {
			t.Errorf("%s is no image: %v", name, err)
		}
	}
	if _, err := tool.Compare(t.Context(), good, nil, CompareOptions{}); err == nil {
		t.Error("compared with nothing")
	}
	c := goodFor(open(t, raw, os.O_RDONLY), 1)
	if _, err := tool.Compare(t.Context(), good, acceptedAs(t, c, open(t, raw, os.O_RDONLY), "raw", diskSize), CompareOptions{}); !errors.Is(err, errChanged) {
		t.Errorf("the second changed: %v", err)
	}
	// One that ends early while it is read: no zeros for what is missing.
	cut := newImage(t, "-f", "raw")
	file := open(t, cut, os.O_RDWR)
	image := accepted(t, file, "raw", diskSize)
	if err := file.Truncate(diskSize / 2); err != nil {
		t.Fatal(err)
	}
	if r, err := tool.Compare(t.Context(), good, image, CompareOptions{HandOff: HandOffNBD}); err == nil {
		t.Errorf("one was cut: %+v", r)
	}
	noChildren(t)
}

// TestComparedAnswers: status and words must say the same.
func TestComparedAnswers(t *testing.T) {
	const same = "    (0.00/100%)\r    (100.00/100%)\rImages are identical.\n\n"
	const other = "    (0.00/100%)\rContent mismatch at offset 4096!\n\n"
	for _, c := range []struct {
		answer string
		status int
		offset int64 // -2: an error
	}{
		{same, 0, -1}, {"Warning: Image size mismatch!\nImages are identical.\n", 0, -1},
		{other, 1, 4096}, {"Content mismatch at offset 0!\n", 1, 0},
		{"", 0, -2}, {other, 0, -2}, {same + other, 0, -2}, {"", 1, -2}, {same, 1, -2}, {other, 2, -2}, {same, 2, -2},
		{"Content mismatch at offset 8192!\n", 1, -2}, {"Content mismatch at offset 9999999999999999999!\n", 1, -2},
		{"Content mismatch at offset -1!\n", 1, -2}, {"x Content mismatch at offset 1!\n", 1, -2},
	} {
		result := &confine.Result{ExitCode: c.status, Stdout: []byte(c.answer)}
		var err error
		if c.status != 0 {
			err = newToolError("compare", result)
		}
		r, err := compared(result, err, 8192)
		if (err != nil) != (c.offset == -2) || err == nil && (r.Offset != c.offset || r.Identical != (c.offset == -1)) {
			t.Errorf("status %d, %q: %+v, %v", c.status, c.answer, r, err)
		}
	}
}
