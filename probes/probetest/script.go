package probetest

import (
	"encoding/binary"
	"math/bits"
)

// A script is how a fuzzer's bytes become an image: a base and a list of
// edits. A fuzzer that changes bytes of an image spends its time on data that
// nobody looks at; one that changes a script changes headers, and what headers
// point to, in units that parsers read: fields, ends, pointers. Any bytes are
// a script, and scripts stay small where images are not.
//
// The first byte selects the base; the edits follow, each a byte for the kind
// and operands of fixed length, until the bytes end.
const (
	maxEdits = 64
	// maxImage bounds an image that is edited, in bytes.
	maxImage = 8 << 20
	// maxLiteral bounds the bytes that one edit brings along.
	maxLiteral = 255
)

// The kinds of edits. Places are two bytes: see script.place.
const (
	editByte    = iota // place, byte
	editBit            // place, bit
	editField          // place, shape, value: a number that parsers stumble over
	editBehind         // place, shape, displacement, shape, value: a field that a pointer leads to
	editLiteral        // place, length, bytes
	editCut            // place: the file ends there
	editGrow           // length in units of 256 bytes
	editCopy           // place, place, length in units of 16 bytes
	editGraft          // base, length in units of 16 bytes: the head of another base
	editKinds
)

// applyScript builds the image of a script. There must be a base.
func applyScript(bases [][]byte, text []byte) []byte {
	s := script{rest: text}
	base := bases[int(s.byte())%len(bases)]
	s.image = append(make([]byte, 0, len(base)+1024), base...)
	for range maxEdits {
		if len(s.rest) == 0 {
			break
		}
		s.edit(bases)
	}
	return s.image
}

type script struct {
	rest  []byte
	image []byte
}

// byte takes the next byte; what is missing at the end is 0.
func (s *script) byte() byte {
	if len(s.rest) == 0 {
		return 0
	}
	b := s.rest[0]
	s.rest = s.rest[1:]
	return b
}

func (s *script) u16() int { return int(s.byte())<<8 | int(s.byte()) }

// place takes a place in the image: the lower half counts from the start, the
// upper half back from the end, where formats keep footers.
func (s *script) place() int {
	n := s.u16()
	if n >= 1<<15 {
		n = len(s.image) - (1<<16 - n)
	}
	return max(0, min(n, len(s.image)))
}

func (s *script) edit(bases [][]byte) {
	switch s.byte() % editKinds {
	case editByte:
		s.put(s.place(), []byte{s.byte()})
	case editBit:
		at, bit := s.place(), s.byte()%8
		if at < len(s.image) {
			s.image[at] ^= 1 << bit
		}
	case editField:
		at := s.place()
		s.field(at, s.byte(), s.byte())
	case editBehind:
		at := s.place()
		target := int(s.load(at, s.byte()) % uint64(len(s.image)+1))
		at = min(target+int(s.byte()), len(s.image))
		s.field(at, s.byte(), s.byte())
	case editLiteral:
		at := s.place()
		n := min(int(s.byte()), len(s.rest), maxLiteral)
		s.put(at, s.rest[:n])
		s.rest = s.rest[n:]
	case editCut:
		s.image = s.image[:s.place()]
	case editGrow:
		n := 256 * int(s.byte())
		if len(s.image)+n <= maxImage {
			s.image = append(s.image, make([]byte, n)...)
		}
	case editCopy:
		to, from := s.place(), s.place()
		n := 16 * int(s.byte())
		copy(s.image[to:], s.image[from:min(from+n, len(s.image))])
	case editGraft:
		other := bases[int(s.byte())%len(bases)]
		s.put(0, other[:min(16*int(s.byte()), len(other))])
	}
}

// put writes bytes at a place, beyond the end as far as they go.
func (s *script) put(at int, p []byte) {
	if grown := at + len(p) - len(s.image); grown > 0 && at+len(p) <= maxImage {
		s.image = append(s.image, make([]byte, grown)...)
	}
	if at < len(s.image) {
		copy(s.image[at:], p)
	}
}

// A shape is the width and the byte order of a field: bits 0 and 1 are log2 of
// the width in bytes, bit 2 is set for little-endian.
func width(shape byte) int { return 1 << (shape & 3) }

// load reads a field; what lies beyond the end is 0.
func (s *script) load(at int, shape byte) uint64 {
	var field [8]byte
	n := width(shape)
	copy(field[:n], s.image[min(at, len(s.image)):])
	if shape&4 != 0 {
		return binary.LittleEndian.Uint64(field[:])
	}
	return binary.BigEndian.Uint64(field[:]) >> (64 - 8*n)
}

func (s *script) field(at int, shape, value byte) {
	s.put(at, encodeField(shape, s.number(s.load(at, shape), shape, value)))
}

// encodeField writes a number as a field of a shape.
func encodeField(shape byte, v uint64) []byte {
	n := width(shape)
	if shape&4 != 0 {
		return binary.LittleEndian.AppendUint64(nil, v)[:n]
	}
	return binary.BigEndian.AppendUint64(nil, v<<(64-8*n))[:n]
}

// number returns what a field of the given shape becomes: an extreme of its
// width, something close to what is there, or to the size of the file.
func (s *script) number(was uint64, shape, value byte) uint64 {
	most := ^uint64(0) >> (64 - 8*width(shape))
	size := uint64(len(s.image))
	switch {
	case value < 64:
		return most & (1 << (value % 64))
	case value < 128:
		return most & (1<<(value%64) - 1)
	}
	near := stumbles(was, most, size)
	return near[int(value)%len(near)] & most
}

// stumbles returns numbers that parsers stumble over, for a field that holds
// was and at most most, in a file of size bytes.
func stumbles(was, most, size uint64) [19]uint64 {
	return [...]uint64{
		0, most, most - 1, most >> 1, most>>1 + 1, // the ends of the width, signed and not
		size, size + 1, -size, // the end of the file, and what overflows when it is added
		was + 1, was - 1, was * 2, was / 2, ^was, bits.ReverseBytes64(was),
		size - 1, size / 512, size/512 + 1, most - size, most - was,
	}
}
