package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Source is an image to look at: File, ReaderAt, Stream or Inside. A source is used
// for one call; nothing is ever written to it.
type Source interface {
	// open makes the source ready; the engine closes what it returns.
	open(ctx context.Context, e *Engine) (*openSource, error)
}

// openSource is a source during one inspection, or for the life of a vetted
// image.
type openSource struct {
	name    string
	reader  io.ReaderAt
	size    int64     // in bytes; SizeUnknown while rest is still to come
	arrived int64     // of a stream: bytes that reader holds
	rest    io.Reader // the whole stream, from its start; nil when all is there
	file    *os.File  // what reader reads, when it is a file; nil otherwise
	spool   *spool    // closed with the source; nil when there is none
	// written is when a regular file of the caller's was last written, before
	// it was looked at; zero where that is not known, as of a device.
	written time.Time
	// outer is what the source is inside of, and kept open by release; nil
	// when it is inside of nothing.
	outer   *Image
	release func()
}

func (o *openSource) close() {
	if o.release != nil {
		o.release()
	}
	if o.spool != nil {
		o.spool.Close()
	}
}

// File is an open regular file or block device. The caller keeps it open for
// the call (for Vet: until the image is closed) and closes it; its position
// does not change.
func File(f *os.File) Source { return fileSource{f} }

type fileSource struct{ f *os.File }

func (s fileSource) open(context.Context, *Engine) (*openSource, error) {
	if s.f == nil {
		return nil, errors.New("engine: source is a nil file")
	}
	written, err := modified(s.f)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	size, err := fileSize(s.f)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	return &openSource{name: s.f.Name(), reader: s.f, size: size, file: s.f, written: written}, nil
}

// modified returns when a regular file was last written, and zero for what
// does not tell.
func modified(f *os.File) (time.Time, error) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// fileSize returns the size of a regular file or block device, in bytes.
func fileSize(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return info.Size(), nil
	case mode&os.ModeDevice != 0 && mode&os.ModeCharDevice == 0:
		size, err := deviceSize(f)
		if err != nil {
			return 0, fmt.Errorf("size of device %s: %w", f.Name(), err)
		}
		return size, nil
	case mode.IsDir():
		return 0, fmt.Errorf("%s is a directory, not an image", f.Name())
	}
	return 0, fmt.Errorf("%s is neither a file nor a block device; read it as a stream", f.Name())
}

// deviceSize asks a block device for its size by seeking, and puts the
// position back.
func deviceSize(f *os.File) (int64, error) {
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	_, err = f.Seek(at, io.SeekStart)
	return size, err
}

// ReaderAt is any random-access bytes of a known size. r must be safe for
// concurrent use and give the same bytes for the same offset.
func ReaderAt(r io.ReaderAt, size int64) Source { return readerSource{r, size} }

type readerSource struct {
	r    io.ReaderAt
	size int64
}

func (s readerSource) open(context.Context, *Engine) (*openSource, error) {
	if s.r == nil || s.size < 0 {
		return nil, fmt.Errorf("engine: a ReaderAt source needs a reader and a size of at least 0, not %d", s.size)
	}
	return &openSource{name: "-", reader: s.r, size: s.size}, nil
}
