package sandbox

import (
	"context"

	"github.com/tetratelabs/wazero/experimental"

	"github.com/assay-dev/assay/hostfuncs"
)

// run is the state of one run: its linear memory, the instance in it, what it
// may spend, and why it was stopped. It is pooled, without an instance by size
// of memory, and makes one cheap: a memory of its own would cost 40 µs and 64
// KiB of garbage each time.
//
// To wazero it is the context: how the host functions find it without
// allocating. It hides the values of the caller's context, through which wazero
// could be told to do other things.
type run struct {
	context.Context                 // of the caller
	guest           context.Context // r, with its memory as the allocator
	memory          linear          // zero when an instance is made in it
	instance                        // none when its module is nil
	call            *hostfuncs.Call // of the caller's Result

	granted int64
	budget  int64 // of fuel, for the whole run
	slice   int64 // of fuel, for one refill

	stopped error     // by a host function
	stack   [3]uint64 // parameters and results
}

func newRun(pages int) *run {
	r := &run{memory: make([]byte, pages*pageSize)}
	r.guest = experimental.WithMemoryAllocator(r, r.memory)
	return r
}

// reset forgets what belongs to one run alone.
func (r *run) reset() { *r = run{guest: r.guest, memory: r.memory, instance: r.instance} }

type runKey struct{}

// Value implements context.Context.
func (r *run) Value(key any) any {
	if key == (runKey{}) {
		return r
	}
	return nil
}

// linear is the memory of a run. To wazero it is the allocator, which hands out
// the memory, whose size never changes. Freeing it does nothing: the run is put
// back when it is over in any case, also when instantiating failed, of which
// wazero tells the allocator nothing. The instance refers to it and not to the
// run, so that the garbage collector can take a run with an instance.
type linear []byte

// Allocate implements experimental.MemoryAllocator.
func (l linear) Allocate(_, _ uint64) experimental.LinearMemory { return l }

// Reallocate implements experimental.LinearMemory. wazero calls it once, for
// the size the module declares.
func (l linear) Reallocate(size uint64) []byte {
	if size > uint64(len(l)) {
		return nil
	}
	return l[:size:size]
}

// Free implements experimental.LinearMemory.
func (l linear) Free() {}
