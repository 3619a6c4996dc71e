package sandbox

import (
	"bytes"
	"testing"

	"github.com/assay-dev/assay/hostfuncs"
	wb "github.com/assay-dev/assay/internal/wasmbuild"
)

// RunOver starts on the bytes it is given, under the module's data, and gives
// back what the run left; a run after it starts on zeros.
func TestRunOver(t *testing.T) {
	// The outcome is the byte at 100; then it is 2. At 200 lies data.
	mod := wb.Probe(wb.I32Const, wb.S(100), wb.I32Load8U, 0, 0, wb.I32Const, wb.S(100), wb.I32Const, 2, 0x3a, 0, 0)
	mod.Add(wb.Datas, data(200, "data"))
	for _, mode := range engines {
		m := newModule(t, mode, mod)
		memory := bytes.Repeat([]byte{1}, m.MemorySize())
		var out Result
		for _, want := range []hostfuncs.Outcome{1, 2, 2} {
			if err := m.RunOver(t.Context(), memory, header(nil), &out); err != nil || out.Outcome != want {
				t.Errorf("%s: outcome %d, error %v; want %d", mode, out.Outcome, err, want)
			}
		}
		if string(memory[199:205]) != "\x01data\x01" || memory[100] != 2 {
			t.Errorf("%s: the run left % x, % x", mode, memory[199:205], memory[100])
		}
		if err := m.Run(t.Context(), header(nil), &out); err != nil || out.Outcome != 0 {
			t.Errorf("%s: a fresh run: outcome %d, error %v", mode, out.Outcome, err)
		}
		if err := m.RunOver(t.Context(), memory[1:], header(nil), &out); err == nil {
			t.Errorf("%s: a memory of another size is accepted", mode)
		}
	}
}
