package qemuimg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"sync/atomic"

	"github.com/assay-dev/assay/internal/openfile"
	"github.com/assay-dev/assay/internal/vetted"
	"github.com/assay-dev/assay/native/confine"
	"github.com/assay-dev/assay/native/lease"
	"github.com/assay-dev/assay/native/nbd"
)

// firstDescriptor is that of the first file that qemu-img is handed, behind
// the three standard ones.
const firstDescriptor = 3

// outputName is the name by which qemu-img opens an output, which stands
// behind the one source.
const outputName = "/dev/fd/4"

// secretName is the name by which it opens the passphrase of an output.
const secretName = "/dev/fd/5"

// A source is an image ready to be handed over.
type source struct {
	work    *vetted.Job
	file    confine.File // of qemu-img
	options string       // for qemu-img: what it is, so that nothing is guessed
	stored  int64        // bytes that it can hold
	own     *os.File     // the source, opened again; nil where that cannot be
	lease   *lease.Lease // on own; nil where there is none
	export  *nbd.Export  // what is served over file; nil when file is the source
	server  *os.File     // the other end of file
	closers []io.Closer
}

func (s *source) close() {
	if s.lease != nil {
		s.lease.Release() // a tool that is about to end still has the file open
	}
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
	protocol := "file"
	if file := work.File(); file != nil {
		info, err := file.Stat()
		if err != nil {
			return nil, err
		}
		if s.stored = stored(info); info.Mode()&os.ModeDevice != 0 {
			protocol = "host_device"
		}
		if s.own, err = OpenSource(file, live); err != nil {
			return nil, err
		}
		if s.own != nil {
			s.closers = append(s.closers, s.own)
		}
	}
	switch handOff {
	case HandOffLease:
		if err := s.takeLease(live); err != nil {
			return nil, err
		}
		s.file = confine.File{File: s.own, Access: confine.ReadOnly}
	case HandOffDescriptor:
		s.file = confine.File{File: cmp.Or(s.own, work.File()), Access: confine.ReadOnly}
		if s.file.File == nil {
			return nil, fmt.Errorf("hand-off %s: %w: the source is no file", handOff, errors.ErrUnsupported)
		}
	default:
		s.options = fmt.Sprintf("driver=%s,file.driver=nbd,file.server.type=fd,file.server.str=%d", facts.Driver, descriptor)
		return s, s.serve(facts.Size, live)
	}
	s.options = fmt.Sprintf("driver=%s,file.driver=%s,file.filename=/dev/fd/%d", facts.Driver, protocol, descriptor)
	if live {
		s.options += ",file.locking=off"
	}
	return s, nil
}

// takeLease keeps others from writing to the source until it is closed. What it
// is from then on is compared with what was vetted.
func (s *source) takeLease(live bool) (err error) {
	unfit := ""
	switch {
	case live:
		unfit = "it is to be read while others write"
	case s.own == nil:
		unfit = "it is no file, or none that this process can open"
	case confine.ReadTakesCapability(s.own):
		unfit = "only its owner may read it: the tool would need a capability"
	}
	if unfit != "" {
		return &lease.Error{Err: errors.New(unfit)}
	}
	if s.lease, err = lease.Take(s.own); err != nil {
		return err
	}
	return s.work.Recheck()
}

// serve makes a connection over which the source is served.
func (s *source) serve(size int64, live bool) error {
	s.export = &nbd.Export{Size: size, Source: s.work.Source()}
	switch {
	case s.own != nil:
		s.export.Source = s.own
	case s.work.File() != nil:
		// What cannot be opened again is served by reading it at offsets.
		s.export.Source = struct{ io.ReaderAt }{s.work.File()}
	}
	if !live {
		s.export.Pinned = s.work
	}
	server, client, err := nbd.Pair()
	if err != nil {
		return err
	}
	s.closers = append(s.closers, server, client)
	s.server, s.file = server, confine.File{File: client, Access: confine.Connection}
	return nil
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
	// Whatever becomes of ctx, a tool is served as long as it runs: one whose
	// source is gone may be sooner to fail than to be killed, and that would
	// be the error. What waits for its turn to be served does so as long, too.
	serving, stopServing := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stopServing(nil)
	waiting, stopWaiting := context.WithCancel(serving)
	defer stopWaiting()
	var client atomic.Int64
	j.started = func(pid int) { client.Store(int64(pid)) }
	served := make([]chan error, 0, len(sources))
	for _, s := range sources {
		done := make(chan error, 1)
		served = append(served, done)
		if s.export == nil {
			close(done)
			continue
		}
		s.export.Release = s.work.Hold() // a cancelled job leaves a read behind
		s.export.Client = func() int { return int(client.Load()) }
		if j.held != nil {
			from := j.held.job.Source(s.work.File())
			s.export.Wait = func(n int64) error { return j.held.wait(waiting, from, n) }
		}
		go func() { done <- nbd.Serve(serving, s.server, *s.export) }()
	}
	result, err := t.runLeased(ctx, op, j, sources)
	stopWaiting()
	defer context.AfterFunc(ctx, func() { stopServing(context.Cause(ctx)) })()
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

// runLeased runs qemu-img, and ends it as soon as a lease of one of its sources
// is broken; that is the error, also where it was done before.
func (t *Tool) runLeased(ctx context.Context, op string, j job, sources []*source) (*confine.Result, error) {
	leased, end := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	for _, s := range sources {
		if s.lease != nil {
			watching.Go(func() {
				if broken := s.lease.Await(leased); broken != nil {
					end(broken)
				}
			})
		}
	}
	result, err := t.run(leased, op, j)
	end(nil)
	watching.Wait()
	for _, s := range sources {
		if s.lease != nil && ctx.Err() == nil {
			if broken := s.lease.Held(); broken != nil {
				return nil, broken
			}
		}
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
