package sandbox

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/tetratelabs/wazero"
	"golang.org/x/sys/cpu"

	"github.com/assay-dev/assay/hostfuncs"
)

// compilerOffered tells whether wazero has a compiler for this processor.
var compilerOffered = runtime.GOARCH == "arm64" || runtime.GOARCH == "amd64" && cpu.X86.HasSSE41

// compileFuel is the cost of compiling one byte of a module, in units of fuel
// run by the interpreter rather than by compiled code. It is that of a process
// that has just begun, whose memory is all new to it: 4.6 µs against 6 ns
// (assay inspect --deep of qcow2 images of 2 to 16 GiB; later it is 1.1 µs
// against 3.3 ns, BenchmarkCompile and BenchmarkRun). A module is compiled in
// ModeAuto when what its runs have spent on the interpreter comes to the cost
// of compiling it. Its runs then never take more than twice as long as with the
// better choice for all of them, or 3.3 times in a process that is warm; and as
// fuel is counted and not timed, the same sequence of runs always switches at
// the same one.
const compileFuel = 768

// code is a module ready to be instantiated by the runtime that compiled it.
type code struct {
	runtime wazero.Runtime
	module  wazero.CompiledModule
	kept    sync.Pool // *run, with an instance as it was made
}

// code returns the module's code for a run with the given depth and budget.
// The first run that wants it compiles it, others wait for that.
func (m *Module) code(depth hostfuncs.Depth, budget hostfuncs.Budget) (*code, error) {
	mode := m.sandbox.config.Mode
	if m.trust != Shipped && !m.sandbox.config.CompileThirdParty {
		mode = ModeInterpreter
	}
	if mode == ModeCompiler {
		return m.compiled()
	}
	if mode != ModeInterpreter && m.worthCompiling(depth, budget) {
		if c, err := m.compiled(); err == nil {
			return c, nil
		}
	}
	return m.interpreted()
}

// worthCompiling tells whether what the interpreter has run, and is about to
// run, comes to the cost of compiling. What a run will spend is not known: a
// header run spends little of its budget, and a deep one, which is budgeted 256
// units of fuel more for a byte of metadata (hostfuncs.DeepBudget), spends 6 to
// 47 on each that it reads, as TestDeepBudgetSuffices and its like log. A
// sixteenth is off by three times at most, either way.
func (m *Module) worthCompiling(depth hostfuncs.Depth, budget hostfuncs.Budget) bool {
	expected := m.interpretedFuel.Load()
	if depth == hostfuncs.DepthDeep {
		expected += max(0, budget.Fuel-hostfuncs.HeaderBudget().Fuel) / 16
	}
	return expected >= int64(len(m.wasm))*compileFuel
}

// rewrite has wazero validate the module as it is, but for the custom
// sections, and returns it metered. Only the types of operands can still be
// wrong: parse has checked the rest. A shipped module is, to the byte, one that
// the tests of package probetest have had validated.
func (m *Module) rewrite() ([]byte, error) {
	if m.trust != Shipped {
		ctx := context.Background()
		original, err := m.sandbox.interpreter.CompileModule(ctx, m.parsed.plain(m.wasm))
		if err != nil {
			return nil, &ProbeError{m.manifest.Name, ProbeTrap, fmt.Errorf("module is not valid: %w", err)}
		}
		if err := original.Close(ctx); err != nil {
			return nil, err
		}
	}
	return m.parsed.meter(m.wasm)
}

// compile compiles the metered module. It is not cancelled: the profile bounds
// the time it takes.
func (m *Module) compile(open func() (wazero.Runtime, error)) (_ *code, err error) {
	// wazero panics where memory for the code is refused.
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("compile probe %s: %v", m.manifest.Name, v)
		}
	}()
	metered, err := m.metered()
	if err != nil {
		return nil, err
	}
	r, err := open()
	if err != nil {
		return nil, err
	}
	compiled, err := r.CompileModule(context.Background(), metered)
	if err != nil {
		return nil, fmt.Errorf("compile probe %s: %w", m.manifest.Name, err)
	}
	return &code{runtime: r, module: compiled}, nil
}
