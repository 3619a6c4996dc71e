package sandbox

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
)

const (
	maxPattern = 64       // bytes of a signature
	maxReach   = 64 << 10 // bytes from either end of the file
)

// Signature is bytes that an image of the format has: either Bytes, at the
// place At, or Contains, somewhere within the range Within. Places count from
// the start of the file; negative ones from its end, so that -512 is the last
// 512 bytes. A signature looks at the first or the last 64 KiB, not both.
//
//	{"at": 0, "bytes": "514649fb"}
//	{"at": -512, "bytes": "434f4e4543544958", "mask": "dfdfdfdfdfdfdfdf"}
//	{"contains": "63726561746554797065", "within": [0, 4096], "nocase": true}
//	{"contains": "6b6f6c79", "within": [-1024, 0]}
type Signature struct {
	// At is where Bytes must be. Bits that are zero in Mask, when there is
	// one, are not compared; it must be as long as Bytes.
	At    *int64 `json:"at,omitempty"`
	Bytes Hex    `json:"bytes,omitempty"`
	Mask  Hex    `json:"mask,omitempty"`
	// Contains must lie entirely within the bytes from Within[0] up to, not
	// including, Within[1]. When the first is negative both count from the
	// end, where a second of 0 is the end itself. NoCase makes ASCII letters
	// equal to their other case.
	Contains Hex       `json:"contains,omitempty"`
	Within   *[2]int64 `json:"within,omitempty"`
	NoCase   bool      `json:"nocase,omitempty"`
}

// Hex is bytes, written as hexadecimal digits in JSON.
type Hex []byte

// MarshalText implements encoding.TextMarshaler.
func (h Hex) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hex) UnmarshalText(text []byte) error {
	if len(text) > 2*maxPattern {
		return fmt.Errorf("%d hexadecimal digits, at most %d are allowed", len(text), 2*maxPattern)
	}
	b, err := hex.AppendDecode(nil, text)
	*h = b
	return err
}

// check says what is wrong with a signature that was decoded.
func (s *Signature) check() error {
	switch {
	case (s.At == nil) == (s.Within == nil):
		return errors.New("must have either \"at\" or \"within\"")
	case s.At != nil:
		if len(s.Bytes) == 0 || s.Contains != nil || s.NoCase {
			return errors.New("\"at\" goes with \"bytes\" and \"mask\"")
		}
		if s.Mask != nil && len(s.Mask) != len(s.Bytes) {
			return fmt.Errorf("mask of %d bytes for %d", len(s.Mask), len(s.Bytes))
		}
		for i := range s.Mask {
			if s.Bytes[i]&^s.Mask[i] != 0 {
				return fmt.Errorf("byte %d has bits that its mask leaves out: it can never match", i)
			}
		}
		return checkRange(*s.At, *s.At+int64(len(s.Bytes)))
	default:
		if len(s.Contains) == 0 || s.Bytes != nil || s.Mask != nil {
			return errors.New("\"within\" goes with \"contains\" and \"nocase\"")
		}
		if err := checkRange(s.Within[0], s.Within[1]); err != nil {
			return err
		}
		if s.Within[1]-s.Within[0] < int64(len(s.Contains)) {
			return errors.New("range is shorter than what it is to contain")
		}
		return nil
	}
}

// checkRange refuses a range that is not within the first or last 64 KiB.
func checkRange(from, to int64) error {
	if from >= -maxReach && from < 0 && to <= 0 || from >= 0 && from < to && to <= maxReach {
		return nil
	}
	return fmt.Errorf("range %d to %d is not within the first or the last %d bytes", from, to, maxReach)
}

// reach returns how much of the head and tail of a file s looks at.
func (s *Signature) reach() (head, tail int) {
	from, to := s.place()
	if from < 0 {
		return 0, int(-from)
	}
	return int(to), 0
}

// place returns the range that s looks at, as checkRange takes it.
func (s *Signature) place() (from, to int64) {
	if s.At != nil {
		return *s.At, *s.At + int64(len(s.Bytes))
	}
	return s.Within[0], s.Within[1]
}

func (s *Signature) matches(head, tail []byte) bool {
	from, to := s.place()
	b := head
	if from < 0 {
		b = tail
		from, to = from+int64(len(tail)), to+int64(len(tail))
	}
	if s.At == nil {
		from, to = max(from, 0), min(to, int64(len(b)))
		return from < to && contains(b[from:to], s.Contains, s.NoCase)
	}
	if from < 0 || to > int64(len(b)) {
		return false
	}
	b = b[from:to]
	if s.Mask == nil {
		return bytes.Equal(b, s.Bytes)
	}
	for i := range b {
		if b[i]&s.Mask[i] != s.Bytes[i] {
			return false
		}
	}
	return true
}

func contains(b, pattern []byte, nocase bool) bool {
	if !nocase {
		return bytes.Contains(b, pattern)
	}
	for i := range len(b) - len(pattern) + 1 {
		j := 0
		for j < len(pattern) && lower(b[i+j]) == lower(pattern[j]) {
			j++
		}
		if j == len(pattern) {
			return true
		}
	}
	return false
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
