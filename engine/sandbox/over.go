package sandbox

import (
	"context"
	"fmt"
)

// MemorySize returns the size of the module's linear memory in bytes.
func (m *Module) MemorySize() int { return m.parsed.pages * pageSize }

// WindowAt returns where in the memory the window begins, in bytes; its length
// is the manifest's.
func (m *Module) WindowAt() int { return int(m.parsed.window) }

// RunOver is Run in an instance whose memory is not fresh: it holds what
// memory holds wherever the module has no data of its own, and what the run
// leaves there is in memory afterwards. memory must be of MemorySize. It is
// for conformance checks (package probetest), to which it shows what a probe
// takes from memory that it did not write; nothing else wants it.
func (m *Module) RunOver(ctx context.Context, memory []byte, in Input, out *Result) error {
	if len(memory) != m.MemorySize() {
		return fmt.Errorf("probe %s: a memory of %d bytes for one of %d", m.manifest.Name, len(memory), m.MemorySize())
	}
	return m.run(ctx, memory, in, out)
}

// over lets an instance start on other bytes than zeros: wazero then puts the
// module's data on top. The function that it returns takes what is left.
func (r *run) over(memory []byte) (take func()) {
	copy(r.memory, memory)
	return func() { copy(memory, r.memory) }
}
