package sandbox

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/assay-dev/assay/hostfuncs"
	wb "github.com/assay-dev/assay/internal/wasmbuild"
)

func wantBudgetError(t *testing.T, err error, resource hostfuncs.Resource) {
	t.Helper()
	wantProbeError(t, err, ProbeBudget)
	if b, ok := errors.AsType[*hostfuncs.BudgetError](err); !ok || b.Resource != resource {
		t.Errorf("error %v, want the budget of %s", err, resource)
	}
}

func wantProbeError(t *testing.T, err error, kind ProbeErrorKind) {
	t.Helper()
	if p, ok := errors.AsType[*ProbeError](err); !ok || p.Kind != kind || p.Module != "test" {
		t.Errorf("error %v, want a *ProbeError of kind %s", err, kind)
	}
}

// record encodes a record of a number or flag.
func record(key uint16, offset, value uint64) []byte {
	b := binary.LittleEndian.AppendUint16(nil, key)
	b = binary.LittleEndian.AppendUint16(b, 24)
	b = binary.LittleEndian.AppendUint64(b, offset)
	b = binary.LittleEndian.AppendUint64(b, 8)
	return binary.LittleEndian.AppendUint64(b, value)
}

// reporter is a probe that reports the given bytes and says match.
func reporter(records []byte) *wb.Module {
	m := wb.Probe(wb.I32Const, 0, wb.I32Const, wb.S(int64(len(records))), wb.Call, wb.FuncReport, wb.I32Const, 1)
	m.Add(wb.Datas, data(0, string(records)))
	return m
}

func TestRunReports(t *testing.T) {
	for _, mode := range engines {
		m := newModule(t, mode, reporter(slices.Concat(record(1, 24, 1<<40), record(0x101, 20, 65536))))
		var out Result
		for range 3 { // the Result is used again
			if err := m.Run(t.Context(), header([]byte("head")), &out); err != nil {
				t.Fatal(err)
			}
			if out.Outcome != hostfuncs.Match {
				t.Errorf("%s: outcome %d", mode, out.Outcome)
			}
			var got []string
			for _, r := range out.Records {
				got = append(got, fmt.Sprintf("%s %d at %d", r.Entry.Name, r.Values[0], r.Offset))
			}
			if want := []string{"virtual_size 1099511627776 at 24", "qcow2.cluster_size 65536 at 20"}; !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", mode, got, want)
			}
			if out.Spent.ReadBytes != 4 || out.Spent.ReportBytes != 56 || out.Spent.Reads != 0 {
				t.Errorf("%s: spent %+v", mode, out.Spent)
			}
		}
	}
}

// What the guest is given: the head in its window, no more of it than the
// window, the length, the size and the depth.
func TestRunGivesTheGuestItsArguments(t *testing.T) {
	const i32WrapI64 = 0xa7
	result := func(code ...any) *wb.Module { // 0, 1 or 2 by comparing with what is left on the stack
		return wb.Probe(wb.Code(code...), wb.I32Const, 1, 0x71) // and 1
	}
	equals := func(v int64, code ...any) *wb.Module {
		return result(wb.Code(code...), wb.I32Const, wb.S(v), 0x46)
	}
	content := bytes.Repeat([]byte{1, 2, 3, 4}, 3000)
	for _, c := range []struct {
		name string
		mod  *wb.Module
		head []byte
		deep hostfuncs.Depth
	}{
		{"window length", equals(4096, wb.LocalGet, 0), content, 0},
		{"window length of a short file", equals(5, wb.LocalGet, 0), content[:5], 0},
		{"last byte of the window", equals(4, wb.I32Const, wb.S(wb.Window+4095), wb.I32Load8U, 0, 0), content, 0},
		{"first byte behind the window", equals(0, wb.I32Const, wb.S(wb.Window+4096), wb.I32Load8U, 0, 0), content, 0},
		{"size", equals(int64(len(content)), wb.LocalGet, 1, i32WrapI64), content, 0},
		{"header depth", equals(0, wb.LocalGet, 2), content, 0},
		{"deep depth", equals(1, wb.LocalGet, 2), content, hostfuncs.DepthDeep},
	} {
		for _, mode := range engines {
			var out Result
			in := header(content)
			in.Head, in.Depth = c.head, c.deep
			if err := newModule(t, mode, c.mod).Run(t.Context(), in, &out); err != nil {
				t.Errorf("%s, %s: %v", c.name, mode, err)
			}
			if out.Outcome != hostfuncs.Match {
				t.Errorf("%s, %s: the guest sees something else", c.name, mode)
			}
		}
	}
}

// readAll is a probe that reads n times the given length at the given offset
// and returns what the last read returned.
func readAll(n, offset, ptr, length int64) *wb.Module {
	return wb.Probe(
		wb.I32Const, 0, wb.LocalSet, 0,
		wb.Loop, wb.None,
		wb.I64Const, wb.S(offset), wb.I32Const, wb.S(ptr), wb.I32Const, wb.S(length), wb.Call, wb.FuncReadAt, wb.LocalSet, 2,
		wb.LocalGet, 0, wb.I32Const, 1, wb.I32Add, wb.LocalTee, 0, wb.I32Const, wb.S(n), wb.I32LtU, wb.BrIf, 0,
		wb.End, wb.LocalGet, 2)
}

// A probe that fails is at fault, and what it spent until then is known.
func TestRunProbeErrors(t *testing.T) {
	for _, c := range []struct {
		name     string
		mod      *wb.Module
		kind     ProbeErrorKind
		resource hostfuncs.Resource
		detail   string
	}{
		{"endless loop", wb.Probe(wb.Loop, wb.None, wb.Br, 0, wb.End, ret), ProbeBudget, hostfuncs.ResourceFuel, ""},
		{"endless loop of calls", func() *wb.Module {
			m := wb.Frame()
			leaf := m.Func(wb.TypeNone)
			m.ExportProbe(m.Func(wb.TypeProbe, wb.Loop, wb.None, wb.Call, leaf, wb.Br, 0, wb.End, ret))
			return m
		}(), ProbeBudget, hostfuncs.ResourceFuel, ""},
		{"endless loop of empty reports", wb.Probe(
			wb.Loop, wb.None, wb.I32Const, 0, wb.I32Const, 0, wb.Call, wb.FuncReport, wb.Br, 0, wb.End, ret),
			ProbeBudget, hostfuncs.ResourceFuel, ""},
		{"too many reads", readAll(257, 0, 0, 1), ProbeBudget, hostfuncs.ResourceReads, ""},
		{"too many bytes read", readAll(64, 0, 0, 32<<10), ProbeBudget, hostfuncs.ResourceBytes, ""},
		{"too many bytes reported", wb.Probe(repeat(3, wb.I32Const, 0, wb.I32Const, wb.S(32<<10), wb.Call, wb.FuncReport), ret),
			ProbeBudget, hostfuncs.ResourceReport, ""},
		{"unreachable", wb.Probe(wb.Unreachable), ProbeTrap, "", "unreachable"},
		{"out-of-bounds load", wb.Probe(wb.I32Const, wb.S(-1), wb.I32Load, 0, wb.U(1<<32-1)), ProbeTrap, "", "out of bounds memory access"},
		{"out-of-bounds store", wb.Probe(wb.I32Const, wb.S(65533), wb.I32Const, 0, wb.I32Store, 0, 0, ret), ProbeTrap, "", "out of bounds memory access"},
		{"division by zero", wb.Probe(wb.I32Const, 1, wb.LocalGet, 2, wb.I32RemU), ProbeTrap, "", "integer divide by zero"},
		{"empty table entry", func() *wb.Module {
			m := wb.Probe(wb.I32Const, 0, wb.CallIndirect, wb.TypeNone, 0, ret)
			m.Add(wb.Tables, table(1))
			return m
		}(), ProbeTrap, "", "invalid table access"},
		{"table entry of another type", func() *wb.Module {
			m := wb.Frame()
			m.Add(wb.Tables, table(1))
			m.ExportProbe(m.Func(wb.TypeProbe, wb.I32Const, 0, wb.CallIndirect, wb.TypeNone, 0, ret))
			m.Add(wb.Elements, elements(0, wb.FuncReport))
			return m
		}(), ProbeTrap, "", "indirect call type mismatch"},
		{"read beyond the memory", readAll(1, 0, 65535, 2), ProbeTrap, "", "lie outside the memory"},
		{"report beyond the memory", wb.Probe(wb.I32Const, wb.S(-1), wb.I32Const, 2, wb.Call, wb.FuncReport, ret), ProbeTrap, "", "lie outside the memory"},
		{"wrong type on the stack", wb.Probe(wb.I64Const, 0), ProbeTrap, "", "module is not valid"},
		{"outcome 3", wb.Probe(wb.I32Const, 3), ProbeReport, "", "returned 3"},
		{"outcome -1", wb.Probe(wb.I32Const, wb.S(-1)), ProbeReport, "", "returned -1"},
		{"unknown key", reporter(record(0xffff, 0, 0)), ProbeReport, "", "not in the table"},
		{"key of another format", reporter(record(0x0300, 0, 0)), ProbeReport, "", ""},
		{"cut record", reporter(record(1, 0, 0)[:20]), ProbeReport, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var first *Result
			for _, mode := range engines {
				out := &Result{}
				err := newModule(t, mode, c.mod).Run(t.Context(), header(make([]byte, 1<<20)), out)
				if c.kind == ProbeBudget {
					wantBudgetError(t, err, c.resource)
				} else {
					wantProbeError(t, err, c.kind)
				}
				if text := fmt.Sprint(err); !strings.Contains(text, c.detail) || strings.Contains(text, "\n") {
					t.Errorf("%s: error %q, want one line with %q", mode, text, c.detail)
				}
				if len(out.Records) != 0 || out.Outcome != hostfuncs.NoMatch {
					t.Errorf("%s: a failed run has outcome %d and %d records", mode, out.Outcome, len(out.Records))
				}
				if b := hostfuncs.HeaderBudget(); out.Spent.Min(b) != out.Spent {
					t.Errorf("%s: spent %+v of %+v", mode, out.Spent, b)
				}
				if first == nil {
					first = out
				} else if out.Spent != first.Spent {
					t.Errorf("spent %+v in one engine, %+v in the other", first.Spent, out.Spent)
				}
			}
		})
	}
}

// The manifest's budget counts at header depth only.
func TestManifestBudget(t *testing.T) {
	mod := readAll(3, 0, 0, 1)
	mod.Custom[0].Payload = bytes.Replace(mod.Custom[0].Payload, []byte("{"), []byte(`{"budget":{"reads":2},`), 1)
	m := newModule(t, ModeInterpreter, mod)
	var out Result
	in := header(make([]byte, 10))
	wantBudgetError(t, m.Run(t.Context(), in, &out), hostfuncs.ResourceReads)
	if out.Spent.Reads != 2 {
		t.Errorf("%d reads spent of 2", out.Spent.Reads)
	}
	in.Depth = hostfuncs.DepthDeep
	if err := m.Run(t.Context(), in, &out); err != nil {
		t.Errorf("deep: %v", err)
	}
}

// failingImage fails every read.
type failingImage struct {
	size int64
	err  error
}

func (i failingImage) ReadAt([]byte, int64) (int, error) { return 0, i.err }
func (i failingImage) Size() int64                       { return i.size }

func TestRunSourceErrors(t *testing.T) {
	broken := errors.New("broken disk")
	for _, mode := range engines {
		m := newModule(t, mode, readAll(1, 100, 0, 8))
		var out Result
		in := header(nil)
		in.Image = failingImage{1 << 20, broken}
		err := m.Run(t.Context(), in, &out)
		if source, ok := errors.AsType[*hostfuncs.SourceError](err); !ok || source.Offset != 100 || !errors.Is(err, broken) {
			t.Errorf("%s: error %v, want a *SourceError", mode, err)
		}
		if _, isProbe := errors.AsType[*ProbeError](err); isProbe {
			t.Errorf("%s: the probe is blamed for the source: %v", mode, err)
		}
		if out.Spent.Reads != 1 {
			t.Errorf("%s: spent %+v", mode, out.Spent)
		}
		// Bytes that have not arrived are no error.
		in.Image = failingImage{hostfuncs.SizeUnknown, hostfuncs.ErrNotArrived}
		err = m.Run(t.Context(), in, &out)
		if outcome, ok := errors.AsType[*outcomeError](err); !ok || outcome.outcome != -1 {
			t.Errorf("%s: error %v, want the -1 that the probe was given and returns", mode, err)
		}
	}
}

// panickingImage panics in ReadAt: a bug of the caller.
type panickingImage struct{ image }

func (panickingImage) ReadAt([]byte, int64) (int, error) {
	var none []byte
	return int(none[len(none)]), nil
}

// The probe is not blamed for a panic of the image, and the run fails.
func TestRunImagePanics(t *testing.T) {
	for _, mode := range engines {
		in := header(nil)
		in.Image = panickingImage{newImage(make([]byte, 10))}
		var out Result
		err := newModule(t, mode, readAll(1, 0, 0, 1)).Run(t.Context(), in, &out)
		if _, isProbe := errors.AsType[*ProbeError](err); err == nil || isProbe {
			t.Errorf("%s: error %v", mode, err)
		}
	}
}

// cancelAtRead cancels a context at the first read.
type cancelAtRead struct {
	image
	cancel context.CancelFunc
}

func (i cancelAtRead) ReadAt(p []byte, off int64) (int, error) {
	i.cancel()
	return i.image.ReadAt(p, off)
}

func TestRunCancelled(t *testing.T) {
	endless := wb.Probe(wb.Loop, wb.None, wb.Br, 0, wb.End, ret)
	readsThenLoops := wb.Probe(wb.I64Const, 0, wb.I32Const, 0, wb.I32Const, 1, wb.Call, wb.FuncReadAt, wb.Drop,
		wb.Loop, wb.None, wb.Br, 0, wb.End, ret)
	for _, mode := range engines {
		for _, c := range []struct {
			name string
			mod  *wb.Module
			want int64 // reads
		}{
			{"before the run", endless, 0},
			{"in a loop", readsThenLoops, 1},
			{"between reads", readAll(100, 0, 0, 1), 1},
		} {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			in := header(nil)
			in.Image = cancelAtRead{newImage(make([]byte, 10)), cancel}
			in.Budget.Fuel = 1 << 60 // nothing else ends it
			if c.want == 0 {
				cancel()
			}
			var out Result
			err := newModule(t, mode, c.mod).Run(ctx, in, &out)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s, %s: error %v", c.name, mode, err)
			}
			if _, isProbe := errors.AsType[*ProbeError](err); isProbe {
				t.Errorf("%s, %s: the probe is blamed: %v", c.name, mode, err)
			}
			if out.Spent.Reads != c.want || out.Spent.Fuel > 2*fuelSlice {
				t.Errorf("%s, %s: spent %+v", c.name, mode, out.Spent)
			}
		}
	}
}

// hashing is a probe with state: it writes to all of its memory and to a
// global, and returns match only if both were as declared when it began.
func hashing(last ...any) *wb.Module {
	m := wb.Frame()
	state := m.Add(wb.Globals, wb.I32, 1, wb.I32Const, 7, wb.End)
	long := m.Add(wb.Globals, wb.I64, 1, wb.I64Const, wb.S(-1<<40), wb.End)
	m.Add(wb.Datas, data(7, "\x00\x07"))
	m.Add(wb.Datas, data(8, "\x2a"))
	m.ExportProbe(m.FuncLocals(wb.TypeProbe, wb.Vec(wb.Code(wb.U(2), wb.I32)),
		// local 3: the sum of all memory outside the window, then all is set.
		wb.Loop, wb.None,
		wb.LocalGet, 4, wb.I32Load8U, 0, 0, wb.LocalGet, 3, wb.I32Add, wb.LocalSet, 3,
		wb.LocalGet, 4, wb.I32Const, wb.S(-1), 0x3a, 0, 0, // i32.store8
		wb.LocalGet, 4, wb.I32Const, 1, wb.I32Add, wb.LocalTee, 4, wb.I32Const, wb.S(65536), wb.I32LtU, wb.BrIf, 0,
		wb.End,
		wb.LocalGet, 3, wb.I32Const, wb.S(42), 0x46, // i32.eq
		wb.GlobalGet, state, wb.I32Const, 7, 0x46, 0x71,
		wb.I32Const, 9, wb.GlobalSet, state,
		wb.GlobalGet, long, wb.I64Const, wb.S(-1<<40), 0x51, 0x71, // i64.eq
		wb.I64Const, 9, wb.GlobalSet, long,
		wb.Code(last...)))
	return m
}

// Nothing of a run is there in the next: not in memory, not in globals, also
// when runs fail in between and share the pool.
func TestRunsAreIsolated(t *testing.T) {
	for _, mode := range engines {
		s := newSandbox(t, Config{Mode: mode})
		load := func(m *wb.Module) *Module {
			module, err := s.Load(m.Bytes(), Shipped)
			if err != nil {
				t.Fatal(err)
			}
			return module
		}
		clean, dirty := load(hashing()), load(wb.Probe(
			wb.I64Const, 0, wb.I32Const, 0, wb.I32Const, wb.S(65536), wb.Call, wb.FuncReadAt, wb.Unreachable))
		// Traps when there is a head, after it has changed all it can.
		both := load(hashing(wb.LocalGet, 0, wb.If, wb.None, wb.Unreachable, wb.End))
		var out Result
		in := header(bytes.Repeat([]byte{0xff}, 65536))
		for i := range 4 {
			wantProbeError(t, dirty.Run(t.Context(), in, &out), ProbeTrap)
			if err := clean.Run(t.Context(), header(nil), &out); err != nil || out.Outcome != hostfuncs.Match {
				t.Fatalf("%s, run %d: outcome %d, error %v: something was left behind", mode, i, out.Outcome, err)
			}
			for range 2 {
				if err := both.Run(t.Context(), header(nil), &out); err != nil || out.Outcome != hostfuncs.Match {
					t.Fatalf("%s, run %d of one module: outcome %d, error %v: something was left behind", mode, i, out.Outcome, err)
				}
			}
			wantProbeError(t, both.Run(t.Context(), in, &out), ProbeTrap)
		}
	}
}

// The same input gives the same result in both engines, alone and in parallel.
func TestRunsAreDeterministic(t *testing.T) {
	mods := []*wb.Module{
		hashing(),
		reporter(record(1, 24, 1<<40)),
		readAll(100, -512, 0, 512),
		wb.Probe(countTo(100_000), ret),
		wb.Probe(wb.Loop, wb.None, wb.Br, 0, wb.End, ret),
	}
	type result struct {
		Outcome hostfuncs.Outcome
		Records []hostfuncs.Record
		Spent   hostfuncs.Spent
		Error   string
	}
	content := bytes.Repeat([]byte("0123456789abcdef"), 256)
	run := func(m *Module) result {
		var out Result
		in := header(content)
		in.Budget.Fuel = 1_200_000 // more than all but the endless loop need
		err := m.Run(t.Context(), in, &out)
		return result{out.Outcome, out.Records, out.Spent, fmt.Sprint(err)}
	}
	for i, mod := range mods {
		want := run(newModule(t, ModeInterpreter, mod))
		for _, mode := range append(engines, ModeAuto) {
			m := newModule(t, mode, mod)
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for range 5 {
						if got := run(m); !reflect.DeepEqual(got, want) {
							t.Errorf("module %d, %s: %+v, want %+v", i, mode, got, want)
						}
					}
				})
			}
			wg.Wait()
		}
	}
}

// In automatic mode a module moves to the compiler at a run that follows from
// what the runs before have spent; third-party modules never do unless the
// configuration says so.
func TestAutoCompilesWhenItPays(t *testing.T) {
	used := func(m *Module) Mode {
		if c, err := m.code(hostfuncs.DepthHeader, hostfuncs.HeaderBudget()); err != nil {
			t.Fatal(err)
		} else if c.runtime == m.sandbox.interpreter {
			return ModeInterpreter
		}
		return ModeCompiler
	}
	s := newSandbox(t, Config{Mode: ModeAuto})
	if e := s.Engines(); e[0].Err != nil {
		t.Skipf("no compiler here: %v", e[0].Err)
	}
	load := func(s *Sandbox, trust Trust) *Module {
		m, err := s.Load(wb.Probe(countTo(2000), ret).Bytes(), trust)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	runs := func(m *Module) (n int) {
		var out Result
		for ; n < 100 && used(m) == ModeInterpreter; n++ {
			if err := m.Run(t.Context(), header(nil), &out); err != nil {
				t.Fatal(err)
			}
		}
		return n
	}
	first := runs(load(s, Shipped))
	if first == 0 || first == 100 {
		t.Errorf("compiled after %d runs", first)
	}
	if again := runs(load(s, Shipped)); again != first {
		t.Errorf("compiled after %d runs, then after %d", first, again)
	}
	if n := runs(load(s, ThirdParty)); n != 100 {
		t.Errorf("a third-party module was compiled after %d runs", n)
	}
	allowed, err := New(t.Context(), Config{Mode: ModeCompiler, CompileThirdParty: true})
	if err != nil {
		t.Fatal(err)
	}
	defer allowed.Close(t.Context())
	if n := runs(load(allowed, ThirdParty)); n != 0 {
		t.Errorf("a third-party module that may be compiled ran interpreted %d times", n)
	}
	// A deep run with a large budget does not wait.
	deep := load(s, Shipped)
	if c, err := deep.code(hostfuncs.DepthDeep, hostfuncs.DeepBudget(64<<20, 64<<20)); err != nil || c.runtime == s.interpreter {
		t.Errorf("a deep run of a large image is interpreted (error %v)", err)
	}
}

// The caller's context values do not reach wazero, which takes orders from
// them.
func TestContextValuesStayOutside(t *testing.T) {
	type key struct{}
	r := newRun(1)
	r.Context = context.WithValue(t.Context(), key{}, "value")
	if v := r.guest.Value(key{}); v != nil {
		t.Errorf("the guest's context gives the caller's value %v", v)
	}
	if runOf(r.guest) != r {
		t.Error("the guest's context does not give the run")
	}
}
