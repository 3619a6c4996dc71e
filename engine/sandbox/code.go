package sandbox

import "slices"

// Opcodes that the walk treats each in its own way; WebAssembly 1.0, section
// 5.4.
const (
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0b
	opBr           = 0x0c
	opBrIf         = 0x0d
	opBrTable      = 0x0e
	opCall         = 0x10
	opCallIndirect = 0x11
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opMemorySize   = 0x3f
	opMemoryGrow   = 0x40
	opI32Const     = 0x41
	opI64Const     = 0x42
	opI64LtS       = 0x53
	opI64Sub       = 0x7d
)

// instr is one decoded instruction.
type instr struct {
	at int // of its opcode, in the module
	op byte
	// index is the function, type, local or global it refers to; for branches
	// the label, for br_table the largest of its labels.
	index uint32
	// edges is how many places a branch may go to.
	edges int
}

// instr reads one instruction and refuses what the profile leaves out. Indices
// are read, not checked.
func (r *reader) instr() instr {
	in := instr{at: r.pos}
	in.op = r.byte()
	switch op := in.op; op {
	case 0x00, 0x01, opElse, opEnd, 0x0f, 0x1a, 0x1b, // unreachable, nop, return, drop, select
		0xa7, 0xac, 0xad, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4: // wrap, extend, sign extension
	case opBlock, opLoop, opIf:
		at := r.pos
		if t := r.byte(); t != typeNone && t != typeI32 && t != typeI64 {
			r.fail(at, RuleFeature, "block type %#x is not in the profile", t)
		}
	case opCall, opLocalGet, opLocalSet, opLocalTee, opGlobalGet, opGlobalSet:
		in.index = r.u32()
	case opBr, opBrIf:
		in.index, in.edges = r.u32(), 1
	case opBrTable:
		in.edges = r.count(maxBrTargets, "targets of br_table") + 1
		for range in.edges {
			in.index = max(in.index, r.u32())
		}
	case opCallIndirect:
		in.index = r.u32()
		if r.byte() != 0 {
			r.fail(in.at, RuleEncoding, "call_indirect of another table than the first")
		}
	case opMemorySize:
		if r.byte() != 0 {
			r.fail(in.at, RuleEncoding, "size of another memory than the first")
		}
	case opMemoryGrow:
		r.fail(in.at, RuleFeature, "memory.grow is not in the profile")
	case opI32Const:
		r.signed(32)
	case opI64Const:
		r.signed(64)
	case 0xfc, 0xfd, 0xfe:
		r.fail(in.at, RuleFeature, "instruction prefix %#x is not in the profile: no bulk memory, tables, vectors or threads", op)
	default:
		switch {
		case isFloat(op):
			r.fail(in.at, RuleFeature, "floats are not in the profile (instruction %#x)", op)
		case op >= 0x28 && op <= 0x3e:
			at := r.pos
			if align := r.u32(); align > uint32(alignment(op)) {
				r.fail(at, RuleEncoding, "alignment 2^%d of instruction %#x", align, op)
			}
			r.u32() // offset
		case op >= 0x45 && op <= 0x8a: // comparisons and arithmetic
		default:
			r.fail(in.at, RuleFeature, "instruction %#x is not in the profile", op)
		}
	}
	return in
}

func isFloat(op byte) bool {
	switch {
	case op == 0x2a, op == 0x2b, op == 0x38, op == 0x39, // loads and stores
		op == 0x43, op == 0x44, // constants
		op >= 0x5b && op <= 0x66, op >= 0x8b && op <= 0xa6, // comparisons, arithmetic
		op >= 0xa8 && op <= 0xab, op >= 0xae && op <= 0xbf: // conversions
		return true
	}
	return false
}

// alignment returns the natural alignment of a load or store, as a power of 2.
func alignment(op byte) byte {
	return "\x02\x03\x02\x03\x00\x00\x01\x01\x00\x00\x01\x01\x02\x02\x02\x03\x02\x03\x00\x01\x00\x01\x02"[op-0x28]
}

func (m *module) readCode(r *reader) {
	at := r.pos
	n := r.count(maxFunctions, "bodies")
	if n != len(m.funcs) {
		r.fail(at, RuleEncoding, "%d functions are declared, %d have a body", len(m.funcs), n)
	}
	for i := range n {
		if r.err != nil {
			return
		}
		m.bodies = append(m.bodies, m.readBody(r, m.types[m.funcs[i]]))
	}
}

// readBody reads a function and checks its bounds, its nesting and every index
// in it. In particular an index one past the last global or function is
// refused: the rewriting of fuel.go adds one of each, which a module that was
// let through could then reach.
func (m *module) readBody(r *reader, typ funcType) (b body) {
	at := r.pos
	size := r.u32()
	if size > maxBody {
		r.fail(at, RuleSize, "function body of %d bytes, at most %d are allowed", size, maxBody)
	}
	defer r.sub(size, "function body")()
	b.locals.from = r.pos
	locals := uint64(len(typ.params))
	for range r.count(maxLocals, "groups of locals") {
		at := r.pos
		if locals += uint64(r.u32()); locals > maxLocals {
			r.fail(at, RuleSize, "%d locals with parameters, at most %d are allowed", locals, maxLocals)
		}
		r.valueType()
	}
	b.locals.to = r.pos
	b.code = span{r.pos, r.end}

	// open holds the opcode of every block around the instruction; the first
	// is the function itself.
	var (
		store            [maxDepth + 1]byte
		open             = append(store[:0], opBlock)
		blocks, branches int
	)
	for len(open) > 0 && r.err == nil {
		in := r.instr()
		switch in.op {
		case opBlock, opLoop, opIf:
			if blocks++; blocks > maxBlocks {
				r.fail(in.at, RuleSize, "more than %d blocks in a function", maxBlocks)
			}
			if len(open) > maxDepth {
				r.fail(in.at, RuleSize, "blocks nested more than %d deep", maxDepth)
				return b
			}
			open = append(open, in.op)
		case opElse:
			if open[len(open)-1] != opIf {
				r.fail(in.at, RuleEncoding, "else without if")
			}
			open[len(open)-1] = opElse
		case opEnd:
			open = open[:len(open)-1]
		case opBr, opBrIf, opBrTable:
			r.index(in, len(open), "label")
			branches += in.edges
			m.edges += in.edges
			if branches > maxBranches || m.edges > maxEdges {
				r.fail(in.at, RuleSize, "more than %d branches in a function or %d in a module", maxBranches, maxEdges)
			}
		case opCall:
			r.index(in, m.functions(), "function")
			if int(in.index) >= len(m.imports) {
				b.calls = append(b.calls, in.index)
			}
		case opCallIndirect:
			r.index(in, len(m.types), "type")
			if m.table < 0 {
				r.fail(in.at, RuleTable, "call_indirect without a table")
			}
			if r.err == nil {
				b.callTypes = append(b.callTypes, m.canonical[in.index])
			}
		case opLocalGet, opLocalSet, opLocalTee:
			r.index(in, int(locals), "local")
		case opGlobalGet, opGlobalSet:
			r.index(in, len(m.globals), "global")
			if r.err == nil && in.op == opGlobalSet && !m.globals[in.index].mutable {
				r.fail(in.at, RuleIndex, "global %d is immutable", in.index)
			}
		default:
			if m.pages == 0 && in.op >= 0x28 && in.op <= opMemorySize {
				r.fail(in.at, RuleMemory, "memory is used and does not exist")
			}
		}
	}
	slices.Sort(b.calls)
	b.calls = slices.Compact(b.calls)
	slices.Sort(b.callTypes)
	b.callTypes = slices.Compact(b.callTypes)
	return b
}

// index refuses an index that is not below n.
func (r *reader) index(in instr, n int, what string) {
	if int64(in.index) >= int64(n) {
		r.fail(in.at, RuleIndex, "%s %d of %d", what, in.index, n)
	}
}
