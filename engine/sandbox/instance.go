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

// An instance is a module's in the memory of a run. That of a shipped module is
// reset after a run that succeeded, and serves the next: to make it is most of
// what a run costs. All others serve one run.
//
// Under the profile a run can change nothing in it but memory, of a fixed size,
// and mutable globals, whose initial values are constants: no instruction
// changes a table or drops a segment, and there are no start functions.
type instance struct {
	module  api.Module
	probe   api.Function
	fuel    api.MutableGlobal
	globals []api.MutableGlobal // by index; nil where immutable
	dropped runtime.Cleanup     // closes it when the garbage collector takes its run
}

// instances is how modules are instantiated: with no name, so that any number
// can be there at a time, no start functions, and a source of random numbers
// that is not seeded anew for each of them, as nothing reads it.
var instances = wazero.NewModuleConfig().WithName("").WithStartFunctions().WithRandSource(noRandom{})

type noRandom struct{}

func (noRandom) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

// instantiate makes an instance in the memory of a run.
func (m *Module) instantiate(r *run, code *code) error {
	module, err := code.runtime.InstantiateModule(r.guest, code.module, instances)
	if err != nil {
		return fmt.Errorf("instantiate: %w", err)
	}
	r.instance = instance{
		module: module,
		probe:  module.ExportedFunction(hostfuncs.ExportProbe),
		fuel:   module.ExportedGlobal(fuelGlobal).(api.MutableGlobal),
	}
	return nil
}

// keeps tells whether an instance of the module is used again.
func (m *Module) keeps() bool { return m.trust == Shipped }

// take returns a run for the module's code: one with an instance, as it was
// made, unless one is to be made, or with an empty memory and none.
func (m *Module) take(code *code, anew bool) *run {
	if m.keeps() && !anew {
		if r, ok := code.kept.Get().(*run); ok {
			return r
		}
	}
	return m.sandbox.runs[m.parsed.pages].Get().(*run)
}

// keep takes back a run that succeeded, with its instance. It is reset here and
// not when it is next used: no bytes of an image stay behind.
func (m *Module) keep(code *code, r *run) {
	clear(r.memory)
	for _, d := range m.parsed.data {
		copy(r.memory[d.offset:], d.bytes.of(m.wasm))
	}
	if r.globals == nil {
		r.globals = m.mutable(r.module)
		r.dropped = runtime.AddCleanup(r, closeInstance, r.module)
	}
	for i, g := range r.globals {
		if g != nil {
			g.Set(m.parsed.globals[i].bits())
		}
	}
	r.fuel.Set(0)
	r.reset()
	code.kept.Put(r)
}

// give takes back a run of any module of its size of memory, without its
// instance. The memory is cleared here for the same reason.
func (s *Sandbox) give(r *run) {
	if r.module != nil {
		r.dropped.Stop()
		closeInstance(r.module)
		r.instance = instance{}
	}
	clear(r.memory)
	r.reset()
	s.runs[len(r.memory)/pageSize].Put(r)
}

func closeInstance(module api.Module) { _ = module.Close(context.Background()) }

// mutable returns the module's mutable globals by their index.
func (m *Module) mutable(instance api.Module) []api.MutableGlobal {
	globals := make([]api.MutableGlobal, len(m.parsed.globals))
	for i, g := range m.parsed.globals {
		if g.mutable {
			globals[i] = instance.ExportedGlobal(globalName(i)).(api.MutableGlobal)
		}
	}
	return globals
}
