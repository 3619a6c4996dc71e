package blockcopy

import (
	"io"
	"os"

	"github.com/assay-dev/assay/internal/openfile"
)

// A pinner is ranges of a source that are read as they once were (vetted.Job).
type pinner interface {
	// Next returns the first pinned range that ends after off; an empty one
	// when there is none.
	Next(off int64) (start, end int64)
	// ReadAt fills p, which lies in one pinned range, or fails.
	io.ReaderAt
}

// input is the source of a copy.
type input struct {
	source io.ReaderAt
	size   int64
	pinned pinner   // nil when nothing is
	file   *os.File // source, when its holes can be asked for; its position moves
	// rest says that what is not pinned is in the output already.
	rest bool
}

// onlyPinned returns the input without what is not pinned.
func (in *input) onlyPinned() *input {
	return &input{source: in.source, size: in.size, pinned: in.pinned, rest: true}
}

// kind is what an extent of a source is.
type kind uint8

const (
	hole   kind = iota // reads as zeros
	data               // is read from the source
	pinned             // is read as it once was
	done               // is in the output
)

// extent returns where the extent at off ends, and what it is. A pinned range
// counts as data though the source has a hole there now.
func (in *input) extent(off int64) (end int64, k kind, err error) {
	end = in.size
	if in.pinned != nil {
		switch start, stop := in.pinned.Next(off); {
		case start >= stop:
		case start > off:
			end = min(end, start)
		default:
			return min(end, stop), pinned, nil
		}
	}
	switch {
	case in.rest:
		return end, done, nil
	case in.file == nil:
		return end, data, nil
	}
	end, isHole, err := openfile.Extent(in.file, off, end, in.size)
	if isHole {
		return end, hole, err
	}
	return end, data, err
}

// read fills p with what is at off, in one extent.
func (in *input) read(p []byte, off int64, k kind) error {
	from := in.source
	if k == pinned {
		from = in.pinned
	}
	return openfile.ReadFull(from, p, off)
}
