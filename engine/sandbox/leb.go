package sandbox

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// reader walks the bytes of a module. The first fault sticks: from then on
// every read gives zero and there is nothing left, so that a caller may check
// once after several reads. It never reads past its end and allocates nothing
// that the input asks for.
type reader struct {
	buf []byte
	pos int // of the next byte, in the module
	end int // of the section or body being read, in the module
	err *ProfileError
}

// fail records the fault at byte offset at, unless there is one already.
func (r *reader) fail(at int, rule Rule, format string, args ...any) {
	if r.err == nil {
		r.err = &ProfileError{at, rule, fmt.Sprintf(format, args...)}
	}
	r.pos = r.end
}

// more tells whether there is something left to read.
func (r *reader) more() bool { return r.pos < r.end }

// sub limits reading to the next n bytes and returns a function that restores
// the limit and refuses bytes left over. what names them in errors.
func (r *reader) sub(n uint32, what string) (done func()) {
	if uint64(n) > uint64(r.end-r.pos) {
		r.fail(r.pos, RuleEncoding, "%s of %d bytes, %d are left", what, n, r.end-r.pos)
		return func() {}
	}
	outer := r.end
	r.end = r.pos + int(n)
	return func() {
		if r.more() {
			r.fail(r.pos, RuleEncoding, "%s has %d bytes too many", what, r.end-r.pos)
		}
		r.end = outer
		if r.err != nil {
			r.pos = r.end
		}
	}
}

func (r *reader) byte() byte {
	if !r.more() {
		r.fail(r.pos, RuleEncoding, "cut short")
		return 0
	}
	r.pos++
	return r.buf[r.pos-1]
}

// bytes returns the next n bytes, which alias the module.
func (r *reader) bytes(n uint32) []byte {
	if uint64(n) > uint64(r.end-r.pos) {
		r.fail(r.pos, RuleEncoding, "%d bytes expected, %d are left", n, r.end-r.pos)
		return nil
	}
	r.pos += int(n)
	return r.buf[r.pos-int(n) : r.pos]
}

// name reads a name: a length and that many bytes of UTF-8.
func (r *reader) name() string {
	at := r.pos
	b := r.bytes(r.u32())
	if !utf8.Valid(b) {
		r.fail(at, RuleEncoding, "name is not UTF-8")
		return ""
	}
	return string(b)
}

// u32 reads an unsigned LEB128 of at most 32 bits (WebAssembly 1.0, section
// 5.2.2): at most five bytes, no bits beyond the 32nd. Padding within the five
// bytes is allowed; linkers emit it.
func (r *reader) u32() uint32 {
	at := r.pos
	var v uint32
	for shift := 0; shift < 35; shift += 7 {
		b := r.byte()
		if shift == 28 && b > 0x0f {
			r.fail(at, RuleEncoding, "number does not fit in 32 bits")
			return 0
		}
		v |= uint32(b&0x7f) << shift
		if b < 0x80 {
			break
		}
	}
	return v
}

// signed reads a signed LEB128 of at most the given number of bits, 32 or 64:
// no more bytes than that takes, and the unused bits of the last of them
// repeat the sign.
func (r *reader) signed(bits int) int64 {
	at := r.pos
	var v int64
	for shift := 0; ; shift += 7 {
		b := r.byte()
		v |= int64(b&0x7f) << shift
		if left := bits - shift; left <= 7 {
			// The sign is bit left-1; it and all bits above it must agree.
			if top := int8(b<<1) >> left; b >= 0x80 || (top != 0 && top != -1) {
				r.fail(at, RuleEncoding, "number does not fit in %d bits", bits)
				return 0
			}
		}
		if b < 0x80 {
			if shift += 7; shift < 64 && b&0x40 != 0 {
				v |= -1 << shift
			}
			return v
		}
	}
}

// count reads the length of a vector and refuses more than limit entries, or
// more than the bytes left can hold when each takes at least one.
func (r *reader) count(limit int, what string) int {
	at := r.pos
	n := r.u32()
	if uint64(n) > uint64(limit) {
		r.fail(at, RuleSize, "%d %s, at most %d are allowed", n, what, limit)
		return 0
	}
	if int(n) > r.end-r.pos {
		r.fail(at, RuleEncoding, "%d %s in %d bytes", n, what, r.end-r.pos)
		return 0
	}
	return int(n)
}

// appendCount and appendSigned write what u32 and signed read.
func appendCount(b []byte, n int) []byte { return binary.AppendUvarint(b, uint64(n)) }

func appendSigned(b []byte, v int64) []byte {
	for v < -64 || v > 63 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v)&0x7f)
}
