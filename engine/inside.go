package engine

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/assay-dev/assay/native/qemuimg"
)

// Inside is what an accepted image holds, as a reader gives it that reads the
// image: the disk that is encrypted in it (package native/luks). It is a source
// like any other, and vetted like one. What holds for the image it comes from
// holds for it too: an image that changed, or that another program writes to,
// fails a conversion of what is inside, and is refused as its destination.
//
// It is not copied to a file, for what is inside may be meant for nobody else
// to read: a conversion hands it over by HandOffNBD only.
//
// The image must stay open until an image that was vetted from it is closed;
// its Close waits for that.
func Inside(image *Image, r io.ReaderAt, size int64) Source { return insideSource{image, r, size} }

type insideSource struct {
	image *Image
	r     io.ReaderAt
	size  int64
}

func (s insideSource) open(ctx context.Context, e *Engine) (*openSource, error) {
	if err := s.image.usableBy(e); err != nil {
		return nil, fmt.Errorf("engine: inside: %w", err)
	}
	open, err := ReaderAt(s.r, s.size).open(ctx, e)
	if err != nil {
		return nil, err
	}
	if open.release, err = s.image.vetted.Hold(); err != nil {
		return nil, fmt.Errorf("engine: inside: %w", notVetted(err))
	}
	open.outer, open.name = s.image, s.image.report.Source+" (inside)"
	return open, nil
}

// outermost returns the image that an image is inside of, or itself.
func (i *Image) outermost() *Image {
	for i.source.outer != nil {
		i = i.source.outer
	}
	return i
}

// lockOuter looks at the locks of the file that an image is inside of, and
// holds them as a tool's source is held, until unlock is called. Of any other
// image that is done where it is read.
func (i *Image) lockOuter(live bool) (unlock func(), err error) {
	file := i.outermost().source.file
	if i.source.outer == nil || file == nil {
		return func() {}, nil
	}
	locked, err := qemuimg.OpenSource(file, live)
	if err != nil {
		return nil, err
	}
	return func() { closeIfOpen(locked) }, nil
}

func closeIfOpen(f *os.File) {
	if f != nil {
		f.Close()
	}
}
