package nbd

import "encoding/binary"

// The numbers of the handshake (doc/proto.md, "Fixed newstyle negotiation" and
// "Values").
const (
	magicServer = 0x4e42444d41474943 // "NBDMAGIC"
	magicOption = 0x49484156454f5054 // "IHAVEOPT"
	magicReply  = 0x0003e889045565a9

	// Handshake flags, of both sides.
	flagFixedNewstyle = 1 << 0
	flagNoZeroes      = 1 << 1

	optAbort           = 2
	optInfo            = 6
	optGo              = 7
	optStructuredReply = 8
	optListMetaContext = 9
	optSetMetaContext  = 10

	repAck         = 1
	repInfo        = 3
	repMetaContext = 4
	repErrUnsup    = 1<<31 + 1
	repErrInvalid  = 1<<31 + 3
	repErrUnknown  = 1<<31 + 6

	infoExport    = 0
	infoBlockSize = 3

	// Transmission flags.
	flagHasFlags = 1 << 0
	flagReadOnly = 1 << 1
)

// Bounds on what a client may send. The longest option that makes sense is a
// name of at most 4 096 bytes and a few words.
const (
	maxOptions      = 64
	maxOptionLength = 8 << 10
)

// contextAllocation is the one metadata context there is, and its id here.
const (
	contextAllocation   = "base:allocation"
	contextAllocationID = 1
)

// handshake answers options until the client goes on to requests; granted is
// false when it leaves instead, as it may.
func (s *session) handshake() (granted bool, err error) {
	hello := binary.BigEndian.AppendUint64(nil, magicServer)
	hello = binary.BigEndian.AppendUint64(hello, magicOption)
	hello = binary.BigEndian.AppendUint16(hello, flagFixedNewstyle|flagNoZeroes)
	if err := s.transmit(hello); err != nil {
		return false, err
	}
	var flags [4]byte
	if err := s.receive(flags[:]); err != nil {
		return false, err
	}
	if f := binary.BigEndian.Uint32(flags[:]); f&^(flagFixedNewstyle|flagNoZeroes) != 0 || f&flagFixedNewstyle == 0 {
		return false, broken("handshake flags %#x", f)
	}
	for range maxOptions {
		code, data, err := s.option()
		if err != nil {
			return false, err
		}
		var out []byte
		replies := s.haggle(code, data)
		for _, r := range replies {
			out = r.appendTo(out, code)
		}
		if err := s.transmit(out); err != nil {
			return false, err
		}
		switch last := replies[len(replies)-1]; {
		case code == optAbort:
			return false, nil
		case code == optGo && last.kind == repAck:
			return true, nil
		}
	}
	return false, broken("more than %d options", maxOptions)
}

// option reads one option.
func (s *session) option() (code uint32, data []byte, err error) {
	var head [16]byte
	if err := s.receive(head[:]); err != nil {
		return 0, nil, err
	}
	if magic := binary.BigEndian.Uint64(head[:]); magic != magicOption {
		return 0, nil, broken("option magic %#x", magic)
	}
	code = binary.BigEndian.Uint32(head[8:])
	length := binary.BigEndian.Uint32(head[12:])
	if length > maxOptionLength {
		return 0, nil, broken("option %d of %d bytes", code, length)
	}
	data = make([]byte, length)
	return code, data, s.receive(data)
}

// A reply is one answer to an option; the last one ends it.
type reply struct {
	kind    uint32
	payload []byte
}

func (r reply) appendTo(p []byte, code uint32) []byte {
	p = binary.BigEndian.AppendUint64(p, magicReply)
	p = binary.BigEndian.AppendUint32(p, code)
	p = binary.BigEndian.AppendUint32(p, r.kind)
	p = binary.BigEndian.AppendUint32(p, uint32(len(r.payload)))
	return append(p, r.payload...)
}

// haggle returns the replies to an option, at least one.
func (s *session) haggle(code uint32, data []byte) []reply {
	switch code {
	case optAbort:
		return []reply{{kind: repAck}}
	case optInfo, optGo:
		return s.describe(data)
	case optStructuredReply:
		if len(data) > 0 {
			return []reply{{kind: repErrInvalid}}
		}
		s.structured = true
		return []reply{{kind: repAck}}
	case optListMetaContext, optSetMetaContext:
		return s.contexts(code, data)
	}
	return []reply{{kind: repErrUnsup}}
}

// describe answers NBD_OPT_INFO and NBD_OPT_GO: the name of an export, and
// what is asked about it, which is answered unasked.
func (s *session) describe(data []byte) []reply {
	o := fields{rest: data}
	name, count := o.text(), o.number16()
	switch {
	case o.short || len(o.rest) != 2*int(count):
		return []reply{{kind: repErrInvalid}}
	case len(name) > 0:
		return []reply{{kind: repErrUnknown}}
	}
	export := binary.BigEndian.AppendUint16(nil, infoExport)
	export = binary.BigEndian.AppendUint64(export, uint64(s.export.Size))
	export = binary.BigEndian.AppendUint16(export, flagHasFlags|flagReadOnly)
	sizes := binary.BigEndian.AppendUint16(nil, infoBlockSize)
	sizes = binary.BigEndian.AppendUint32(sizes, 1) // smallest
	sizes = binary.BigEndian.AppendUint32(sizes, preferredRequest)
	sizes = binary.BigEndian.AppendUint32(sizes, maxRequest)
	return []reply{{repInfo, export}, {repInfo, sizes}, {kind: repAck}}
}

// contexts answers NBD_OPT_LIST_META_CONTEXT and NBD_OPT_SET_META_CONTEXT:
// the name of an export, and the contexts asked for.
func (s *session) contexts(code uint32, data []byte) []reply {
	o := fields{rest: data}
	name, count := o.text(), o.number32()
	known := code == optListMetaContext && count == 0 // which asks for all
	for ; count > 0 && !o.short; count-- {
		known = string(o.text()) == contextAllocation || known
	}
	if code == optSetMetaContext {
		s.allocation = false // whatever an earlier one had chosen
	}
	switch {
	case o.short || len(o.rest) > 0 || !s.structured:
		return []reply{{kind: repErrInvalid}}
	case len(name) > 0:
		return []reply{{kind: repErrUnknown}}
	case !known:
		return []reply{{kind: repAck}}
	}
	s.allocation = s.allocation || code == optSetMetaContext
	context := binary.BigEndian.AppendUint32(nil, contextAllocationID)
	return []reply{{repMetaContext, append(context, contextAllocation...)}, {kind: repAck}}
}

// fields takes the data of an option apart.
type fields struct {
	rest  []byte
	short bool // there was less than was asked for
}

// take returns the next n bytes, or none.
func (f *fields) take(n uint32) []byte {
	if uint64(n) > uint64(len(f.rest)) {
		f.rest, f.short = nil, true
		return nil
	}
	taken := f.rest[:n]
	f.rest = f.rest[n:]
	return taken
}

// number32 returns the next number, or 0.
func (f *fields) number32() uint32 {
	if p := f.take(4); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}

// number16 returns the next number, or 0.
func (f *fields) number16() uint16 {
	if p := f.take(2); p != nil {
		return binary.BigEndian.Uint16(p)
	}
	return 0
}

// text returns the next string, which its length precedes.
func (f *fields) text() []byte { return f.take(f.number32()) }
