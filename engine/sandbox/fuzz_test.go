package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/tetratelabs/wazero"

	wb "github.com/assay-dev/assay/internal/wasmbuild"
)

// FuzzLoad feeds the parser anything. It must not panic; what it refuses it
// refuses with a *ProfileError; and of what it accepts, wazero must find the
// metered module valid exactly when it finds the original valid: the rewriter
// neither breaks a module nor mends one.
func FuzzLoad(f *testing.F) {
	f.Add(wb.Probe(ret).Bytes())
	f.Add(wb.Probe(countTo(10), wb.I32Const, 1).Bytes())
	f.Add(with(func(m *wb.Module) {
		m.Add(wb.Tables, table(2))
		leaf := m.Func(wb.TypeNone, wb.Block, wb.None, wb.I32Const, 1, wb.BrTable, 1, 0, 1, wb.End)
		m.Func(wb.TypeReport, wb.I32Const, 0, wb.CallIndirect, wb.TypeNone, 0)
		m.Add(wb.Elements, elements(0, leaf))
		m.Add(wb.Datas, data(8, "abc"))
	}).Bytes())
	if files, err := filepath.Glob("../../probes/wasm/*.wasm"); err == nil {
		for _, file := range files {
			if wasm, err := os.ReadFile(file); err == nil {
				f.Add(wasm)
			}
		}
	}
	s := newSandbox(f, Config{Mode: ModeInterpreter})
	f.Fuzz(func(t *testing.T, wasm []byte) {
		m, err := load(wasm)
		if err != nil {
			if _, ok := errors.AsType[*ProfileError](err); !ok {
				t.Fatalf("refused with %T: %v", err, err)
			}
			return
		}
		metered, err := m.parsed.meter(wasm)
		if err != nil {
			t.Fatalf("accepted and not metered: %v", err)
		}
		valid := func(wasm []byte) error {
			var c wazero.CompiledModule
			c, err := s.interpreter.CompileModule(t.Context(), wasm)
			if err == nil {
				c.Close(t.Context())
			}
			return err
		}
		plain, after := valid(m.parsed.plain(wasm)), valid(metered)
		if (plain == nil) != (after == nil) {
			t.Fatalf("plain: %v; metered: %v", plain, after)
		}
	})
}
