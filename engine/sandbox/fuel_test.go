package sandbox

import (
	"testing"

	"github.com/assay-dev/assay/hostfuncs"
	wb "github.com/assay-dev/assay/internal/wasmbuild"
)

// countTo is a loop of 10 instructions that runs n times; it weighs 10 for
// each, the end of the loop included, and the two instructions around it
// belong to the function. Local 0 must be free.
func countTo(n int64) []byte {
	return wb.Code(
		wb.I32Const, 0, wb.LocalSet, 0,
		wb.Loop, wb.None,
		wb.LocalGet, 0, wb.I32Const, 1, wb.I32Add, wb.LocalTee, 0,
		wb.I32Const, wb.S(n), wb.I32LtU, wb.BrIf, 0,
		wb.Nop, wb.Nop, // not run by a branch back, and charged all the same
		wb.End)
}

// What a run is charged follows from the program: the sums here are by hand.
func TestFuelIsExact(t *testing.T) {
	for _, c := range []struct {
		name string
		mod  *wb.Module
		want int64
	}{
		{"straight line", wb.Probe(ret), 2},
		{"loop", wb.Probe(countTo(1000), ret), 3 + 10*1000 + 2},
		{"loop that is not entered", wb.Probe(wb.I32Const, 0, wb.If, wb.None, countTo(1000), wb.End, ret), 2 + 3 + 1 + 2},
		{"loop that is left at once", wb.Probe(wb.Loop, wb.None, wb.End, ret), 1 + 1 + 2},
		{"nested loops", wb.Probe(
			wb.Loop, wb.None, countTo(10), // local 0
			wb.LocalGet, 2, wb.I32Const, 1, wb.I32Add, wb.LocalTee, 2, wb.I32Const, 5, wb.I32LtU, wb.BrIf, 0,
			wb.End, ret), 1 + 5*(3+7+1+10*10) + 2},
		{"division", wb.Probe(wb.I32Const, 7, wb.I32Const, 3, wb.I32RemU, wb.Drop, ret), 2 + 8 + 1 + 2},
		{"call", func() *wb.Module {
			m := wb.Frame()
			leaf := m.Func(wb.TypeNone, wb.Nop, wb.Nop)
			m.ExportProbe(m.Func(wb.TypeProbe, wb.Call, leaf, wb.Call, leaf, ret))
			return m
		}(), 2*8 + 2 + 2*3},
		{"call through the table", func() *wb.Module {
			m := wb.Frame()
			m.Add(wb.Tables, table(1))
			leaf := m.Func(wb.TypeNone, wb.Nop)
			m.Add(wb.Elements, elements(0, leaf))
			m.ExportProbe(m.Func(wb.TypeProbe, wb.I32Const, 0, wb.CallIndirect, wb.TypeNone, 0, ret))
			return m
		}(), 1 + 8 + 2 + 2},
		{"host calls", wb.Probe(wb.I32Const, 0, wb.I32Const, 0, wb.Call, wb.FuncReport, ret), 2 + 64 + 2},
		{"many slices", wb.Probe(countTo(300_000), ret), 3 + 10*300_000 + 2},
	} {
		for _, mode := range engines {
			var out Result
			if err := newModule(t, mode, c.mod).Run(t.Context(), header(nil), &out); err != nil {
				t.Errorf("%s, %s: %v", c.name, mode, err)
			}
			if out.Spent.Fuel != c.want {
				t.Errorf("%s, %s: %d fuel spent, want %d", c.name, mode, out.Spent.Fuel, c.want)
			}
		}
	}
}

// A run ends at the first charge that its budget does not cover, wherever the
// slices end, and one unit more would have let it pass.
func TestFuelEndsExactly(t *testing.T) {
	for _, n := range []int64{1, 24_999, 25_000, 25_001, 60_000} {
		total := 3 + 10*n + 2
		for _, mode := range engines {
			m := newModule(t, mode, wb.Probe(countTo(n), ret))
			in := header(nil)
			var out Result
			in.Budget.Fuel = total
			if err := m.Run(t.Context(), in, &out); err != nil {
				t.Errorf("%s: a budget of what it takes, %d: %v", mode, total, err)
			}
			in.Budget.Fuel = total - 1
			err := m.Run(t.Context(), in, &out)
			wantBudgetError(t, err, hostfuncs.ResourceFuel)
			if out.Spent.Fuel != total-1 {
				t.Errorf("%s: %d spent of a budget of %d that did not do", mode, out.Spent.Fuel, total-1)
			}
		}
	}
}

// Every instruction that a body can hold weighs less than what the padded
// weight can hold.
func TestWeightFits(t *testing.T) {
	const most = 1 << (7*weightBytes - 1)
	if maxBody/2*weightHostCall >= most {
		t.Errorf("a body of calls weighs %d, the most that fits is %d", maxBody/2*weightHostCall, most-1)
	}
}
