package blockcopy

import (
	"fmt"
	"io"
	"testing"
)

// BenchmarkCopy copies 256 MiB of data in 1 GiB in a file and syncs it, from a
// source that is cached. On a file system that shares data it copies all the
// same.
func BenchmarkCopy(b *testing.B) {
	const size, piece = 1 << 30, 1 << 20
	l := layout{disk: make([]byte, size)}
	r := random(1)
	for off := int64(0); off < size; off += 4 * piece {
		for i := 0; i < piece; i += 64 {
			l.disk[off+int64(i)] = byte(1 + r.Uint32()%255)
		}
		l.stored = append(l.stored, [2]int64{off, off + piece})
	}
	source := l.file(b, b.TempDir())
	for _, cached := range []bool{true, false} {
		for _, workers := range []int{1, 2, 4, 8, 16} {
			b.Run(fmt.Sprintf("cached=%t/workers=%d", cached, workers), func(b *testing.B) {
				b.SetBytes(int64(len(l.stored)) * piece)
				for b.Loop() {
					out := newFile(b, b.TempDir())
					in := &input{source: source, file: source, size: size}
					to, err := newOutput(out, size, cached)
					if err != nil {
						b.Fatal(err)
					}
					if err := to.resize(size); err != nil {
						b.Fatal(err)
					}
					c := &copier{in: in, out: to, size: size}
					if err := c.run(b.Context(), workers); err != nil {
						b.Fatal(err)
					}
					if err := out.Sync(); err != nil {
						b.Fatal(err)
					}
					to.close()
				}
			})
		}
	}
}

// BenchmarkZeros tells data from zeros in memory that is all zeros, the
// slowest there is.
func BenchmarkZeros(b *testing.B) {
	p := make([]byte, chunk)
	b.SetBytes(chunk)
	for b.Loop() {
		if n, zero := run0(p); n != chunk || !zero {
			b.Fatal(io.ErrUnexpectedEOF)
		}
	}
}
