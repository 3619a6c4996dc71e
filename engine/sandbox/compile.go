package sandbox

import (
	"context"
	"fmt"
	"runtime"

	"github.com/tetratelabs/wazero"
	"golang.org/x/sys/cpu"

	"github.com/assay-dev/assay/hostfuncs"
)

// compilerOffered tells whether wazero has a compiler for this processor.
var compilerOffered = runtime.GOARCH == "arm64" || runtime.GOARCH == "amd64" && cpu.X86.HasSSE41

// When a module is compiled in ModeAuto, in units of fuel, which are what can
// be counted without a clock: the module's runs on the interpreter have cost,
// beyond what they would have cost compiled, about what compiling it costs. A
// process then never does worse than twice the better choice, and a sequence
// of runs always switches at the same one. The figures are from
// BenchmarkCompile and BenchmarkRun.
const (
	// compileFuel is the cost of compiling one byte of the module.
	compileFuel = 256
	// instanceFuel is how much dearer than a compiled one an interpreted run
	// is before its first instruction.
	instanceFuel = 4_000
)

// code is a module ready to be instantiated by the runtime that compiled it.
type code struct {
	runtime wazero.Runtime
	module  wazero.CompiledModule
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

// worthCompiling tells whether this run brings what the interpreter has cost
// to the cost of compiling. What the run will spend is not known; a deep one
// is budgeted about four times what it needs (hostfuncs.DeepBudget).
func (m *Module) worthCompiling(depth hostfuncs.Depth, budget hostfuncs.Budget) bool {
	expected := m.worn.Load() + instanceFuel
	if depth == hostfuncs.DepthDeep {
		expected += budget.Fuel / 4
	}
	return expected >= int64(len(m.wasm))*compileFuel
}

// rewrite has wazero validate the module as it is, but for the custom
// sections, and returns it metered. Only the types of operands can still be
// wrong: parse has checked the rest.
func (m *Module) rewrite() ([]byte, error) {
	ctx := context.Background()
	original, err := m.sandbox.interpreter.CompileModule(ctx, m.parsed.plain(m.wasm))
	if err != nil {
		return nil, &ProbeError{m.manifest.Name, ProbeTrap, fmt.Errorf("module is not valid: %w", err)}
	}
	if err := original.Close(ctx); err != nil {
		return nil, err
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
	return &code{r, compiled}, nil
}
