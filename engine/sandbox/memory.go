package sandbox

import (
	"context"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/assay-dev/assay/hostfuncs"
)

// run is the state of one run: its linear memory, what it may spend, and why
// it was stopped. It is pooled by size of memory and makes an instance cheap:
// a memory of its own would cost 40 µs and 64 KiB of garbage each time.
//
// To wazero it is three things. As the memory allocator it hands out its
// memory, whose size never changes; freeing it does nothing, as the run is put
// back when it is over in any case, also when instantiating failed, of which
// wazero tells the allocator nothing. As the context it is how the host
// functions find it without allocating; it hides the values of the caller's
// context, through which wazero could be told to do other things.
type run struct {
	context.Context                 // of the caller
	guest           context.Context // r, and r as the allocator
	memory          []byte          // zero when the run begins
	call            *hostfuncs.Call // of the caller's Result

	fuel    api.MutableGlobal // what is left of what was granted
	granted int64
	budget  int64 // of fuel, for the whole run
	slice   int64 // of fuel, for one refill

	stopped error     // by a host function
	stack   [3]uint64 // parameters and results
}

func newRun(pages int) *run {
	r := &run{memory: make([]byte, pages*pageSize)}
	r.guest = experimental.WithMemoryAllocator(r, r)
	return r
}

// take returns a run for a module with the given number of pages.
func (s *Sandbox) take(pages int) *run { return s.runs[pages].Get().(*run) }

// give takes back a run whose instance is closed. The memory is cleared here
// and not when it is next used: no bytes of an image stay behind.
func (s *Sandbox) give(r *run) {
	clear(r.memory)
	*r = run{guest: r.guest, memory: r.memory}
	s.runs[len(r.memory)/pageSize].Put(r)
}

type runKey struct{}

// Value implements context.Context.
func (r *run) Value(key any) any {
	if key == (runKey{}) {
		return r
	}
	return nil
}

// Allocate implements experimental.MemoryAllocator.
func (r *run) Allocate(_, _ uint64) experimental.LinearMemory { return r }

// Reallocate implements experimental.LinearMemory. wazero calls it once, for
// the size the module declares.
func (r *run) Reallocate(size uint64) []byte {
	if size > uint64(len(r.memory)) {
		return nil
	}
	return r.memory[:size:size]
}

// Free implements experimental.LinearMemory.
func (r *run) Free() {}
