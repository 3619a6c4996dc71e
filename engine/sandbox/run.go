package sandbox

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/assay-dev/assay/hostfuncs"
)

// Input is what a run looks at, and how far.
type Input struct {
	Image hostfuncs.Image
	// Head is the first bytes of the image: its size or the manifest's Window,
	// whichever is less, or more.
	Head  []byte
	Depth hostfuncs.Depth
	// Budget is what the run may spend. At header depth the manifest's budget
	// lowers it; a deep run gets it as it is.
	Budget hostfuncs.Budget
}

// Result is what a run found. The zero value is ready; a Result can be used
// again by a later run, which overwrites it, and must not be used by two at a
// time.
type Result struct {
	Outcome hostfuncs.Outcome
	// Records are the facts reported. Their texts are owned by the Result.
	Records []hostfuncs.Record
	// Spent is what the run spent, never more than its budget; it is filled in
	// also when the run failed.
	Spent hostfuncs.Spent

	call hostfuncs.Call
}

// Run runs the module over an image, in an instance that nothing else uses
// meanwhile and that holds nothing of earlier runs, and fills in out. The error
// is
//
//   - a *ProbeError when the probe is at fault: it trapped, ran over its
//     budget or reported nonsense;
//   - a *hostfuncs.SourceError when the image could not be read;
//   - the context's error, wrapped, when it ended: within one slice of fuel or
//     at the next read, whichever comes first, but not within a read of the
//     image or the compilation before the first run;
//   - ErrClosed after Close;
//   - something else when the engine failed.
//
// out has no records then.
func (m *Module) Run(ctx context.Context, in Input, out *Result) error {
	return m.run(ctx, nil, in, out)
}

// run is Run, and with a memory RunOver.
func (m *Module) run(ctx context.Context, memory []byte, in Input, out *Result) error {
	s := m.sandbox
	s.mu.RLock()
	defer s.mu.RUnlock()
	out.Outcome, out.Records, out.Spent = hostfuncs.NoMatch, out.Records[:0], hostfuncs.Spent{}
	if s.closed {
		return ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return m.failure(err)
	}
	budget := in.Budget
	if in.Depth == hostfuncs.DepthHeader {
		budget = budget.Min(m.manifest.Budget)
	}
	code, err := m.code(in.Depth, budget)
	if err != nil {
		return err
	}

	r := m.take(code, memory != nil)
	kept := false
	defer func() {
		if !kept {
			s.give(r)
		}
	}()
	if memory != nil {
		defer r.over(memory)()
	}
	r.Context, r.call, r.budget, r.slice = ctx, &out.call, budget.Fuel, fuelSlice
	if code.runtime == s.interpreter {
		r.slice = fuelSliceInterpreted
	}
	defer out.call.End()
	head := in.Head[:min(len(in.Head), m.manifest.Window)]
	if err = out.call.Reset(in.Image, budget, len(head)); err == nil {
		err = m.execute(r, code, head, in, out)
	}
	out.Spent = out.call.Spent()
	out.Spent.Fuel = min(r.spent(), budget.Fuel)
	if code.runtime == s.interpreter {
		m.interpretedFuel.Add(out.Spent.Fuel)
	}
	if err == nil {
		out.Records, err = hostfuncs.Decode(out.Records, out.call.Records(), m.manifest.Format)
	}
	if err != nil {
		out.Outcome = hostfuncs.NoMatch
		return m.failure(err)
	}
	if kept = m.keeps() && memory == nil; kept {
		m.keep(code, r)
	}
	return nil
}

// execute calls the instance of a run, which it makes where there is none.
func (m *Module) execute(r *run, code *code, head []byte, in Input, out *Result) error {
	if r.module == nil {
		if err := m.instantiate(r, code); err != nil {
			return err
		}
	}
	copy(r.memory[m.parsed.window:], head)
	r.stack = [3]uint64{uint64(len(head)), uint64(in.Image.Size()), uint64(in.Depth)}
	if err := r.probe.CallWithStack(r.guest, r.stack[:]); err != nil {
		if r.stopped != nil {
			return r.stopped
		}
		return trap(err)
	}
	if out.Outcome = hostfuncs.Outcome(r.stack[0]); out.Outcome < hostfuncs.NoMatch || out.Outcome > hostfuncs.MatchMalformed {
		return &outcomeError{out.Outcome}
	}
	return nil
}

// trapError is a WebAssembly trap.
type trapError struct{ error }

// outcomeError is a return value that the ABI does not have.
type outcomeError struct{ outcome hostfuncs.Outcome }

func (e *outcomeError) Error() string {
	return fmt.Sprintf("%s returned %d, must be 0, 1 or 2", hostfuncs.ExportProbe, e.outcome)
}

// trap takes a trap out of wazero's error, which adds a stack trace. What else
// a call can fail with is a panic of the image or of wazero: no fault of the
// probe.
func trap(err error) error {
	inner := errors.Unwrap(err)
	if _, isGo := inner.(runtime.Error); inner == nil || isGo {
		return fmt.Errorf("call: %w", err)
	}
	return trapError{inner}
}

// failure returns the error of Run for what ended a run.
func (m *Module) failure(err error) error {
	kind := ProbeErrorKind("")
	switch err.(type) {
	case trapError, *hostfuncs.AccessError:
		kind = ProbeTrap
	case *hostfuncs.BudgetError:
		kind = ProbeBudget
	case *hostfuncs.RecordError, *outcomeError:
		kind = ProbeReport
	default:
		return fmt.Errorf("probe %s: %w", m.manifest.Name, err)
	}
	return &ProbeError{m.manifest.Name, kind, err}
}

// spent returns the fuel spent so far. When the last charge was refused it is
// included.
func (r *run) spent() int64 {
	if r.fuel == nil {
		return 0
	}
	return r.granted - int64(r.fuel.Get())
}

// stop ends the run from within a host function: the panic unwinds the guest,
// in which nothing can catch it, and wazero turns it into the error of the
// call.
func (r *run) stop(err error) {
	r.stopped = err
	panic(err)
}

// offerImports adds to a runtime what metered modules import.
func offerImports(ctx context.Context, rt wazero.Runtime) error {
	const i32, i64 = api.ValueTypeI32, api.ValueTypeI64
	abi := rt.NewHostModuleBuilder(hostfuncs.ImportModule)
	abi.NewFunctionBuilder().
		WithGoFunction(api.GoFunc(readAt), []api.ValueType{i64, i32, i32}, []api.ValueType{i32}).
		Export(hostfuncs.ImportReadAt)
	abi.NewFunctionBuilder().
		WithGoFunction(api.GoFunc(report), []api.ValueType{i32, i32}, nil).
		Export(hostfuncs.ImportReport)
	if _, err := abi.Instantiate(ctx); err != nil {
		return fmt.Errorf("offer %s: %w", hostfuncs.ImportModule, err)
	}
	fuel := rt.NewHostModuleBuilder(fuelModule)
	fuel.NewFunctionBuilder().WithGoFunction(api.GoFunc(refill), nil, nil).Export(fuelRefill)
	if _, err := fuel.Instantiate(ctx); err != nil {
		return fmt.Errorf("offer %s: %w", fuelModule, err)
	}
	return nil
}

func runOf(ctx context.Context) *run { return ctx.Value(runKey{}).(*run) }

// readAt is assay_v1.read_at.
func readAt(ctx context.Context, stack []uint64) {
	r := runOf(ctx)
	if err := r.Err(); err != nil {
		r.stop(err)
	}
	n, err := r.call.ReadAt(r.memory, int64(stack[0]), uint32(stack[1]), uint32(stack[2]))
	if err != nil {
		r.stop(err)
	}
	stack[0] = uint64(uint32(n))
}

// report is assay_v1.report.
func report(ctx context.Context, stack []uint64) {
	r := runOf(ctx)
	if err := r.call.Report(r.memory, uint32(stack[0]), uint32(stack[1])); err != nil {
		r.stop(err)
	}
}

// refill is assay_fuel.refill: it is called when less than nothing is left and
// grants the next slice, in place of what is left, never on top of it.
func refill(ctx context.Context, _ []uint64) {
	r := runOf(ctx)
	if err := r.Err(); err != nil {
		r.stop(err)
	}
	spent := r.spent()
	if spent > r.budget {
		r.stop(&hostfuncs.BudgetError{Resource: hostfuncs.ResourceFuel, Limit: r.budget})
	}
	slice := min(r.slice, r.budget-spent)
	r.granted = spent + slice
	r.fuel.Set(uint64(slice))
}
