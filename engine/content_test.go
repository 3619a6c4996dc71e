package engine

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/assay-dev/assay/testdata/images"
)

// A job reads what was inspected: kept blocks from memory, others compared
// with what they were, and nothing that was not inspected.
func TestContent(t *testing.T) {
	was := randomBytes(600*blockSize + 77)
	now := bytes.Clone(was)
	b := newBlocks(bytes.NewReader(was), int64(len(was)), 0)
	defer b.recycle()
	// In this order: 10 to 265 are kept, 266 to 309 and the end are not.
	for _, r := range []Range{{10 * blockSize, 300 * blockSize}, {590 * blockSize, 10*blockSize + 77}} {
		if _, err := b.ReadAt(make([]byte, r[1]), r[0]); err != nil {
			t.Fatal(err)
		}
	}
	i := &Image{seen: b, report: &Report{Source: "disk"}, source: &openSource{reader: bytes.NewReader(now)}}
	c := i.newContent()
	for _, tc := range []struct{ off, start, end int64 }{
		{0, 10 * blockSize, 310 * blockSize},
		{310*blockSize - 1, 10 * blockSize, 310 * blockSize},
		{310 * blockSize, 590 * blockSize, int64(len(was))},
		{int64(len(was)), 0, 0},
	} {
		if start, end := c.Next(tc.off); start != tc.start || end != tc.end {
			t.Errorf("the range after %d is [%d, %d), want [%d, %d)", tc.off, start, end, tc.start, tc.end)
		}
	}
	read := func(off, n int64) error {
		p := make([]byte, n)
		got, err := c.ReadAt(p, off)
		if err == nil && (int64(got) != n || !bytes.Equal(p, was[off:off+n])) {
			t.Errorf("%d of %d bytes at %d, or not those that were inspected", got, n, off)
		}
		return err
	}
	whole := []Range{{10 * blockSize, 300 * blockSize}, {10*blockSize + 5, 1}, {264*blockSize + 100, 4 * blockSize}, {int64(len(was)) - 1, 1}, {590 * blockSize, 10*blockSize + 77}}
	for _, r := range whole {
		if err := read(r[0], r[1]); err != nil {
			t.Errorf("%d bytes at %d: %v", r[1], r[0], err)
		}
	}
	for _, r := range []Range{{0, 1}, {9 * blockSize, blockSize + 1}, {309 * blockSize, blockSize + 1}, {int64(len(was)) - 1, 2}, {int64(len(was)), 1}, {-1, 1}} {
		if err := read(r[0], r[1]); err == nil {
			t.Errorf("%d bytes at %d were not all inspected, and were read", r[1], r[0])
		}
	}
	// What is kept does not depend on the source; the rest must still be it.
	clear(now)
	if err := read(10*blockSize, 256*blockSize); err != nil {
		t.Errorf("kept: %v", err)
	}
	for _, off := range []int64{266 * blockSize, 309*blockSize + 1, int64(len(was)) - 1} {
		if changed, ok := errors.AsType[*SourceChangedError](read(off, 1)); !ok || changed.Source != "disk" || changed.Offset != off/blockSize*blockSize {
			t.Errorf("byte %d changed: %v", off, changed)
		}
	}
	i.source.reader = bytes.NewReader(now[:300*blockSize])
	// A reader would take io.EOF for the end of the disk.
	_, err := i.newContent().ReadAt(make([]byte, 1), 305*blockSize)
	if changed, ok := errors.AsType[*SourceChangedError](err); !ok || changed.Source != "disk" || changed.Offset != 305*blockSize || errors.Is(err, io.EOF) {
		t.Errorf("a source that ends: %v", err)
	}
}

// TestImageReadAt: an image is read as it was vetted, across the bounds of
// what was inspected, and as io.ReaderAt has it at its end; a byte that was
// inspected and has changed is an error, one that was not is as it is.
func TestImageReadAt(t *testing.T) {
	eng, err := New(t.Context(), NewConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close(t.Context())
	data := images.MBR(1<<20, images.Partition{Type: 0x83, Start: 8, Count: 64})
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	image, err := eng.Vet(t.Context(), File(f), Claim(Raw))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(io.NewSectionReader(image, 0, int64(len(data)))); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if n, err := image.ReadAt(make([]byte, 10), int64(len(data))-4); n != 4 || err != io.EOF {
		t.Errorf("across the end: %d, %v", n, err)
	}
	if _, err := image.ReadAt(make([]byte, 1), -1); err == nil || err == io.EOF {
		t.Errorf("before the start: %v", err)
	}
	first := image.Report().Inspected.Ranges[0]
	behind := first[0] + first[1]
	if first[0] != 0 || behind >= int64(len(data)) {
		t.Fatal("all of the image was inspected: the test shows nothing")
	}
	for _, off := range []int64{0, behind} {
		if _, err := f.WriteAt([]byte{^data[off]}, off); err != nil {
			t.Fatal(err)
		}
	}
	b := make([]byte, 1)
	if _, err := image.ReadAt(b, behind); err != nil || b[0] != ^data[behind] {
		t.Errorf("what was not inspected: %x, %v", b, err)
	}
	// Of the first MiB that was inspected the bytes are kept.
	if _, err := image.ReadAt(b, 0); err != nil || b[0] != data[0] {
		t.Errorf("what was inspected: %x, %v", b, err)
	}
	if err := f.Truncate(behind); err != nil {
		t.Fatal(err)
	}
	if _, err := image.ReadAt(b, behind); !errors.As(err, new(*SourceChangedError)) {
		t.Errorf("a file that became shorter: %v", err)
	}
	image.Close()
	if _, err := image.ReadAt(b, 0); !errors.Is(err, ErrNotVetted) {
		t.Errorf("after Close: %v", err)
	}
}
