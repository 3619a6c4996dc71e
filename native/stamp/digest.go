package stamp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os"

	"github.com/assay-dev/assay/internal/openfile"
	"github.com/cespare/xxhash/v2"
)

// sums are what the content of a file adds up to.
type sums struct {
	size          int64
	xxh64, sha256 string // the latter only if asked for
}

const (
	// step is how much is read at a time, in bytes: what stays in the
	// processor's cache until it is digested (BenchmarkSeal).
	step = 512 << 10
	// ahead is how many steps are read before they are digested: reading and
	// digesting take turns being the slower.
	ahead = 4
)

// zeros is what the holes of a file are taken for, none of which are read.
var zeros [step]byte

// A digest takes the content of a regular file while another goroutine reads
// it.
type digest struct {
	file *os.File
	size int64
	// wait, if set, is asked before so many bytes are read, and progress told
	// of bytes of the file done, and of all.
	wait     func(ctx context.Context, n int64) error
	progress func(done, total int64)
	strong   bool
}

// sums reads the file from begin to end: as long as it was when that began. The
// position of the file moves.
func (d *digest) sums(ctx context.Context) (sums, error) {
	info, err := d.file.Stat()
	if err != nil {
		return sums{}, err
	}
	if !info.Mode().IsRegular() {
		return sums{}, fmt.Errorf("%s is no regular file: %w", d.file.Name(), errors.ErrUnsupported)
	}
	d.size = info.Size()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pieces, free := make(chan []byte, ahead), make(chan []byte, ahead)
	for range ahead {
		free <- make([]byte, step)
	}
	read := make(chan error, 1)
	go func() {
		defer close(pieces)
		read <- d.read(ctx, pieces, free)
	}()
	quick, slow := xxhash.New(), sha256.New()
	hashes := []hash.Hash{quick}
	if d.strong {
		hashes = append(hashes, slow)
	}
	done := int64(0)
	for p := range pieces {
		for _, h := range hashes {
			h.Write(p)
		}
		done += int64(len(p))
		if d.progress != nil {
			d.progress(done, d.size)
		}
		if &p[0] != &zeros[0] {
			free <- p[:step] // it was taken from there
		}
	}
	if err := <-read; err != nil {
		return sums{}, err
	}
	is := sums{size: done, xxh64: fmt.Sprintf("%016x", quick.Sum64())}
	if d.strong {
		is.sha256 = hex.EncodeToString(slow.Sum(nil))
	}
	return is, nil
}

// read sends the pieces of the file, in their order: parts of zeros for its
// holes, and for the rest buffers that it takes from free.
func (d *digest) read(ctx context.Context, pieces chan<- []byte, free <-chan []byte) error {
	for at := int64(0); at < d.size; {
		end, hole, err := openfile.Extent(d.file, at, d.size, d.size)
		if err != nil {
			return err
		}
		for at < end {
			n := min(step, end-at)
			piece := zeros[:n]
			if !hole {
				if piece, err = d.readPiece(ctx, free, at, n); err != nil {
					return err
				}
			}
			select {
			case pieces <- piece:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			at += n
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	// Reading shows what is missing of data only.
	info, err := d.file.Stat()
	if err == nil && info.Size() != d.size {
		err = fmt.Errorf("it had %d bytes, and has %d: it is written to", d.size, info.Size())
	}
	return err
}

// readPiece reads n bytes into a buffer that is free.
func (d *digest) readPiece(ctx context.Context, free <-chan []byte, at, n int64) ([]byte, error) {
	var buf []byte
	select {
	case buf = <-free:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if d.wait != nil {
		if err := d.wait(ctx, n); err != nil {
			return nil, err
		}
	}
	buf = buf[:n]
	return buf, openfile.ReadFull(d.file, buf, at)
}
