package hostfuncs

import (
	"encoding/binary"
	"fmt"
)

// Record is one decoded fact.
type Record struct {
	Entry *Entry
	// Offset and Length say where in the file the fact was read, in bytes.
	// Offset is NoPlace when the fact has no single place.
	Offset, Length uint64
	// Values holds the numbers of a property (one) or finding (up to two).
	Values [2]uint64
	// Text holds the bytes of a text property or a reference's target. It
	// aliases the buffer that was decoded.
	Text []byte
}

// NoPlace is the offset of a fact that was not read in one place.
const NoPlace = ^uint64(0)

// Wire layout: u16 key LE, u16 length LE, then length bytes: u64 offset LE,
// u64 length LE, and the body that the key's kind asks for.
const (
	recordHeader = 4
	recordPlace  = 16
)

// RecordError says why records do not follow the ABI. Offset counts from the
// start of the run's report, in bytes.
type RecordError struct {
	Offset int
	Reason string
}

// Error implements error.
func (e *RecordError) Error() string { return fmt.Sprintf("record at byte %d: %s", e.Offset, e.Reason) }

// Decode appends the records in buf to dst. format is the format the probe's
// manifest names: a probe may report only its own keys and those of every
// format. A record that breaks the ABI (unknown or foreign key, wrong body,
// a property given twice, a cut record) is a *RecordError.
func Decode(dst []Record, buf []byte, format string) ([]Record, error) {
	start := len(dst)
	for at := 0; at < len(buf); {
		fail := func(reason string, args ...any) ([]Record, error) {
			return dst[:start], &RecordError{at, fmt.Sprintf(reason, args...)}
		}
		rest := buf[at:]
		if len(rest) < recordHeader {
			return fail("%d bytes left, a record header takes %d", len(rest), recordHeader)
		}
		key := binary.LittleEndian.Uint16(rest)
		length := int(binary.LittleEndian.Uint16(rest[2:]))
		if len(rest)-recordHeader < length {
			return fail("key %#04x says %d bytes, %d are left", key, length, len(rest)-recordHeader)
		}
		entry := Lookup(key)
		if entry == nil {
			return fail("key %#04x is not in the table", key)
		}
		if f := entry.Format(); f != "" && f != format {
			return fail("%s belongs to format %s, this probe's is %s", entry.Name, f, format)
		}
		body := rest[recordHeader : recordHeader+length]
		if len(body) < recordPlace {
			return fail("%s has %d bytes, its place alone takes %d", entry.Name, len(body), recordPlace)
		}
		r := Record{
			Entry:  entry,
			Offset: binary.LittleEndian.Uint64(body),
			Length: binary.LittleEndian.Uint64(body[8:]),
		}
		if r.Offset != NoPlace && r.Offset+r.Length < r.Offset {
			return fail("%s: offset %#x and length %#x overflow", entry.Name, r.Offset, r.Length)
		}
		if reason := r.body(body[recordPlace:]); reason != "" {
			return fail("%s: %s", entry.Name, reason)
		}
		if entry.Kind <= KindText {
			for i := range dst[start:] {
				if dst[start+i].Entry == entry {
					return fail("%s is given twice", entry.Name)
				}
			}
		}
		dst = append(dst, r)
		at += recordHeader + length
	}
	return dst, nil
}

// body decodes what follows the place; it returns what is wrong, or "".
func (r *Record) body(b []byte) string {
	switch r.Entry.Kind {
	case KindText, KindReference:
		r.Text = b
		return ""
	case KindNumber, KindFlag:
		if len(b) != 8 {
			return fmt.Sprintf("%d bytes of value, must be 8", len(b))
		}
	default:
		if len(b) > 16 || len(b)%8 != 0 {
			return fmt.Sprintf("%d bytes of values, must be 0, 8 or 16", len(b))
		}
	}
	for i := range len(b) / 8 {
		r.Values[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	if r.Entry.Kind == KindFlag && r.Values[0] > 1 {
		return fmt.Sprintf("flag is %d, must be 0 or 1", r.Values[0])
	}
	return ""
}
