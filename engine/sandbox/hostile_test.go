package sandbox

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/assay-dev/assay/hostfuncs"
	wb "github.com/assay-dev/assay/internal/wasmbuild"
)

// Modules that pass the profile and then do what harm they can. That they end
// within their budget and fail alike in both engines is in
// TestRunProbeErrors; here it is that the host does not feel it.
func hostileModules() map[string]*wb.Module {
	m := hostile()
	m["calls"] = func() *wb.Module {
		m := wb.Frame()
		leaf := m.Func(wb.TypeNone)
		m.ExportProbe(m.Func(wb.TypeProbe, wb.Loop, wb.None, wb.Call, leaf, wb.Br, 0, wb.End, ret))
		return m
	}()
	m["deepest calls"] = deepest()
	m["largest table"] = func() *wb.Module {
		m := wb.Probe(wb.Unreachable)
		m.Add(wb.Tables, table(maxTable))
		return m
	}()
	m["most globals"] = func() *wb.Module {
		m := wb.Probe(wb.Unreachable)
		for range maxGlobals - 1 {
			m.Add(wb.Globals, wb.I64, 1, wb.I64Const, 0, wb.End)
		}
		return m
	}()
	m["all of 16 pages"] = func() *wb.Module {
		m := wb.Probe(wb.Loop, wb.None,
			wb.LocalGet, 0, wb.LocalGet, 0, 0x3a, 0, 0, // i32.store8
			wb.LocalGet, 0, wb.I32Const, 17, wb.I32Add, wb.LocalSet, 0, wb.Br, 0, wb.End, ret)
		m.Sections[wb.Memories] = [][]byte{wb.Code(1, 16, 16)}
		return m
	}()
	m["reports"] = wb.Probe(wb.Loop, wb.None,
		wb.I32Const, 0, wb.I32Const, wb.S(1024), wb.Call, wb.FuncReport, wb.Br, 0, wb.End, ret)
	return m
}

// deepest is the longest chain of calls that the profile allows, in frames of
// many locals: what there is instead of recursion.
func deepest() *wb.Module {
	m := wb.Frame()
	const functions = maxFunctions - 1
	first := len(m.Sections[wb.Imports])
	for i := range functions {
		callee := wb.Code(wb.Call, wb.U(uint64(first+i+1)))
		if i == functions-1 {
			callee = wb.Code(wb.Unreachable)
		}
		// Values that live across the call take room in the frame.
		m.FuncLocals(wb.TypeNone, wb.Vec(wb.Code(wb.U(100), wb.I64)),
			repeat(8, wb.I32Const, 0, wb.I32Load, 0, 0), callee, repeat(8, wb.Drop))
	}
	m.ExportProbe(m.Func(wb.TypeProbe, wb.Call, wb.U(uint64(first)), ret))
	return m
}

// Hostile runs leave nothing behind: no goroutine, no memory; and while they
// run they make no more garbage than their budget pays for.
func TestHostileRunsAreFlat(t *testing.T) {
	const (
		runs    = 8
		perRun  = 16 << 20 // bytes allocated, most of it the interpreter's frames
		leftAll = 2 << 20  // bytes still in use at the end
	)
	for name, mod := range hostileModules() {
		for _, mode := range engines {
			m := newModule(t, mode, mod)
			var out Result
			in := header(make([]byte, 8192))
			run := func() {
				if _, ok := errors.AsType[*ProbeError](m.Run(t.Context(), in, &out)); !ok {
					t.Fatalf("%s, %s: did not fail as a probe does", name, mode)
				}
			}
			run() // compiles
			var before, after runtime.MemStats
			runtime.GC()
			goroutines := runtime.NumGoroutine()
			runtime.ReadMemStats(&before)
			for range runs {
				run()
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			if got := (after.TotalAlloc - before.TotalAlloc) / runs; got > perRun {
				t.Errorf("%s, %s: %d bytes allocated a run", name, mode, got)
			}
			if got := int64(after.HeapAlloc) - int64(before.HeapAlloc); got > leftAll {
				t.Errorf("%s, %s: %d bytes left behind by %d runs", name, mode, got, runs)
			}
			if got := runtime.NumGoroutine(); got > goroutines {
				t.Errorf("%s, %s: %d goroutines left behind", name, mode, got-goroutines)
			}
		}
	}
}

// The longest chain of calls ends the same way in both engines: neither limit
// of their stacks is reached.
func TestDeepestCallsFit(t *testing.T) {
	for _, mode := range engines {
		var out Result
		err := newModule(t, mode, deepest()).Run(t.Context(), header(nil), &out)
		wantProbeError(t, err, ProbeTrap)
		if got := errors.Unwrap(err).Error(); got != "unreachable" {
			t.Errorf("%s: trapped by %q, want the last function's unreachable", mode, got)
		}
	}
}

// Every hostile run that is long enough ends when its context does.
func TestHostileRunsAreCancelled(t *testing.T) {
	for name, mod := range hostile() {
		for _, mode := range engines {
			m := newModule(t, mode, mod)
			in := header(nil)
			in.Image, in.Budget.Fuel = failingImage{size: 7}, 1<<60
			if _, err := m.code(in.Depth, in.Budget); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			done := make(chan error)
			go func() {
				var out Result
				done <- m.Run(ctx, in, &out)
			}()
			// The collector stops the world: it comes back only if the guest
			// lets it.
			runtime.GC()
			cancel(errors.New("enough"))
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("%s, %s: error %v", name, mode, err)
			}
		}
	}
}

// A rewritten module offers no more to the guest than the original: what the
// rewriter adds has no index that the original could use. These would be valid
// only because of what is added, and are refused; see also the rules on
// indices in TestProfileRefuses.
func TestAdditionsAreOutOfReach(t *testing.T) {
	m, err := load(wb.Probe(ret).Bytes())
	if err != nil {
		t.Fatal(err)
	}
	globals, functions, types := len(m.parsed.globals), m.parsed.functions(), len(m.parsed.types)
	for name, mod := range map[string]*wb.Module{
		"fuel global, read":    withBody(wb.TypeNone, wb.GlobalGet, globals, wb.Drop),
		"fuel global, written": withBody(wb.TypeNone, wb.I64Const, 0, wb.GlobalSet, globals),
		"last function":        wb.Probe(wb.Call, functions, ret),
		"refill's type":        wb.Probe(wb.I32Const, 0, wb.CallIndirect, types, 0, ret),
	} {
		if _, err := load(mod.Bytes()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	// The call of a function that follows the imports still is that call, and
	// not one of refill, which now has its index.
	called := wb.Frame()
	one := called.Func(called.Type("", "\x7f"), wb.I32Const, 1)
	called.ExportProbe(called.Func(wb.TypeProbe, wb.Call, one))
	for _, mode := range engines {
		var out Result
		if err := newModule(t, mode, called).Run(t.Context(), header(nil), &out); err != nil || out.Outcome != hostfuncs.Match {
			t.Errorf("%s: outcome %d, error %v", mode, out.Outcome, err)
		}
	}
}
