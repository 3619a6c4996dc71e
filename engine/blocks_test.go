package engine

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/assay-dev/assay/hostfuncs"
	"github.com/cespare/xxhash/v2"
)

// randomBytes returns n reproducible bytes.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{7})
	_, _ = rng.Read(b)
	return b
}

// countingReader counts how often each byte of a block is read.
type countingReader struct {
	*bytes.Reader
	reads map[int64]int
}

func (c *countingReader) ReadAt(p []byte, off int64) (int, error) {
	for b := off / blockSize; b <= (off+int64(len(p))-1)/blockSize; b++ {
		c.reads[b]++
	}
	return c.Reader.ReadAt(p, off)
}

func TestBlocksReadEachByteOnce(t *testing.T) {
	data := randomBytes(700*blockSize + 123)
	source := &countingReader{bytes.NewReader(data), map[int64]int{}}
	b := newBlocks(source, int64(len(data)), 0)
	defer b.recycle()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		off := rng.Int64N(200 * blockSize)
		p := make([]byte, rng.IntN(3*blockSize))
		n, err := b.ReadAt(p, off)
		if n != len(p) || err != nil {
			t.Fatalf("ReadAt(%d bytes, %d) = %d, %v", len(p), off, n, err)
		}
		if !bytes.Equal(p, data[off:off+int64(n)]) {
			t.Fatalf("ReadAt(%d bytes, %d) differs from the source", n, off)
		}
	}
	for block, n := range source.reads {
		if n != 1 {
			t.Errorf("block %d was read %d times", block, n)
		}
	}
}

func TestBlocksAtTheEnd(t *testing.T) {
	data := randomBytes(2*blockSize + 100)
	size := int64(len(data))
	for _, tc := range []struct {
		off  int64
		n    int
		want int
		err  error
	}{
		{size - 100, 100, 100, nil},
		{size - 100, 101, 100, io.EOF},
		{size, 1, 0, io.EOF},
		{size + 5000, 1, 0, io.EOF},
		{0, int(size) + 1, int(size), io.EOF},
	} {
		b := newBlocks(bytes.NewReader(data), size, 0)
		// The short last block first, so that others follow it in memory.
		if _, err := b.ReadAt(make([]byte, 1), size-1); err != nil {
			t.Fatal(err)
		}
		p := make([]byte, tc.n)
		n, err := b.ReadAt(p, tc.off)
		if n != tc.want || err != tc.err {
			t.Errorf("ReadAt(%d bytes, %d) = %d, %v; want %d, %v", tc.n, tc.off, n, err, tc.want, tc.err)
		}
		if tc.off < size && !bytes.Equal(p[:n], data[tc.off:tc.off+int64(n)]) {
			t.Errorf("ReadAt(%d bytes, %d) differs from the source", tc.n, tc.off)
		}
		b.recycle()
	}
}

func TestBlocksOfAStream(t *testing.T) {
	data := randomBytes(3 * blockSize)
	b := newBlocks(bytes.NewReader(data), SizeUnknown, int64(len(data)))
	defer b.recycle()
	p := make([]byte, 100)
	if n, err := b.ReadAt(p, int64(len(data))-50); n != 50 || !errors.Is(err, hostfuncs.ErrNotArrived) {
		t.Errorf("read over what has arrived = %d, %v; want 50, ErrNotArrived", n, err)
	}
	if n, err := b.ReadAt(p, 0); n != 100 || err != nil {
		t.Errorf("read of what has arrived = %d, %v", n, err)
	}
}

func TestBlocksShrunkSource(t *testing.T) {
	data := randomBytes(blockSize)
	b := newBlocks(bytes.NewReader(data), 3*blockSize, 0)
	defer b.recycle()
	if _, err := b.ReadAt(make([]byte, 10), 2*blockSize); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("reading a source that shrank: %v, want ErrUnexpectedEOF", err)
	}
}

// Digests are those of the ranges' bytes in ascending order, whatever the
// order of reading, and whether the blocks were kept or only hashed.
func TestInspectedDigests(t *testing.T) {
	data := randomBytes(600*blockSize + 77)
	b := newBlocks(bytes.NewReader(data), int64(len(data)), 0)
	defer b.recycle()
	for _, r := range []Range{{590*blockSize + 1, 10*blockSize + 70}, {10 * blockSize, 300 * blockSize}, {0, 1}} {
		if _, err := b.ReadAt(make([]byte, r[1]), r[0]); err != nil {
			t.Fatal(err)
		}
	}
	got, err := b.inspected(true)
	if err != nil {
		t.Fatal(err)
	}
	want := []Range{{0, blockSize}, {10 * blockSize, 300 * blockSize}, {590 * blockSize, 10*blockSize + 77}}
	if fmt.Sprint(got.Ranges) != fmt.Sprint(want) {
		t.Fatalf("ranges %v, want %v", got.Ranges, want)
	}
	var all []byte
	for _, r := range want {
		all = append(all, data[r[0]:r[0]+r[1]]...)
	}
	if got.Bytes != int64(len(all)) {
		t.Errorf("bytes %d, want %d", got.Bytes, len(all))
	}
	if want := fmt.Sprintf("%016x", xxhash.Sum64(all)); got.XXH64 != want {
		t.Errorf("xxh64 %s, want %s", got.XXH64, want)
	}
	if want := fmt.Sprintf("%x", sha256.Sum256(all)); got.SHA256 != want {
		t.Errorf("sha256 %s, want %s", got.SHA256, want)
	}
}

// Every changed byte of a block that was looked at is noticed, kept or hashed,
// and none of a block that was not.
func TestBlocksNoticeChanges(t *testing.T) {
	data := randomBytes(400 * blockSize)
	b := newBlocks(bytes.NewReader(data), int64(len(data)), 0)
	defer b.recycle()
	seen := int64(300 * blockSize)
	if _, err := b.ReadAt(make([]byte, seen), 0); err != nil {
		t.Fatal(err)
	}
	if err := b.check(bytes.NewReader(data)); err != nil {
		t.Fatalf("unchanged source: %v", err)
	}
	for _, off := range []int64{0, 5000, keptBlocks*blockSize - 1, keptBlocks * blockSize, seen - 1, seen, seen + 9999} {
		changed := bytes.Clone(data)
		changed[off] ^= 1
		err := b.check(bytes.NewReader(changed))
		if _, noticed := errors.AsType[*SourceChangedError](err); noticed != (off < seen) {
			t.Errorf("byte %d changed: %v", off, err)
		}
	}
	for _, size := range []int64{0, 5000, keptBlocks * blockSize, seen - 1} {
		changed, ok := errors.AsType[*SourceChangedError](b.check(bytes.NewReader(data[:size])))
		if want := size - size%blockSize; !ok || changed.Offset != want {
			t.Errorf("cut to %d bytes: %v, want that it changed at %d", size, changed, want)
		}
	}
	// A block beyond the kept ones that changes between two reads.
	b.source = bytes.NewReader(make([]byte, len(data)))
	if _, err := b.ReadAt(make([]byte, 1), seen-1); err == nil {
		t.Error("a hashed block that changed was read again without an error")
	}
}
