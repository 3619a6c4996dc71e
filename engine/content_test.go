package engine

import (
	"bytes"
	"errors"
	"io"
	"testing"
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
	if _, err := i.newContent().ReadAt(make([]byte, 1), 305*blockSize); !errors.Is(err, io.EOF) {
		t.Errorf("a source that ends: %v", err)
	}
}
