// Package nbd serves the bytes of one image, read-only, to one client over a
// socket that the client inherits: the way by which a confined tool reads an
// image that it cannot open.
//
// What it protects: the verdict. Ranges that were inspected are served as
// they were when they were inspected, whatever became of the source
// meanwhile, or the connection ends. The client is taken for hostile: every
// length, offset, flag and name it sends is checked before it is used, what
// it makes the server hold is bounded (a few buffers of 1 MiB), and a client
// that breaks the protocol is hung up on.
//
// It promises that a reply is whole: once the source cannot be read as it
// should, nothing more is sent, and Serve says why. It gives sparseness: holes
// of a file are told to a client that asks (base:allocation).
//
// What it does not promise: that ranges which were not inspected stay the
// same, and that a client which stops reading is ended; whoever runs the
// client has a watchdog for that, and Serve ends with its context.
//
// The protocol is NBD (the NBD project's doc/proto.md): fixed newstyle
// handshake; NBD_OPT_GO, INFO, ABORT, STRUCTURED_REPLY, SET_META_CONTEXT and
// LIST_META_CONTEXT; NBD_CMD_READ, BLOCK_STATUS and DISC. There is one export,
// the default one (the empty name).
package nbd

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"sync"
)

// An Export is what a client can read.
type Export struct {
	// Size is the length of the export in bytes.
	Size int64
	// Source is read for what is not pinned, by several goroutines at a time.
	// From an *os.File the kernel moves the data, and holes are told; its
	// position is moved too.
	Source io.ReaderAt
	// Pinned is what is served as it once was; nil when nothing is.
	Pinned Pinned
	// Client, if not nil, tells the number of the process that the client is, or
	// 0 while there is none: that may make serving it faster.
	Client func() int
	// Wait, if not nil, is called before n bytes are read, at most WaitBytes,
	// by several goroutines at a time: to hold back the client, which gets
	// them when it returns. An error ends the session.
	Wait func(n int64) error
	// Release, if not nil, is called once, when neither Source nor Pinned is
	// read any more: that may be after Serve has returned, see there.
	Release func()
}

// WaitBytes is the most that Export.Wait is asked for at a time.
const WaitBytes = 256 << 10

// Pinned is ranges of an export that are served as they once were. Its
// methods are safe for concurrent use.
type Pinned interface {
	// Next returns the first pinned range that ends after off, in bytes; an
	// empty one when there is none.
	Next(off int64) (start, end int64)
	// ReadAt fills p, which lies in one pinned range, or fails.
	io.ReaderAt
}

// A SourceError says that the source could not be read as it should be:
// reading failed, it has become shorter, or a pinned range has changed.
type SourceError struct{ Err error }

// Error implements error.
func (e *SourceError) Error() string { return fmt.Sprintf("nbd: source: %v", e.Err) }

// Unwrap returns the cause.
func (e *SourceError) Unwrap() error { return e.Err }

// A ClientError says that the client broke the protocol, or left without
// saying so.
type ClientError struct{ Err error }

// Error implements error.
func (e *ClientError) Error() string { return fmt.Sprintf("nbd: client: %v", e.Err) }

// Unwrap returns the cause.
func (e *ClientError) Unwrap() error { return e.Err }

// Serve answers the client at the other end of conn until it disconnects, as
// the protocol has it; then the error is nil. Otherwise it is a *SourceError,
// a *ClientError, or the context's cause. In each case the connection has
// ended when Serve returns, but conn is the caller's to close. conn is a
// blocking stream socket, such as Pair makes.
//
// Once the context is done Serve does not wait for the source: a read that is
// under way then, of a source far away perhaps, is left to return when it
// does, into memory that is used for nothing else.
func Serve(ctx context.Context, conn *os.File, e Export) error {
	if e.Release == nil {
		e.Release = func() {}
	}
	if e.Source == nil || e.Size < 0 {
		e.Release()
		return fmt.Errorf("nbd: an export needs a source and a size, not %d", e.Size)
	}
	hangUp := func() { shutdown(conn) }
	defer hangUp()
	s := newSession(receiver(conn), conn, e, hangUp)
	if file, ok := e.Source.(*os.File); ok {
		s.useKernel(conn, file)
	}
	ended := make(chan error, 1)
	go func() {
		err := s.run()
		e.Release()
		ended <- err
	}()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case err := <-ended:
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
}

// A session is one connection.
type session struct {
	in     *bufio.Reader // a client that sends many small requests is read at once
	out    io.Writer
	export Export
	hangUp func() // ends both directions of the connection

	kernel  kernel
	workers int // how many answer requests

	// What was agreed on in the handshake.
	structured bool // NBD_OPT_STRUCTURED_REPLY
	allocation bool // the metadata context base:allocation

	reading   sync.Mutex // held while a request is read
	ended     bool       // under reading: no request follows
	announced int        // under reading: how many that wait in the buffer were
	writing   sync.Mutex // held while a reply, or a chunk of one, is written

	failing sync.Mutex
	failure error // the first
}

func newSession(in io.Reader, out io.Writer, e Export, hangUp func()) *session {
	return &session{in: bufio.NewReaderSize(in, 64*requestLength), out: out, export: e, hangUp: hangUp, workers: readers}
}

// kernel is what the system can do with a source that is a file; its parts
// are nil where it can do nothing.
type kernel struct {
	// move sends n bytes from off on to the client.
	move func(off, n int64) error
	// willNeed begins to read n bytes from off on.
	willNeed func(off, n int64)
	// follow keeps the calling thread, to which its goroutine is locked, where
	// the client runs, or lets it run anywhere.
	follow func(keep bool)
	// extent returns where the extent at off ends, end at the latest, and
	// whether it is a hole.
	extent func(off, end int64) (next int64, hole bool, err error)
}

// readers is how many requests are in work at a time when the source is no
// file: one reply is sent while the source, which may be far away, is asked
// for the next ones. Of a file one is: there the kernel is asked ahead.
const readers = 4

// run does the handshake and answers requests.
func (s *session) run() error {
	granted, err := s.handshake()
	if err != nil || !granted {
		return err
	}
	var group sync.WaitGroup
	for range s.workers {
		group.Go(s.work)
	}
	group.Wait()
	return s.failure
}

// fail ends the session for an error, if it is the first.
func (s *session) fail(err error) {
	s.failing.Lock()
	if s.failure == nil {
		s.failure = err
	}
	s.failing.Unlock()
	s.hangUp()
}

// broken is the error of a client that sent what it must not.
func broken(format string, args ...any) error {
	return &ClientError{fmt.Errorf(format, args...)}
}

// receive fills p from the client.
func (s *session) receive(p []byte) error {
	if _, err := io.ReadFull(s.in, p); err != nil {
		return &ClientError{fmt.Errorf("left without disconnecting: %w", err)}
	}
	return nil
}

// transmit sends p to the client.
func (s *session) transmit(p []byte) error {
	if _, err := s.out.Write(p); err != nil {
		return &ClientError{fmt.Errorf("gone: %w", err)}
	}
	return nil
}
