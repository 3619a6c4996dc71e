package engine

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"":                        "",
		"/etc/passwd":             "/etc/passwd",
		"C:\\disk":                `C:\\disk`,
		"a\nb\tc\r":               `a\nb\tc\x0d`,
		"\x1b[2J":                 `\x1b[2J`,
		"\x00":                    `\x00`,
		"\xff\xfe":                `\xff\xfe`,
		"päth":                    "päth",
		"\u202egnp.exe":           `\u{202e}gnp.exe`,
		"\u2028":                  `\u{2028}`,
		"\u00a0":                  `\u{a0}`,
		"\U000e0001":              `\u{e0001}`,
		"\ufffd":                  "\ufffd",
		strings.Repeat("a", 5000): strings.Repeat("a", maxEscaped) + `\…`,
	} {
		if got := Escape([]byte(in)); got != want {
			t.Errorf("Escape(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzEscape(f *testing.F) {
	f.Add([]byte("plain"))
	f.Add([]byte("\x1b\xff\u202e\\"))
	f.Fuzz(func(t *testing.T, in []byte) {
		out := Escape(in)
		if !utf8.ValidString(out) {
			t.Fatalf("%q is not UTF-8", out)
		}
		for _, r := range out {
			if !unicode.IsPrint(r) {
				t.Fatalf("%q holds %U", out, r)
			}
		}
		if isPlain(in) && len(in) <= maxEscaped && out != string(in) {
			t.Fatalf("plain %q became %q", in, out)
		}
	})
}
