package engine

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/assay-dev/assay/hostfuncs"
	"github.com/cespare/xxhash/v2"
)

// blockSize is the granularity in which a source is read, kept and compared.
const blockSize = 4096

// keptBlocks is how many blocks are kept in memory (1 MiB); of those beyond,
// a SHA-256 each is kept and they are compared whenever they are read again.
const keptBlocks = 256

// readBlocks is how many blocks beyond the kept ones are read at a time.
const readBlocks = 32

// blocks is every byte of a source that an inspection looked at: the one way
// from a source to the probes. A byte is read from the source once, so that
// all probes of an inspection and its digests see the same; what is read
// again is compared. Not safe for concurrent use.
type blocks struct {
	source  io.ReaderAt
	size    int64 // in bytes; SizeUnknown while a stream arrives
	arrived int64 // bytes of the stream that are there, when size is unknown

	kept    map[int64][]byte   // block number -> its bytes
	memory  pieces             // of the kept ones
	hashes  map[int64][32]byte // block number -> SHA-256, beyond the kept ones
	order   []int64            // scratch: block numbers, sorted
	scratch []byte
}

var blocksPool = sync.Pool{New: func() any {
	return &blocks{kept: map[int64][]byte{}, hashes: map[int64][32]byte{}}
}}

// newBlocks takes a blocks from the pool. Call recycle when nothing refers to
// it any more.
func newBlocks(source io.ReaderAt, size, arrived int64) *blocks {
	b := blocksPool.Get().(*blocks)
	b.source, b.size, b.arrived = source, size, arrived
	b.memory.reset()
	return b
}

func (b *blocks) recycle() {
	b.source = nil
	clear(b.kept)
	clear(b.hashes)
	b.order = b.order[:0]
	blocksPool.Put(b)
}

// end returns the first byte that cannot be read: the size, or what of a
// stream has arrived.
func (b *blocks) end() int64 {
	if b.size == SizeUnknown {
		return b.arrived
	}
	return b.size
}

// Size implements hostfuncs.Image.
func (b *blocks) Size() int64 { return b.size }

// ReadAt implements hostfuncs.Image.
func (b *blocks) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("negative offset %d", off)
	}
	n := int(max(0, min(int64(len(p)), b.end()-off)))
	for done := 0; done < n; {
		block := (off + int64(done)) / blockSize
		data, err := b.block(block, (off+int64(n)-1)/blockSize)
		if err != nil {
			return done, err
		}
		done += copy(p[done:n], data[off+int64(done)-block*blockSize:])
	}
	if n < len(p) {
		if b.size == SizeUnknown {
			return n, hostfuncs.ErrNotArrived
		}
		return n, io.EOF
	}
	return n, nil
}

// block returns the bytes of a block, possibly followed by those of the next
// ones, valid until the next call. What must be read is read up to last.
func (b *blocks) block(block, last int64) ([]byte, error) {
	if data, ok := b.kept[block]; ok {
		return data, nil
	}
	left := int64(keptBlocks - len(b.kept))
	if left == 0 {
		return b.compared(block, last)
	}
	data := b.memory.take(int(b.missing(block, min(last, block+left-1))))
	// The last block of a source may be short; its place is a whole one.
	data = data[:b.length(block, int64(len(data)/blockSize))]
	if err := b.read(data, block); err != nil {
		return nil, err
	}
	for piece := range slices.Chunk(data, blockSize) {
		b.kept[block] = piece
		block++
	}
	return data, nil
}

// missing counts the blocks from first to last that are not kept yet, up to
// the first that is.
func (b *blocks) missing(first, last int64) int64 {
	n := int64(1)
	for first+n <= last {
		if _, ok := b.kept[first+n]; ok {
			break
		}
		n++
	}
	return n
}

// length returns the bytes that count blocks from block on hold: less than
// their size only at the end of the source.
func (b *blocks) length(block, count int64) int {
	return int(min(count*blockSize, b.end()-block*blockSize))
}

// compared reads blocks that are not kept, and compares each with what an
// earlier read saw.
func (b *blocks) compared(block, last int64) ([]byte, error) {
	count := b.missing(block, min(last, block+readBlocks-1))
	if b.scratch == nil {
		b.scratch = make([]byte, readBlocks*blockSize)
	}
	data := b.scratch[:b.length(block, count)]
	if err := b.read(data, block); err != nil {
		return nil, err
	}
	number := block
	for piece := range slices.Chunk(data, blockSize) {
		sum := sha256.Sum256(piece)
		if seen, ok := b.hashes[number]; !ok {
			b.hashes[number] = sum
		} else if seen != sum {
			return nil, changedAt(number)
		}
		number++
	}
	return data, nil
}

func changedAt(block int64) error {
	return &SourceChangedError{Offset: block * blockSize, What: fmt.Sprintf("the %d bytes at offset %d differ", blockSize, block*blockSize)}
}

// read fills p from the source at the start of block; a source that ends
// early was cut while it was read.
func (b *blocks) read(p []byte, block int64) error {
	n, err := b.source.ReadAt(p, block*blockSize)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%d of %d bytes at offset %d: %w", n, len(p), block*blockSize, err)
}

// appendSorted appends the numbers of all blocks seen, ascending.
func (b *blocks) appendSorted(order []int64) []int64 {
	for n := range b.kept {
		order = append(order, n)
	}
	for n := range b.hashes {
		order = append(order, n)
	}
	slices.Sort(order)
	return order
}

// ranges returns what was looked at: ascending, disjoint, not touching.
func (b *blocks) ranges() []Range {
	ranges := []Range{}
	b.order = b.appendSorted(b.order[:0])
	order := b.order
	for i := 0; i < len(order); {
		count := int64(1)
		for i+int(count) < len(order) && order[i+int(count)] == order[i]+count {
			count++
		}
		ranges = append(ranges, Range{order[i] * blockSize, int64(b.length(order[i], count))})
		i += int(count)
	}
	return ranges
}

// inspected describes what was looked at. It fails when a block that was not
// kept can no longer be read as it was.
func (b *blocks) inspected(withSHA256 bool) (Inspected, error) {
	in := Inspected{Ranges: b.ranges()}
	fast := xxhash.New()
	slow := sha256.New()
	for _, r := range in.Ranges {
		end := r[0] + r[1]
		in.Bytes += r[1]
		for off := r[0]; off < end; {
			data, err := b.block(off/blockSize, (end-1)/blockSize)
			if err != nil {
				return Inspected{}, err
			}
			fast.Write(data)
			if withSHA256 {
				slow.Write(data)
			}
			off += int64(len(data))
		}
	}
	in.XXH64 = fmt.Sprintf("%016x", fast.Sum64())
	if withSHA256 {
		in.SHA256 = fmt.Sprintf("%x", slow.Sum(nil))
	}
	return in, nil
}

// check compares every block that was looked at with what source holds now. It
// changes nothing in b and may run concurrently with itself.
func (b *blocks) check(source io.ReaderAt) error {
	buf := make([]byte, blockSize)
	for _, n := range b.appendSorted(nil) {
		if err := b.verify(source, n, buf[:b.length(n, 1)]); err != nil {
			return err
		}
	}
	return nil
}

// verify reads block n of source into p, which is as long as the block, and
// fails unless it is what was looked at.
func (b *blocks) verify(source io.ReaderAt, n int64, p []byte) error {
	if got, err := source.ReadAt(p, n*blockSize); got != len(p) {
		if err == nil || errors.Is(err, io.EOF) {
			return &SourceChangedError{Offset: n * blockSize, What: fmt.Sprintf("of the %d bytes at offset %d, %d are left", len(p), n*blockSize, got)}
		}
		return fmt.Errorf("reading block at offset %d again: %w", n*blockSize, err)
	}
	same := false
	if data, ok := b.kept[n]; ok {
		same = bytes.Equal(p, data)
	} else if sum, ok := b.hashes[n]; ok {
		same = sha256.Sum256(p) == sum
	}
	if !same {
		return changedAt(n)
	}
	return nil
}

// serve fills p with bytes that were looked at, from off on: those of kept
// blocks from memory, others from source, compared. Like check, it changes
// nothing in b.
func (b *blocks) serve(source io.ReaderAt, p []byte, off int64) (int, error) {
	var read []byte
	done := 0
	for done < len(p) {
		at := off + int64(done)
		n := at / blockSize
		data, ok := b.kept[n]
		if !ok {
			if read == nil {
				read = make([]byte, blockSize)
			}
			data = read[:b.length(n, 1)]
			if err := b.verify(source, n, data); err != nil {
				return done, err
			}
		}
		if at-n*blockSize >= int64(len(data)) {
			return done, io.EOF
		}
		done += copy(p[done:], data[at-n*blockSize:])
	}
	return done, nil
}
