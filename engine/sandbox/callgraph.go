package sandbox

import "fmt"

// checkCalls refuses a module in which a function can reach itself, directly,
// through others or through the table.
//
// Neither engine bounds recursion well: the compiler grows its native stack
// to more than 100 MB before it gives up, the interpreter stops at 2 000
// frames whatever their size, and so the two would not even fail alike.
// Without recursion a run holds each function at most once, and the stack is
// bounded by the size of the module: a frame holds the function's locals (at
// most maxLocals) and operands (each pushed by an instruction of at least one
// byte), so all of them together stay below 8 bytes times maxFunctions *
// maxLocals + maxModule, 1.5 MiB; real probes need a few KiB.
//
// A call_indirect may reach every function of its type that an element segment
// names: nothing else can be in the table, which no instruction changes.
func (m *module) checkCalls() *ProfileError {
	table := make([][]uint32, len(m.types)) // by type: the defined functions in the table
	for _, e := range m.elements {
		for _, f := range e.funcs {
			if int(f) >= len(m.imports) {
				t := m.canonical[m.typeOf(f)]
				table[t] = append(table[t], f)
			}
		}
	}
	// Functions and types are nodes; a type leads to the functions it can
	// call, so that there are few edges however many indirect calls.
	const (
		unseen = iota
		open
		done
	)
	funcs := make([]uint8, m.functions())
	types := make([]uint8, len(m.types))
	var visit, visitType func(uint32) bool
	visitType = func(t uint32) bool {
		if types[t] != unseen {
			return types[t] == done
		}
		types[t] = open
		for _, f := range table[t] {
			if !visit(f) {
				return false
			}
		}
		types[t] = done
		return true
	}
	visit = func(f uint32) bool {
		if funcs[f] != unseen {
			return funcs[f] == done
		}
		funcs[f] = open
		b := &m.bodies[int(f)-len(m.imports)]
		for _, callee := range b.calls {
			if !visit(callee) {
				return false
			}
		}
		for _, t := range b.callTypes {
			if !visitType(t) {
				return false
			}
		}
		funcs[f] = done
		return true
	}
	for i := range m.bodies {
		f := uint32(i + len(m.imports))
		if !visit(f) {
			return &ProfileError{m.bodies[i].code.from, RuleRecursion, fmt.Sprintf("function %d, or one it calls, can reach itself", f)}
		}
	}
	return nil
}
