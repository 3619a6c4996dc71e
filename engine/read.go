package engine

import (
	"fmt"
	"io"
)

// ReadAt reads the image as it was vetted, bytes of the file and not of the
// disk in it: what was inspected as it was then, or it fails with a
// *SourceChangedError, and the rest as it is now. It implements io.ReaderAt
// over the size in the report.
func (i *Image) ReadAt(p []byte, off int64) (int, error) {
	if i == nil || i.self != i {
		return 0, ErrNotVetted
	}
	release, err := i.vetted.Hold()
	if err != nil {
		return 0, notVetted(err)
	}
	defer release()
	if off < 0 {
		return 0, fmt.Errorf("engine: read at offset %d", off)
	}
	size, done := i.seen.size, 0
	for done < len(p) && off < size {
		// Up to the end of an inspected range, or to the start of the next.
		piece := p[done:]
		from := i.content.reader
		start, end := i.content.Next(off)
		switch {
		case end == 0:
			end = size
		case off < start:
			end = start
		default:
			from = i.content
		}
		piece = piece[:min(int64(len(piece)), end-off)]
		n, err := from.ReadAt(piece, off)
		done, off = done+n, off+int64(n)
		if n < len(piece) {
			if err == nil || err == io.EOF {
				err = &SourceChangedError{Source: i.report.Source, Offset: -1, What: "it has become shorter"}
			}
			return done, err
		}
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}
