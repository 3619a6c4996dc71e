package nbd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
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

// A request is what a client asks for in the transmission phase.
type request struct {
	flags, command uint16
	cookie         [8]byte // the client's own
	offset         uint64
	length         uint32
}

// next reads a request; false means that none follows.
func (s *session) next() (r request, ok bool) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.ended {
		return r, false
	}
	var p [28]byte
	err := s.receive(p[:])
	if magic := binary.BigEndian.Uint32(p[:]); err == nil && magic != magicRequest {
		err = broken("request magic %#x", magic)
	}
	r = request{
		flags:   binary.BigEndian.Uint16(p[4:]),
		command: binary.BigEndian.Uint16(p[6:]),
		cookie:  [8]byte(p[8:16]),
		offset:  binary.BigEndian.Uint64(p[16:]),
		length:  binary.BigEndian.Uint32(p[24:]),
	}
	if err == nil && r.command == cmdWrite {
		// What follows is data. The export is read-only, and said so.
		err = broken("a write")
	}
	if err != nil {
		s.fail(err)
	}
	s.ended = err != nil || r.command == cmdDisc
	return r, !s.ended
}

// work answers requests until none follows.
func (s *session) work() {
	w := worker{session: s}
	for {
		r, ok := s.next()
		if !ok {
			return
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
	buffer []byte
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

// read sends the range, piece by piece.
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
		piece, err := w.piece(off, end)
		if err != nil {
			return &SourceError{err}
		}
		var header []byte
		if w.structured {
			flags := uint16(0)
			if off+piece.length == end {
				flags = chunkDone
			}
			header = chunk(r, chunkOffsetData, flags, uint32(8+piece.length))
			header = binary.BigEndian.AppendUint64(header, uint64(off))
		}
		if err := w.deliver(header, piece, off); err != nil {
			return err
		}
		off += piece.length
	}
	return nil
}

// A piece is the next part of what a client asked for: bytes that are there,
// or, when data is nil, ones that the kernel is to move.
type piece struct {
	length int64
	data   []byte
}

// piece returns the piece from off on, which ends at end at the latest.
func (w *worker) piece(off, end int64) (piece, error) {
	from, pinned := w.export.Source, false
	if p := w.export.Pinned; p != nil {
		switch start, stop := p.Next(off); {
		case start == stop:
		case start > off:
			end = min(end, start)
		default:
			from, pinned, end = p, true, min(end, stop)
		}
	}
	if w.kernel.move != nil && !pinned {
		w.kernel.willNeed(off, end-off)
		return piece{length: end - off}, nil
	}
	if w.buffer == nil {
		w.buffer = make([]byte, bufferSize)
	}
	data := w.buffer[:min(end-off, bufferSize)]
	n, err := from.ReadAt(data, off)
	if errors.Is(err, io.EOF) {
		err = nil // as it may say of the last bytes
	}
	if err == nil && n < len(data) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return piece{}, fmt.Errorf("%d of %d bytes at offset %d: %w", n, len(data), off, err)
	}
	return piece{int64(len(data)), data}, nil
}

// deliver sends a piece behind its header.
func (w *worker) deliver(header []byte, p piece, off int64) error {
	if w.structured {
		w.writing.Lock()
		defer w.writing.Unlock()
		if err := w.transmit(header); err != nil {
			return err
		}
	}
	if p.data == nil {
		return w.kernel.move(off, p.length)
	}
	return w.transmit(p.data)
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
