package probetest

import (
	"bytes"
	"testing"
)

func TestScripts(t *testing.T) {
	base := []byte("0123456789abcdef\x00\x00\x00\x04")
	bases := [][]byte{base, []byte("other")}
	for _, c := range []struct {
		name   string
		script []byte
		want   string
	}{
		{"nothing", nil, "0123456789abcdef\x00\x00\x00\x04"},
		{"another base", []byte{1}, "other"},
		{"bases wrap", []byte{3}, "other"},
		{"byte", []byte{1, editByte, 0, 1, 'x'}, "oxher"},
		{"byte from the end", []byte{1, editByte, 0xff, 0xff, 'x'}, "othex"},
		{"byte behind the end grows", []byte{1, editByte, 0, 9, 'x'}, "otherx"},
		{"bit", []byte{1, editBit, 0, 0, 5}, "Other"},
		{"smallest number of a field", []byte{1, editField, 0, 1, 1, 133}, "o\x00\x00er"}, // the first number: 133 % 19 is 0
		{"one bit of a field, little-endian", []byte{1, editField, 0, 0, 5, 3}, "\x08\x00her"},
		{"literal", []byte{1, editLiteral, 0, 2, 2, 'X', 'Y'}, "otXYr"},
		{"literal that is cut", []byte{1, editLiteral, 0, 2, 9, 'X'}, "otXer"},
		{"cut", []byte{1, editCut, 0, 2}, "ot"},
		{"cut from the end", []byte{1, editCut, 0xff, 0xfe}, "oth"},
		{"copy", []byte{0, editCopy, 0, 10, 0, 0, 1}, "01234567890123456789"},
		{"graft", []byte{0, editGraft, 1, 1}, "other56789abcdef\x00\x00\x00\x04"},
		{"what a pointer leads to", []byte{0, editBehind, 0, 16, 2, 1, 0, 0}, "01234\x016789abcdef\x00\x00\x00\x04"},
	} {
		got := string(applyScript(bases, c.script))
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if !bytes.Equal(base, []byte("0123456789abcdef\x00\x00\x00\x04")) {
		t.Error("a script changed its base")
	}
}

// Any bytes are a script, and none makes an image without bounds.
func TestScriptsAreBounded(t *testing.T) {
	grow := append([]byte{0}, bytes.Repeat([]byte{editGrow, 0xff}, 1000)...)
	if n := len(applyScript([][]byte{make([]byte, 1<<20)}, grow)); n > maxImage || n < 1<<20+maxEdits*255*256/2 {
		t.Errorf("%d bytes", n)
	}
	for seed := range 200 {
		script := make([]byte, 50)
		for i := range script {
			script[i] = byte(seed*31 + i*i*(seed|1))
		}
		applyScript([][]byte{nil, []byte("x")}, script)
	}
}
