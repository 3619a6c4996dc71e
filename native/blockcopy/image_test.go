package blockcopy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/assay-dev/assay/internal/vetted"
)

// sector is what the size of a copy is a multiple of, in bytes.
const sector = 512

// content is an accepted image (vetted.Content): of its ranges it has what was
// vetted, whatever the source holds.
type content struct {
	source io.ReaderAt
	vetted []byte // the whole disk as it was
	ranges [][2]int64
	begun  error
	ended  error // of Recheck
}

func (c *content) Source() io.ReaderAt { return c.source }

func (c *content) Next(off int64) (start, end int64) {
	for _, r := range c.ranges {
		if r[1] > off {
			return r[0], r[1]
		}
	}
	return 0, 0
}

func (c *content) ReadAt(p []byte, off int64) (int, error) {
	if start, end := c.Next(off); off < start || off+int64(len(p)) > end {
		return 0, errors.New("not in one inspected range")
	}
	return copy(p, c.vetted[off:]), nil
}

func (c *content) Begin() (func() error, error) {
	return func() error { return c.ended }, c.begun
}

// image wraps a content as the engine does.
func image(t testing.TB, c *content) *vetted.Image {
	size := int64(len(c.vetted))
	i := vetted.New(vetted.Facts{Format: "raw", Driver: "raw", Size: size, VirtualSize: size}, c)
	t.Cleanup(func() { i.Close() })
	return i
}

// A layout is a disk: its bytes, and which of them are stored.
type layout struct {
	disk   []byte
	stored [][2]int64
}

// newLayout makes a random disk of holes, zeros that are stored, and data.
func newLayout(r *rand.Rand, size int) layout {
	l := layout{disk: make([]byte, size)}
	for off := 0; off < size; {
		n := 1 + r.IntN([]int{100, 3 * block, 2 * chunk}[r.IntN(3)])
		if r.IntN(3) > 0 {
			n = (n + block - 1) / block * block
		}
		n = min(n, size-off)
		switch r.IntN(3) {
		case 0: // a hole
		case 1:
			fill(r, l.disk[off:off+n])
			fallthrough
		case 2:
			l.stored = append(l.stored, [2]int64{int64(off), int64(off + n)})
		}
		off += n
	}
	return l
}

// file writes a layout to a sparse file.
func (l layout) file(t testing.TB, dir string) *os.File {
	t.Helper()
	f, err := os.CreateTemp(dir, "source")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	for _, s := range l.stored {
		if _, err := f.WriteAt(l.disk[s[0]:s[1]], s[0]); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(int64(len(l.disk))); err != nil {
		t.Fatal(err)
	}
	return f
}

// newFile makes an empty output.
func newFile(t testing.TB, dir string) *os.File {
	t.Helper()
	f, err := os.CreateTemp(dir, "output")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close(); os.Remove(f.Name()) })
	return f
}

// wantDisk fails unless a file holds a disk, in whole sectors.
func wantDisk(t *testing.T, f *os.File, disk []byte) {
	t.Helper()
	got, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<62))
	if err != nil {
		t.Fatal(err)
	}
	want := append(bytes.Clone(disk), make([]byte, -len(disk)&(sector-1))...)
	if len(got) != len(want) {
		t.Fatalf("%d bytes, want %d", len(got), len(want))
	}
	if !bytes.Equal(got, want) {
		at := 0
		for got[at] == want[at] {
			at++
		}
		t.Fatalf("differs from offset %d on", at)
	}
}

// random returns a source of chance that a failure can be repeated with.
func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// fill makes data of p.
func fill(r *rand.Rand, p []byte) {
	for i := range p {
		p[i] = byte(r.Uint32())
	}
}

// Whatever the layout, the number of workers and the kind of source, a copy
// holds what the source has, and of what was inspected what was vetted.
func TestCopy(t *testing.T) {
	everywhere(t, func(t *testing.T, dir string) {
		for seed := range uint64(8) {
			r := random(seed)
			l := newLayout(r, r.IntN(4<<20))
			want := bytes.Clone(l.disk)
			c := &content{vetted: bytes.Clone(l.disk)}
			for off := r.Int64N(8 * block); off < int64(len(l.disk)) && r.IntN(8) > 0; off += r.Int64N(2 << 20) {
				// As the engine has it: whole blocks, but for the last.
				start := off / block * block
				end := min(start+block*(1+r.Int64N(4)), int64(len(l.disk)))
				switch r.IntN(3) {
				case 0:
					clear(c.vetted[start:end])
				case 1:
					fill(r, c.vetted[start:end])
				}
				copy(want[start:end], c.vetted[start:end])
				c.ranges = append(c.ranges, [2]int64{start, end})
				off = end
			}
			file := l.file(t, dir)
			for _, o := range []Options{{}, {Workers: 1}, {Workers: 4, Cached: true}, {Live: true}} {
				for name, source := range map[string]io.ReaderAt{"file": file, "reader": bytes.NewReader(l.disk)} {
					c.source = source
					disk := want
					if o.Live {
						disk = l.disk
					}
					out := newFile(t, dir)
					told := int64(0)
					o.Progress = func(done, total int64) {
						if done < told || done > total {
							t.Errorf("done %d of %d after %d", done, total, told)
						}
						told = done
					}
					result, err := Copy(t.Context(), image(t, c), out, o)
					if err != nil {
						t.Fatalf("seed %d, %s, %+v: %v", seed, name, o, err)
					}
					if told != result.OutputSize || result.OutputSize != int64(len(disk)+sector-1)/sector*sector {
						t.Errorf("seed %d: told of %d bytes, the result of %d, of %d", seed, told, result.OutputSize, len(disk))
					}
					wantDisk(t, out, disk)
					out.Close()
					os.Remove(out.Name())
				}
			}
			file.Close()
			os.Remove(file.Name())
		}
	})
}

// Holes stay holes, and blocks of zeros become some.
func TestSparse(t *testing.T) {
	everywhere(t, func(t *testing.T, dir string) {
		l := layout{disk: make([]byte, 8<<20), stored: [][2]int64{{0, 1 << 20}, {4 << 20, 5 << 20}}}
		fill(random(1), l.disk[:1<<20])
		source := l.file(t, dir)
		out := newFile(t, dir)
		// By a reader, so that nothing is shared.
		result, err := Copy(t.Context(), image(t, &content{source: struct{ io.ReaderAt }{source}, vetted: l.disk}), out, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if result.Written != 1<<20 || result.Allocated > 1<<20+64<<10 {
			t.Errorf("%d bytes written and %d stored, of 1 MiB of data", result.Written, result.Allocated)
		}
		wantDisk(t, out, l.disk)
	})
}

// Zeros are told from data block by block.
func TestRuns(t *testing.T) {
	r := random(2)
	for range 200 {
		p := make([]byte, r.IntN(8*block))
		for off := 0; off < len(p); off += block {
			if r.IntN(2) == 0 {
				p[off+r.IntN(min(block, len(p)-off))] = 1
			}
		}
		seen, before := 0, -1
		for at := 0; at < len(p); {
			n, zero := run0(p[at:])
			if zero != (bytes.IndexByte(p[at:at+n], 1) < 0) {
				t.Fatalf("%d bytes at %d: zero %v", n, at, zero)
			}
			for off := at; !zero && off < at+n; off += block {
				if bytes.IndexByte(p[off:min(off+block, len(p))], 1) < 0 {
					t.Fatalf("the zeros at %d are taken for data", off)
				}
			}
			if now := map[bool]int{true: 1}[zero]; now == before {
				t.Fatalf("two runs of a kind at %d", at)
			} else {
				before = now
			}
			at, seen = at+n, seen+n
		}
		if seen != len(p) {
			t.Fatalf("%d of %d bytes", seen, len(p))
		}
	}
}

// A failure in the middle ends the copy, and says where.
func TestReadError(t *testing.T) {
	for name, tc := range map[string]struct {
		fails error
		want  error
	}{
		"failing": {os.ErrPermission, os.ErrPermission},
		"short":   {io.EOF, io.ErrUnexpectedEOF},
		"silent":  {nil, io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			disk := bytes.Repeat([]byte{1}, 4<<20)
			c := &content{vetted: disk, source: brokenAt{bytes.NewReader(disk), 3 << 20, tc.fails}}
			_, err := Copy(t.Context(), image(t, c), newFile(t, t.TempDir()), Options{})
			if !errors.Is(err, tc.want) || !bytes.Contains([]byte(err.Error()), []byte("at offset 3145728")) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// brokenAt cannot be read from an offset on.
type brokenAt struct {
	io.ReaderAt
	from int64
	err  error
}

func (b brokenAt) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > b.from {
		return 0, b.err
	}
	return b.ReaderAt.ReadAt(p, off)
}

// A cancelled copy ends at once, for the cause it was cancelled for.
func TestCancel(t *testing.T) {
	disk := bytes.Repeat([]byte{1}, 16<<20)
	why := errors.New("no longer wanted")
	for at := range 8 {
		ctx, cancel := context.WithCancelCause(t.Context())
		calls := 0
		if at == 0 {
			cancel(why)
		}
		_, err := Copy(ctx, image(t, &content{vetted: disk, source: bytes.NewReader(disk)}), newFile(t, t.TempDir()), Options{
			Workers: 3,
			Progress: func(int64, int64) {
				if calls++; calls == at {
					cancel(why)
				}
			},
		})
		cancel(nil)
		if !errors.Is(err, why) {
			t.Errorf("cancelled at %d: %v", at, err)
		}
		if calls > at+3 {
			t.Errorf("cancelled at %d, and %d parts were copied", at, calls)
		}
	}
}

// What the content says of a source that changed is the error, whether the
// copy worked or not.
func TestChanged(t *testing.T) {
	disk := bytes.Repeat([]byte{1}, 1<<20)
	why := errors.New("it is another")
	for name, c := range map[string]*content{
		"before": {begun: why, source: bytes.NewReader(disk)},
		"after":  {ended: why, source: bytes.NewReader(disk)},
		"short":  {ended: why, source: bytes.NewReader(disk[:100])},
	} {
		c.vetted = disk
		if _, err := Copy(t.Context(), image(t, c), newFile(t, t.TempDir()), Options{}); !errors.Is(err, why) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What cannot be copied, or copied to, is refused before anything is written.
func TestRefused(t *testing.T) {
	disk := bytes.Repeat([]byte{1}, 1<<20)
	c := &content{vetted: disk, source: bytes.NewReader(disk)}
	full := newFile(t, t.TempDir())
	if _, err := full.WriteString("old"); err != nil {
		t.Fatal(err)
	}
	folder, err := os.Open(filepath.Dir(full.Name()))
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	for name, f := range map[string]*os.File{"not empty": full, "a folder": folder} {
		if _, err := Copy(t.Context(), image(t, c), f, Options{}); err == nil {
			t.Errorf("%s: copied", name)
		}
	}
	if got, err := os.ReadFile(full.Name()); err != nil || string(got) != "old" {
		t.Errorf("the output was written: %q, %v", got, err)
	}
	empty := newFile(t, t.TempDir())
	if _, err := Copy(t.Context(), nil, empty, Options{}); err == nil {
		t.Error("no image was copied")
	}
	if _, err := Copy(t.Context(), image(t, c), empty, Options{Workers: -1}); err == nil {
		t.Error("copied by -1 workers")
	}
	for _, facts := range []vetted.Facts{
		{Format: "qcow2", Driver: "qcow2", Size: 1 << 20, VirtualSize: 1 << 20},
		{Format: "raw", Driver: "raw", Size: 1 << 20, VirtualSize: 2 << 20},
		{Format: "raw", Driver: "raw", Size: -1, VirtualSize: -1},
	} {
		i := vetted.New(facts, c)
		if _, err := Copy(t.Context(), i, empty, Options{}); err == nil {
			t.Errorf("copied %+v", facts)
		}
		i.Close()
		if _, err := Copy(t.Context(), i, empty, Options{}); err == nil {
			t.Errorf("copied a closed image")
		}
	}
	closed := image(t, c)
	closed.Close()
	if _, err := Copy(t.Context(), closed, empty, Options{}); !errors.Is(err, vetted.ErrClosed) {
		t.Errorf("a closed image: %v", err)
	}
}
