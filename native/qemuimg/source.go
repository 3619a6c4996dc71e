package qemuimg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/assay-dev/assay/internal/openfile"
	"github.com/assay-dev/assay/internal/vetted"
	"github.com/assay-dev/assay/native/confine"
	"github.com/assay-dev/assay/native/nbd"
)

// The ways in which qemu-img gets a source.
const (
	// HandOffNBD serves the source over a connection: what was inspected is
	// read as it was inspected, and no image is opened.
	HandOffNBD = "nbd"
	// HandOffDescriptor hands over the open file. What was inspected is
	// compared before and after.
	HandOffDescriptor = "descriptor"
)

// firstDescriptor is that of the first file that qemu-img is handed, behind
// the three standard ones.
const firstDescriptor = 3

// outputName is the name by which qemu-img opens an output, which stands
// behind the one source.
const outputName = "/dev/fd/4"

// secretName is the name by which it opens the passphrase of an output.
const secretName = "/dev/fd/5"

// HandOff returns the way in which a source would be handed over: the one
// asked for, or the best for an empty one. It fails, with an error that
// matches errors.ErrUnsupported, for one that this qemu-img cannot do.
func (t *Tool) HandOff(wanted string) (string, error) {
	switch wanted {
	case "":
		if t.nbd {
			return HandOffNBD, nil
		}
		return HandOffDescriptor, nil
	case HandOffNBD:
		if !t.nbd {
			return "", fmt.Errorf("hand-off %s: %w: this qemu-img (%s) has no driver for it", wanted, errors.ErrUnsupported, t.path)
		}
	case HandOffDescriptor:
	default:
		return "", fmt.Errorf("hand-off %q: %w", wanted, errors.ErrUnsupported)
	}
	return wanted, nil
}

// A source is an image ready to be handed over.
type source struct {
	work    *vetted.Job
	file    confine.File // of qemu-img
	options string       // for qemu-img: what it is, so that nothing is guessed
	stored  int64        // bytes that it can hold
	export  *nbd.Export  // what is served over file; nil when file is the source
	server  *os.File     // the other end of file
	closers []io.Closer
}

func (s *source) close() {
	for _, c := range s.closers {
		c.Close()
	}
}

// newSource makes a source ready, as the first file of qemu-img. It must be
// closed.
func newSource(work *vetted.Job, handOff string, facts vetted.Facts, live bool) (*source, error) {
	return newSourceAs(firstDescriptor, work, handOff, facts, live)
}

// newSourceAs is newSource for the file that has this descriptor.
func newSourceAs(descriptor int, work *vetted.Job, handOff string, facts vetted.Facts, live bool) (_ *source, err error) {
	s := &source{work: work, stored: facts.Size}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	export := nbd.Export{Size: facts.Size, Source: work.Source()}
	file, protocol := work.File(), "file"
	if file != nil {
		info, err := file.Stat()
		if err != nil {
			return nil, err
		}
		if s.stored = stored(info); info.Mode()&os.ModeDevice != 0 {
			protocol = "host_device"
		}
		again, err := OpenSource(file, live)
		if err != nil {
			return nil, err
		}
		// What cannot be opened again is served by reading it at offsets.
		export.Source = struct{ io.ReaderAt }{file}
		if again != nil {
			s.closers = append(s.closers, again)
			file, export.Source = again, again
		}
	}
	if handOff == HandOffDescriptor {
		if file == nil {
			return nil, fmt.Errorf("hand-off %s: %w: the source is no file", handOff, errors.ErrUnsupported)
		}
		s.file = confine.File{File: file, Access: confine.ReadOnly}
		s.options = fmt.Sprintf("driver=%s,file.driver=%s,file.filename=/dev/fd/%d", facts.Driver, protocol, descriptor)
		if live {
			s.options += ",file.locking=off"
		}
		return s, nil
	}
	if !live {
		export.Pinned = work
	}
	server, client, err := nbd.Pair()
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, server, client)
	s.export, s.server = &export, server
	s.file = confine.File{File: client, Access: confine.Connection}
	s.options = fmt.Sprintf("driver=%s,file.driver=nbd,file.server.type=fd,file.server.str=%d", facts.Driver, descriptor)
	return s, nil
}

// runOn runs qemu-img with a source as its first file, and more behind it,
// and serves them meanwhile. Where reading one fails, that is the error.
func (t *Tool) runOn(ctx context.Context, s *source, op string, j job, more ...*source) (*confine.Result, error) {
	sources := append([]*source{s}, more...)
	var files []confine.File
	for _, s := range sources {
		files = append(files, s.file)
	}
	j.files = append(files, j.files...)
	// What waits for its turn to be served does so as long as the tool runs.
	waiting, stopWaiting := context.WithCancel(ctx)
	defer stopWaiting()
	served := make([]chan error, 0, len(sources))
	for _, s := range sources {
		done := make(chan error, 1)
		served = append(served, done)
		if s.export == nil {
			close(done)
			continue
		}
		s.export.Release = s.work.Hold() // a cancelled job leaves a read behind
		if j.held != nil {
			from := j.held.job.Source(s.work.File())
			s.export.Wait = func(n int64) error { return j.held.wait(waiting, from, n) }
		}
		go func() { done <- nbd.Serve(ctx, s.server, *s.export) }()
	}
	result, err := t.run(ctx, op, j)
	stopWaiting()
	if j.held != nil {
		j.held.tell()
	}
	var serveErr error
	for i, s := range sources {
		if s.export != nil {
			// The tool is gone; what it has sent is still answered, to nobody.
			nbd.Disconnect(s.file.File)
		}
		one := <-served[i]
		if failed, ok := errors.AsType[*nbd.SourceError](one); ok {
			serveErr = failed
		} else if serveErr == nil {
			serveErr = one
		}
	}
	if failed, ok := errors.AsType[*nbd.SourceError](serveErr); ok {
		return nil, failed.Err
	}
	if err == nil && serveErr != nil {
		return nil, fmt.Errorf("qemu-img %s: %w", op, serveErr)
	}
	return result, err
}

// stored returns the bytes of a file that are stored; what a device stores is
// not known, and its size unknown to Stat: all of it, for the caller to cap.
func stored(info os.FileInfo) int64 {
	if info.Mode().IsRegular() {
		return openfile.Allocated(info)
	}
	return math.MaxInt64
}
