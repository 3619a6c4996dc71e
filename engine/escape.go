package engine

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxEscaped bounds what a hostile string takes in a report, in bytes of
// input; what is cut is announced.
const maxEscaped = 4096

// Escape makes bytes from an image fit to print: valid UTF-8 stays, and what
// could move a cursor, hide text or end a line (control and format characters,
// invalid bytes, the replacement character, the backslash itself) becomes
// \n, \t, \xNN or \u{N}. The result is one line of printable characters.
func Escape(b []byte) string {
	cut := len(b) > maxEscaped
	if cut {
		b = b[:maxEscaped]
	}
	if isPlain(b) && !cut {
		return string(b)
	}
	var s strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && n <= 1:
			escapeByte(&s, b[0])
		case r == '\\':
			s.WriteString(`\\`)
		case r == '\n':
			s.WriteString(`\n`)
		case r == '\t':
			s.WriteString(`\t`)
		case r < 0x80 && !unicode.IsPrint(r):
			escapeByte(&s, b[0])
		case !unicode.IsPrint(r):
			escapeRune(&s, r)
		default:
			s.Write(b[:n])
		}
		b = b[n:]
	}
	if cut {
		s.WriteString(`\…`)
	}
	return s.String()
}

// isPlain reports whether b needs no escaping: printable ASCII without a
// backslash, the common case.
func isPlain(b []byte) bool {
	for _, c := range b {
		if c < 0x20 || c > 0x7e || c == '\\' {
			return false
		}
	}
	return true
}

const hexDigits = "0123456789abcdef"

func escapeByte(s *strings.Builder, c byte) {
	s.WriteString(`\x`)
	s.WriteByte(hexDigits[c>>4])
	s.WriteByte(hexDigits[c&15])
}

func escapeRune(s *strings.Builder, r rune) {
	s.WriteString(`\u{`)
	for shift := 20; shift >= 0; shift -= 4 {
		if r>>shift != 0 || shift == 0 {
			s.WriteByte(hexDigits[r>>shift&15])
		}
	}
	s.WriteByte('}')
}
