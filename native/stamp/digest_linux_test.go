package stamp

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/assay-dev/assay/internal/openfile"
	"github.com/cespare/xxhash/v2"
	"golang.org/x/sys/unix"
)

// sparse returns an open file of a size with random data in the ranges of
// [offset, length] alone, and the rest holes.
func sparse(t testing.TB, size int64, ranges ...[2]int64) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	data := rand.NewChaCha8([32]byte{5})
	for _, r := range ranges {
		if _, err := io.CopyN(io.NewOffsetWriter(f, r[0]), data, r[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return f
}

// Wherever the holes of a file are, its digests are those of all its bytes, and
// of the holes none are read.
func TestSealSparse(t *testing.T) {
	const kib, mib = 1 << 10, 1 << 20
	for name, c := range map[string]struct {
		size int64
		data [][2]int64
	}{
		"empty":                 {0, nil},
		"a hole":                {3*mib + 1, nil},
		"data":                  {mib + 1, [][2]int64{{0, mib + 1}}},
		"a hole first":          {2 * mib, [][2]int64{{mib, mib}}},
		"a hole last":           {2*mib + 511, [][2]int64{{0, mib + 4*kib}}},
		"holes in between":      {8 * mib, [][2]int64{{0, 4 * kib}, {64 * kib, 300 * kib}, {3 * mib, 4 * mib}}},
		"data at the very last": {5*mib + 7, [][2]int64{{5 * mib, 7}}},
	} {
		f := sparse(t, c.size, c.data...)
		all, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		read := int64(0)
		s := example()
		err = s.Seal(t.Context(), f, key, func(_ context.Context, n int64) error {
			read += n
			return nil
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if s.Size != c.size || s.XXH64 != fmt.Sprintf("%016x", xxhash.Sum64(all)) || s.SHA256 != fmt.Sprintf("%x", sha256.Sum256(all)) {
			t.Errorf("%s: got %+v", name, s)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if stored := openfile.Allocated(info); read > max(stored, 4*kib) {
			t.Errorf("%s: %d bytes were read, of %d stored", name, read, stored)
		}
	}
}

// A file that is written to while it is read, or cannot be read, gets no stamp;
// nor does one whose reader is not to go on.
func TestSealWhileItChanges(t *testing.T) {
	const size = 4 << 20
	stop := errors.New("stop")
	for name, c := range map[string]struct {
		change func(f *os.File) error
		want   error // nil: any
	}{
		"cut in its data": {func(f *os.File) error { return f.Truncate(size / 4) }, io.ErrUnexpectedEOF},
		"cut in its hole": {func(f *os.File) error { return f.Truncate(size - 1) }, nil},
		"appended to":     {func(f *os.File) error { return f.Truncate(size + 1) }, nil},
		"held back":       {func(*os.File) error { return stop }, stop},
		"closed":          {func(f *os.File) error { return f.Close() }, os.ErrClosed},
	} {
		f := sparse(t, size, [2]int64{0, size / 2})
		reads := 0
		err := example().Seal(t.Context(), f, nil, func(context.Context, int64) error {
			if reads++; reads == 2 {
				return c.change(f)
			}
			return nil
		})
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A context that ends while a file is read ends the reading.
func TestSealCancelled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop, reads := errors.New("stop"), 0
	err := example().Seal(ctx, sparse(t, 1<<40, [2]int64{0, 4 << 20}), nil, func(context.Context, int64) error {
		if reads++; reads == 3 {
			cancel(stop)
		}
		return nil
	})
	if !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

// BenchmarkSeal stamps a quarter of data in three of holes, as disks are, from
// the page cache; beside it, of all that, the digest alone.
func BenchmarkSeal(b *testing.B) {
	const size, piece = 256 << 20, 1 << 20
	var ranges [][2]int64
	for off := int64(0); off < size; off += 4 * piece {
		ranges = append(ranges, [2]int64{off, piece})
	}
	f := sparse(b, size, ranges...)
	if err := errors.Join(f.Sync(), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_WILLNEED)); err != nil {
		b.Fatal(err)
	}
	for name, k := range map[string]Key{"xxh64": nil, "sealed": key} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				if err := example().Seal(b.Context(), f, k, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("digests alone", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			quick, strong := xxhash.New(), sha256.New()
			for range size / step {
				quick.Write(zeros[:])
				strong.Write(zeros[:])
			}
		}
	})
}
