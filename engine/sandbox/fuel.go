package sandbox

import (
	"encoding/binary"
	"fmt"
)

// Fuel. The rewriter adds to a checked module
//
//   - a hidden mutable i64 global, exported as fuelGlobal: what is left of the
//     slice that was granted, 0 at first;
//   - an imported function, fuelRefill of fuelModule: how the guest asks for
//     the next slice;
//   - exports of its mutable globals, by which the host resets them;
//   - at the entry of every function and at every loop header, code that
//     subtracts the weight of the region it opens and calls fuelRefill when
//     less than nothing is left.
//
// A region is the instructions whose innermost loop is that loop, or which are
// in no loop of the function. Between two charges a run executes no
// instruction twice, so what it costs is charged before it is spent, and the
// longest stretch without a charge is bounded by the weights, not by the number
// of iterations. One unit a loop header would not do: a body of 1 000 divisions
// is 1 000 times dearer than an empty one (BenchmarkFuelUnit).
//
// Charges follow the program alone, and whether the total passes the budget
// does not depend on how it is cut into slices: what a run spends is exact and
// the same in both engines.
//
// The refill function is an import and all other function indices are shifted
// behind it. Were it appended, an index one past the end, invalid in the
// original, would name it; parse refuses such an index in any case, and wazero
// has validated the module as it was (Module.rewrite).
const (
	fuelModule = "assay_fuel"
	fuelRefill = "refill"
	fuelGlobal = "assay_fuel"

	// fuelSlice is what one refill grants at most. Compiled code cannot be
	// preempted within a slice, which holds up the garbage collector and with
	// it the process: at 250 000 for 0.2 ms in the median
	// (BenchmarkStopTheWorld), at four times that 2.6 ms at p99.
	fuelSlice = 250_000
	// fuelSliceInterpreted is the same for the interpreter, which can be
	// preempted but takes some ten times as long to come to the next refill,
	// where a cancelled run ends (BenchmarkCancel).
	fuelSliceInterpreted = fuelSlice / 10
)

// Weights of instructions; what is not here weighs 1. In the compiler a unit
// then is 0.1 to 2 ns (BenchmarkFuelUnit).
const (
	weightDivision = 8
	weightCall     = 8  // and call_indirect: the frame and the charge itself
	weightHostCall = 64 // leaves the compiled code and comes back
)

// weight returns what an instruction is charged.
func (m *module) weight(in instr) int64 {
	switch op := in.op; {
	case op >= 0x6d && op <= 0x70, op >= 0x7f && op <= 0x82: // div and rem of i32, i64
		return weightDivision
	case op == opCall && int(in.index) < len(m.imports):
		return weightHostCall
	case op == opCall, op == opCallIndirect:
		return weightCall
	}
	return 1
}

// meter returns the module with fuel, without custom sections. wasm is what m
// was parsed from.
func (m *module) meter(wasm []byte) ([]byte, error) {
	w := rewriter{module: m, wasm: wasm, out: make([]byte, 0, len(wasm)+len(wasm)/2+256)}
	w.out = append(w.out, wasm[:8]...)
	w.extend(sectionType, len(m.types), typeFunc, 0, 0)
	w.extend(sectionImport, len(m.imports), refillImport(len(m.types))...)
	w.copy(sectionFunction)
	w.copy(sectionTable)
	w.copy(sectionMemory)
	w.extend(sectionGlobal, len(m.globals), typeI64, 1, opI64Const, 0, opEnd)
	w.exports()
	w.elements()
	if err := w.code(); err != nil {
		return nil, err
	}
	w.copy(sectionData)
	return w.out, nil
}

// plain returns the module without its custom sections: what they hold means
// nothing to the program, and wazero believes the counts in one of names.
func (m *module) plain(wasm []byte) []byte {
	w := rewriter{module: m, wasm: wasm, out: make([]byte, 0, len(wasm))}
	w.out = append(w.out, wasm[:8]...)
	for id := range m.sections {
		w.copy(byte(id))
	}
	return w.out
}

func refillImport(typ int) []byte {
	b := appendName(nil, fuelModule)
	b = appendName(b, fuelRefill)
	return appendCount(append(b, kindFunc), typ)
}

func appendName(b []byte, name string) []byte { return append(appendCount(b, len(name)), name...) }

type rewriter struct {
	*module
	wasm, out []byte
	section   []byte // being built, reused
	body      []byte // being built, reused
}

// function maps the index of a function in the original to that in the
// rewritten module, where refill follows the original's imports.
func (w *rewriter) function(index uint32) int {
	if int(index) >= len(w.imports) {
		return int(index) + 1
	}
	return int(index)
}

// emit writes a section.
func (w *rewriter) emit(id byte, payload []byte) {
	w.out = append(appendCount(append(w.out, id), len(payload)), payload...)
}

// copy writes a section as it is in the original.
func (w *rewriter) copy(id byte) {
	if s := w.sections[id]; s.from != s.to {
		w.emit(id, s.of(w.wasm))
	}
}

// extend writes a section with one entry more than the n of the original.
func (w *rewriter) extend(id byte, n int, entry ...byte) {
	w.section = appendCount(w.section[:0], n+1)
	if s := w.sections[id]; s.from != s.to {
		_, length := binary.Uvarint(s.of(w.wasm)) // the count, which parse read
		w.section = append(w.section, s.of(w.wasm)[length:]...)
	}
	w.emit(id, append(w.section, entry...))
}

// globalName is the name by which a mutable global is exported, for the host to
// reset it (Module.keep). A module has no exports of such names.
func globalName(index int) string { return fmt.Sprintf("assay_global_%d", index) }

func (w *rewriter) exports() {
	mutable := 0
	for _, g := range w.globals {
		if g.mutable {
			mutable++
		}
	}
	s := appendCount(w.section[:0], len(w.module.exports)+mutable+1)
	for _, e := range w.module.exports {
		s = append(appendName(s, e.name), e.kind)
		if e.kind == kindFunc {
			s = appendCount(s, w.function(e.index))
		} else {
			s = appendCount(s, int(e.index))
		}
	}
	for i, g := range w.globals {
		if g.mutable {
			s = appendCount(append(appendName(s, globalName(i)), kindGlobal), i)
		}
	}
	s = append(appendName(s, fuelGlobal), kindGlobal)
	w.section = appendCount(s, len(w.globals))
	w.emit(sectionExport, w.section)
}

func (w *rewriter) elements() {
	if len(w.module.elements) == 0 {
		return
	}
	s := appendCount(w.section[:0], len(w.module.elements))
	for _, e := range w.module.elements {
		s = append(s, 0, opI32Const)
		s = append(appendSigned(s, int64(e.offset)), opEnd)
		s = appendCount(s, len(e.funcs))
		for _, f := range e.funcs {
			s = appendCount(s, w.function(f))
		}
	}
	w.section = s
	w.emit(sectionElement, s)
}

func (w *rewriter) code() error {
	s := appendCount(w.section[:0], len(w.bodies))
	for i := range w.bodies {
		if err := w.meterBody(&w.bodies[i]); err != nil {
			return err
		}
		s = append(appendCount(s, len(w.body)), w.body...)
	}
	w.section = s
	w.emit(sectionCode, s)
	return nil
}

// region is a function or loop whose charge was written and whose weight is
// being counted.
type region struct {
	weight int64
	charge int // where in the body its weight goes
	depth  int // of blocks around it
}

// meterBody writes a body with its charges to w.body.
func (w *rewriter) meterBody(b *body) error {
	w.body = append(w.body[:0], b.locals.of(w.wasm)...)
	var (
		open  [maxDepth + 1]region
		stack = append(open[:0], w.charge(0))
		depth = 0
		r     = &reader{buf: w.wasm, pos: b.code.from, end: b.code.to}
	)
	for r.more() {
		in := r.instr()
		if r.err != nil {
			return r.err // parse has read the same bytes: not reached
		}
		stack[len(stack)-1].weight += w.weight(in)
		if in.op == opCall {
			w.body = appendCount(append(w.body, opCall), w.function(in.index))
		} else {
			w.body = append(w.body, w.wasm[in.at:r.pos]...)
		}
		switch in.op {
		case opBlock, opIf:
			depth++
		case opLoop:
			depth++
			stack = append(stack, w.charge(depth))
		case opEnd:
			if top := stack[len(stack)-1]; top.depth == depth {
				putWeight(w.body[top.charge:], top.weight)
				stack = stack[:len(stack)-1]
			}
			depth--
		}
	}
	return nil
}

// charge writes the code of a charge, whose weight is not known yet.
func (w *rewriter) charge(depth int) region {
	b := appendCount(append(w.body, opGlobalGet), len(w.globals))
	b = append(b, opI64Const)
	at := len(b)
	b = append(b, make([]byte, weightBytes)...)
	b = appendCount(append(b, opI64Sub, opGlobalSet), len(w.globals))
	b = appendCount(append(b, opGlobalGet), len(w.globals))
	b = append(b, opI64Const, 0, opI64LtS, opIf, typeNone)
	b = appendCount(append(b, opCall), len(w.imports)) // refill
	w.body = append(b, opEnd)
	return region{charge: at, depth: depth}
}

// weightBytes is the length of a weight in the code: a padded LEB128, so that
// it can be filled in when the region is complete. Four bytes hold 27 bits and
// the sign; a body of maxBody bytes weighs less than 2^20.
const weightBytes = 4

func putWeight(b []byte, weight int64) {
	for i := range weightBytes {
		b[i] = byte(weight>>(7*i))&0x7f | 0x80
	}
	b[weightBytes-1] &^= 0x80
}
