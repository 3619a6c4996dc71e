package nbd

import (
	"encoding/binary"
	"io"
	"runtime"
	"time"

	"github.com/assay-dev/assay/internal/openfile"
)

// The numbers of the transmission phase (doc/proto.md, "Transmission" and
// "Values").
const (
	magicRequest    = 0x25609513
	magicSimple     = 0x67446698
	magicStructured = 0x668e33ef

	cmdRead        = 0
	cmdWrite       = 1
	cmdDisc        = 2
	cmdBlockStatus = 7

	cmdFlagReqOne = 1 << 3

	chunkDone = 1 << 0 // flag of the last chunk of a reply

	chunkOffsetData  = 1
	chunkBlockStatus = 5
	chunkError       = 1<<15 + 1

	// Errors, the numbers of which are the protocol's on every system.
	errInvalid = 22

	// States in base:allocation.
	stateHole = 1 << 0
	stateZero = 1 << 1
)

// maxRequest is the longest READ in bytes (doc/proto.md, "Block size
// constraints": what every client may expect), and preferredRequest the
// alignment at which none costs more than it must: that of pinned blocks.
const (
	maxRequest       = 32 << 20
	preferredRequest = 4096
)

// bufferSize is what a worker reads of pinned ranges, and of sources that are
// no files, at a time. A client that asks for more gets several chunks.
const bufferSize = 1 << 20

// copied is the longest part of a file that is sent by way of the buffer,
// together with its header: the client then wakes once and not twice, which
// is worth more than a copy (BenchmarkServe).
const copied = 64 << 10

// A request is what a client asks for in the transmission phase.
type request struct {
	flags, command uint16
	cookie         [8]byte // the client's own
	offset         uint64
	length         uint32
}

// requestLength is the length of a request on the wire, in bytes.
const requestLength = 28

// next reads a request; false means that none follows.
func (s *session) next() (r request, ok bool) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.ended {
		return r, false
	}
	var p [requestLength]byte
	err := s.receive(p[:])
	if magic := binary.BigEndian.Uint32(p[:]); err == nil && magic != magicRequest {
		err = broken("request magic %#x", magic)
	}
	r = parseRequest(p[:])
	if err == nil && r.command == cmdWrite {
		// What follows is data. The export is read-only, and said so.
		err = broken("a write")
	}
	if err != nil {
		s.fail(err)
	}
	if s.ended = err != nil || r.command == cmdDisc; !s.ended {
		s.announce()
	}
	return r, !s.ended
}

func parseRequest(p []byte) request {
	return request{
		flags:   binary.BigEndian.Uint16(p[4:]),
		command: binary.BigEndian.Uint16(p[6:]),
		cookie:  [8]byte(p[8:16]),
		offset:  binary.BigEndian.Uint64(p[16:]),
		length:  binary.BigEndian.Uint32(p[24:]),
	}
}

// announce has the kernel begin to read what the requests ask for that have
// arrived behind the one in work: a disk is then as busy as the client wants
// it, though one is answered after the other. A client that is held back does
// not want it to be busy.
func (s *session) announce() {
	waiting := s.in.Buffered() / requestLength
	s.announced = max(0, s.announced-1)
	for ; s.kernel.willNeed != nil && s.export.Wait == nil && s.announced < waiting; s.announced++ {
		p, err := s.in.Peek((s.announced + 1) * requestLength)
		if err != nil {
			return // it is all there
		}
		r := parseRequest(p[s.announced*requestLength:])
		if r.command == cmdRead && r.length <= maxRequest && r.offset <= uint64(s.export.Size) {
			s.kernel.willNeed(int64(r.offset), int64(r.length))
		}
	}
}

// yieldEvery is how often a worker lets go of its processor. Go's monitor
// takes it from a goroutine that has not for 10 ms and then meets it in a
// system call, as it always does here; what follows, a monitor that looks
// every 20 µs, took a quarter of the server's time (benchmarks/compare, vmdk).
const yieldEvery = 4 * time.Millisecond

// work answers requests until none follows.
func (s *session) work() {
	w := worker{session: s}
	if s.kernel.follow != nil {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer s.kernel.follow(false)
	}
	var yielded time.Time
	var short, long int // answers since then
	for {
		if now := time.Now(); now.Sub(yielded) > yieldEvery {
			runtime.Gosched()
			if s.kernel.follow != nil {
				s.kernel.follow(short >= long)
			}
			yielded, short, long = now, 0, 0
		}
		r, ok := s.next()
		if !ok {
			return
		}
		if r.command == cmdRead && r.length > copied {
			long++
		} else {
			short++
		}
		if err := w.answer(r); err != nil {
			s.fail(err)
			return
		}
	}
}

// A worker answers one request at a time.
type worker struct {
	*session
	buffer []byte // room for a header, and behind it for bufferSize bytes, or all there are
}

// answer answers a request; an error ends the session.
func (w *worker) answer(r request) error {
	end := r.offset + uint64(r.length)
	switch size := uint64(w.export.Size); {
	case r.length == 0, end < r.offset, end > size:
		return w.refuse(r)
	case r.command == cmdRead && r.flags == 0 && r.length <= maxRequest:
		return w.read(r)
	case r.command == cmdBlockStatus && r.flags&^cmdFlagReqOne == 0 && w.allocation:
		return w.status(r)
	}
	return w.refuse(r)
}

// refuse answers that a request makes no sense.
func (w *worker) refuse(r request) error {
	w.writing.Lock()
	defer w.writing.Unlock()
	if !w.structured {
		return w.transmit(simple(r, errInvalid))
	}
	p := chunk(r, chunkError, chunkDone, 6)
	p = binary.BigEndian.AppendUint32(p, errInvalid)
	return w.transmit(append(p, 0, 0)) // no message
}

// status tells the state of the range's first extent: one is always enough of
// an answer.
func (w *worker) status(r request) error {
	length, hole, err := w.extent(int64(r.offset), int64(r.offset)+int64(r.length))
	if err != nil {
		return &SourceError{err}
	}
	state := uint32(0)
	if hole {
		state = stateHole | stateZero
	}
	p := chunk(r, chunkBlockStatus, chunkDone, 12)
	p = binary.BigEndian.AppendUint32(p, contextAllocationID)
	p = binary.BigEndian.AppendUint32(p, uint32(length))
	p = binary.BigEndian.AppendUint32(p, state)
	w.writing.Lock()
	defer w.writing.Unlock()
	return w.transmit(p)
}

// read sends the range, part by part.
func (w *worker) read(r request) error {
	if !w.structured {
		// One header and all the data: nothing may come between.
		w.writing.Lock()
		defer w.writing.Unlock()
		if err := w.transmit(simple(r, 0)); err != nil {
			return err
		}
	}
	end := int64(r.offset) + int64(r.length)
	for off := int64(r.offset); off < end; {
		stop, pinned := w.part(off, end)
		stop, err := w.wait(off, stop)
		switch {
		case err != nil:
		case pinned:
			stop, err = w.sendRead(r, w.export.Pinned, off, stop)
		case w.kernel.move == nil || stop-off <= copied:
			stop, err = w.sendRead(r, w.export.Source, off, stop)
		default:
			err = w.sendMoved(r, off, stop)
		}
		if err != nil {
			return err
		}
		off = stop
	}
	return nil
}

// wait waits until a part may be read, or as much of it as is waited for at a
// time. It returns its end.
func (w *worker) wait(off, stop int64) (int64, error) {
	if w.export.Wait == nil {
		return stop, nil
	}
	stop = min(stop, off+WaitBytes)
	return stop, w.export.Wait(stop - off)
}

// part returns the end of the part from off on that is pinned, or is not; it
// is end at the latest.
func (w *worker) part(off, end int64) (stop int64, pinned bool) {
	if w.export.Pinned == nil {
		return end, false
	}
	switch start, stop := w.export.Pinned.Next(off); {
	case start == stop:
		return end, false
	case start > off:
		return min(end, start), false
	default:
		return min(end, stop), true
	}
}

// headerRoom is the length of the longest header of data: that of a chunk,
// and an offset.
const headerRoom = 28

// header returns what precedes the data from off to stop.
func (w *worker) header(r request, off, stop int64) []byte {
	if !w.structured {
		return nil // the reply has one already
	}
	flags := uint16(0)
	if stop == int64(r.offset)+int64(r.length) {
		flags = chunkDone
	}
	p := chunk(r, chunkOffsetData, flags, uint32(8+stop-off))
	return binary.BigEndian.AppendUint64(p, uint64(off))
}

// sendRead reads a part, or as much of it as there is room for, and sends
// that. It returns its end.
func (w *worker) sendRead(r request, from io.ReaderAt, off, stop int64) (int64, error) {
	if w.buffer == nil {
		w.buffer = make([]byte, headerRoom+min(bufferSize, w.export.Size))
	}
	stop = min(stop, off+bufferSize)
	data := w.buffer[headerRoom:][:stop-off]
	if err := openfile.ReadFull(from, data, off); err != nil {
		return 0, &SourceError{err}
	}
	header := w.header(r, off, stop)
	start := headerRoom - len(header)
	copy(w.buffer[start:], header)
	if w.structured {
		w.writing.Lock()
		defer w.writing.Unlock()
	}
	return stop, w.transmit(w.buffer[start : headerRoom+len(data)])
}

// sendMoved has the kernel move a part, behind its header.
func (w *worker) sendMoved(r request, off, stop int64) error {
	if w.structured {
		w.writing.Lock()
		defer w.writing.Unlock()
		if err := w.transmit(w.header(r, off, stop)); err != nil {
			return err
		}
	}
	return w.kernel.move(off, stop-off)
}

// simple returns a simple reply; data may follow.
func simple(r request, code uint32) []byte {
	p := binary.BigEndian.AppendUint32(make([]byte, 0, 16), magicSimple)
	p = binary.BigEndian.AppendUint32(p, code)
	return append(p, r.cookie[:]...)
}

// chunk returns the header of a structured reply's chunk, with room for a
// small payload; length bytes are to follow.
func chunk(r request, kind, flags uint16, length uint32) []byte {
	p := binary.BigEndian.AppendUint32(make([]byte, 0, 32), magicStructured)
	p = binary.BigEndian.AppendUint16(p, flags)
	p = binary.BigEndian.AppendUint16(p, kind)
	p = append(p, r.cookie[:]...)
	return binary.BigEndian.AppendUint32(p, length)
}
