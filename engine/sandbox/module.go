package sandbox

import (
	"bytes"
	"slices"

	"github.com/assay-dev/assay/hostfuncs"
)

// funcType is a function's type. params holds one value type a byte; result is
// 0 when there is none.
type funcType struct {
	params string
	result byte
}

// span is a part of the module, in bytes from its start.
type span struct{ from, to int }

func (s span) of(wasm []byte) []byte { return wasm[s.from:s.to] }

type global struct {
	typ     byte
	mutable bool
	value   int64 // of a constant
}

// bits is the value as wazero has it.
func (g global) bits() uint64 {
	if g.typ == typeI32 {
		return uint64(uint32(g.value))
	}
	return uint64(g.value)
}

type export struct {
	name  string
	kind  byte
	index uint32
}

type element struct {
	offset int
	funcs  []uint32
}

// segment is data of the module's in memory.
type segment struct {
	offset uint32
	bytes  span
}

// body is a function defined by the module. code is what follows its
// declaration of locals.
type body struct {
	locals, code span
	// calls lists the functions it calls, callTypes the types it calls
	// indirectly, as the index of the first equal type; each once.
	calls, callTypes []uint32
}

// module is what parse found: enough to check, to rewrite and to run it. It
// keeps no bytes of the module; spans refer to them.
type module struct {
	sections  [sectionData + 1]span // payloads, empty when absent
	types     []funcType
	canonical []uint32 // by type: the index of the first equal one
	imports   []uint32 // by imported function: its type
	funcs     []uint32 // by defined function: its type
	table     int      // entries; -1 without a table
	pages     int
	globals   []global
	exports   []export
	elements  []element
	data      []segment
	bodies    []body
	edges     int    // of branches, in all bodies
	window    uint32 // address
	manifest  span
}

// typeOf returns the type of a function by its index, imports first.
func (m *module) typeOf(index uint32) uint32 {
	if int(index) < len(m.imports) {
		return m.imports[index]
	}
	return m.funcs[int(index)-len(m.imports)]
}

// functions returns how many functions there are, imports included.
func (m *module) functions() int { return len(m.imports) + len(m.funcs) }

// parse reads a module in one pass and enforces the profile. What it leaves to
// wazero is the type of operands on the stack.
func parse(wasm []byte) (*module, *ProfileError) {
	r := &reader{buf: wasm, end: len(wasm)}
	m := &module{table: -1}
	if len(wasm) > maxModule {
		r.fail(maxModule, RuleSize, "module of %d bytes, at most %d are allowed", len(wasm), maxModule)
	}
	if !bytes.Equal(r.bytes(8), []byte("\x00asm\x01\x00\x00\x00")) {
		r.fail(0, RuleEncoding, "no WebAssembly 1.0 module")
	}
	for last := byte(0); r.more(); {
		at := r.pos
		id := r.byte()
		done := r.sub(r.u32(), "section")
		switch {
		case id == sectionCustom:
			m.custom(r)
		case id > sectionData:
			r.fail(at, RuleFeature, "section %d is not in the profile", id)
		case id <= last:
			r.fail(at, RuleEncoding, "section %d after section %d", id, last)
		default:
			last = id
			m.sections[id] = span{r.pos, r.end}
			m.section(r, id)
		}
		done()
	}
	m.whole(r)
	return m, r.err
}

// custom reads a custom section. Only the manifest's is looked at; all are
// dropped before anything is compiled.
func (m *module) custom(r *reader) {
	at := r.pos
	if r.name() == hostfuncs.ManifestSection {
		if m.manifest != (span{}) {
			r.fail(at, RuleManifest, "section %s is there twice", hostfuncs.ManifestSection)
		}
		m.manifest = span{r.pos, r.end}
	}
	r.pos = r.end
}

func (m *module) section(r *reader, id byte) {
	switch id {
	case sectionType:
		m.readTypes(r)
	case sectionImport:
		m.readImports(r)
	case sectionFunction:
		for range r.count(maxFunctions, "functions") {
			m.funcs = append(m.funcs, m.typeIndex(r))
		}
	case sectionTable:
		m.readTable(r)
	case sectionMemory:
		m.readMemory(r)
	case sectionGlobal:
		m.readGlobals(r)
	case sectionExport:
		m.readExports(r)
	case sectionStart:
		r.fail(r.pos, RuleFeature, "start functions are not in the profile")
	case sectionElement:
		m.readElements(r)
	case sectionCode:
		m.readCode(r)
	case sectionData:
		m.readData(r)
	}
}

func (m *module) readTypes(r *reader) {
	first := map[funcType]uint32{}
	for i := range r.count(maxTypes, "types") {
		at := r.pos
		if form := r.byte(); form != typeFunc {
			r.fail(at, RuleFeature, "type form %#x is not in the profile", form)
		}
		var t funcType
		params := make([]byte, r.count(maxParams, "parameters"))
		for j := range params {
			params[j] = r.valueType()
		}
		t.params = string(params)
		if r.count(1, "results") == 1 {
			t.result = r.valueType()
		}
		if _, seen := first[t]; !seen {
			first[t] = uint32(i)
		}
		m.types = append(m.types, t)
		m.canonical = append(m.canonical, first[t])
	}
}

// valueType reads the type of a value: i32 or i64.
func (r *reader) valueType() byte {
	at := r.pos
	switch t := r.byte(); t {
	case typeI32, typeI64:
		return t
	case typeF32, typeF64:
		r.fail(at, RuleFeature, "floats are not in the profile")
	default:
		r.fail(at, RuleFeature, "value type %#x is not in the profile", t)
	}
	return 0
}

func (m *module) typeIndex(r *reader) uint32 {
	at := r.pos
	i := r.u32()
	if int64(i) >= int64(len(m.types)) {
		r.fail(at, RuleIndex, "type %d of %d", i, len(m.types))
		return 0
	}
	return i
}

func (m *module) readImports(r *reader) {
	seen := map[string]bool{}
	for range r.count(len(imports), "imports") {
		at := r.pos
		from, name := r.name(), r.name()
		want, ok := imports[name]
		if kind := r.byte(); from != hostfuncs.ImportModule || !ok || kind != kindFunc {
			r.fail(at, RuleImport, "import %q of %q: only the functions read_at and report of %s are offered", name, from, hostfuncs.ImportModule)
		}
		if seen[name] {
			r.fail(at, RuleImport, "%s is imported twice", name)
		}
		seen[name] = true
		t := m.typeIndex(r)
		if r.err != nil {
			return
		}
		if m.types[t] != want {
			r.fail(at, RuleImport, "%s is imported with another type than the ABI's", name)
		}
		m.imports = append(m.imports, t)
	}
}

// limits reads a fixed size: minimum and maximum must be there and be equal.
func (r *reader) limits(limit int, rule Rule, what string) int {
	at := r.pos
	flag := r.byte()
	if r.err == nil && flag != 1 {
		r.fail(at, rule, "%s must declare a maximum, and not be shared", what)
		return 0
	}
	low, high := r.u32(), r.u32()
	if low != high {
		r.fail(at, rule, "%s of %d to %d: both must be the same, nothing grows", what, low, high)
		return 0
	}
	if uint64(low) > uint64(limit) {
		r.fail(at, rule, "%s of %d, at most %d are allowed", what, low, limit)
		return 0
	}
	return int(low)
}

func (m *module) readTable(r *reader) {
	for range r.count(1, "tables") {
		at := r.pos
		if r.byte() != typeFuncref {
			r.fail(at, RuleTable, "only tables of functions are in the profile")
		}
		m.table = r.limits(maxTable, RuleTable, "table")
	}
}

func (m *module) readMemory(r *reader) {
	for range r.count(1, "memories") {
		if m.pages = r.limits(hostfuncs.MaxPages, RuleMemory, "memory"); m.pages == 0 {
			r.fail(r.pos, RuleMemory, "memory has no pages")
		}
	}
}

// constant reads an initializer: one constant of the given type. Other forms
// refer to imported globals, of which there are none.
func (r *reader) constant(typ byte) (value int64) {
	at := r.pos
	op := r.byte()
	switch {
	case op == opI32Const && typ == typeI32:
		value = r.signed(32)
	case op == opI64Const && typ == typeI64:
		value = r.signed(64)
	default:
		r.fail(at, RuleFeature, "initializer is not a constant of its type")
	}
	if r.err == nil && r.byte() != opEnd {
		r.fail(at, RuleFeature, "initializer is more than a constant")
	}
	return value
}

func (m *module) readGlobals(r *reader) {
	for range r.count(maxGlobals, "globals") {
		g := global{typ: r.valueType()}
		at := r.pos
		mutable := r.byte()
		if mutable > 1 {
			r.fail(at, RuleEncoding, "mutability %d", mutable)
		}
		g.mutable = mutable == 1
		g.value = r.constant(g.typ)
		m.globals = append(m.globals, g)
	}
}

func (m *module) readExports(r *reader) {
	for range r.count(maxExports, "exports") {
		at := r.pos
		e := export{name: r.name(), kind: r.byte(), index: r.u32()}
		if slices.ContainsFunc(m.exports, func(o export) bool { return o.name == e.name }) {
			r.fail(at, RuleExport, "%q is exported twice", e.name)
		}
		switch {
		case e.name == hostfuncs.ExportMemory && e.kind == kindMemory:
			if e.index != 0 || m.pages == 0 {
				r.fail(at, RuleIndex, "memory %d is exported and does not exist", e.index)
			}
		case e.name == hostfuncs.ExportProbe && e.kind == kindFunc:
			if int64(e.index) >= int64(m.functions()) {
				r.fail(at, RuleIndex, "function %d of %d", e.index, m.functions())
			} else if m.types[m.typeOf(e.index)] != probeType || int(e.index) < len(m.imports) {
				r.fail(at, RuleExport, "%s is of another type than the ABI's", e.name)
			}
		case e.kind == kindGlobal && (e.name == hostfuncs.ExportWindow || toolGlobals[e.name]):
			if int64(e.index) >= int64(len(m.globals)) {
				r.fail(at, RuleIndex, "global %d of %d", e.index, len(m.globals))
			} else if g := m.globals[e.index]; g.mutable || g.typ != typeI32 {
				r.fail(at, RuleExport, "%s must be an immutable i32", e.name)
			} else if e.name == hostfuncs.ExportWindow {
				m.window = uint32(g.value)
			}
		default:
			r.fail(at, RuleExport, "export %q of kind %d is not in the ABI", e.name, e.kind)
		}
		m.exports = append(m.exports, e)
	}
}

func (m *module) readElements(r *reader) {
	for range r.count(maxElements, "element segments") {
		at := r.pos
		if table := r.u32(); table != 0 || m.table < 0 {
			r.fail(at, RuleTable, "elements for table %d, which does not exist", table)
		}
		e := element{offset: int(uint32(r.constant(typeI32)))}
		for range r.count(maxTable, "elements") {
			e.funcs = append(e.funcs, m.funcIndex(r))
		}
		if e.offset+len(e.funcs) > m.table {
			r.fail(at, RuleTable, "elements %d to %d in a table of %d", e.offset, e.offset+len(e.funcs), m.table)
		}
		m.elements = append(m.elements, e)
	}
}

func (m *module) funcIndex(r *reader) uint32 {
	at := r.pos
	i := r.u32()
	if int64(i) >= int64(m.functions()) {
		r.fail(at, RuleIndex, "function %d of %d", i, m.functions())
		return 0
	}
	return i
}

func (m *module) readData(r *reader) {
	for range r.count(maxData, "data segments") {
		at := r.pos
		if memory := r.u32(); memory != 0 || m.pages == 0 {
			r.fail(at, RuleMemory, "data for memory %d, which does not exist", memory)
		}
		offset := uint64(uint32(r.constant(typeI32)))
		n := r.u32()
		from := r.pos
		r.bytes(n)
		m.data = append(m.data, segment{uint32(offset), span{from, r.pos}})
		if offset+uint64(n) > uint64(m.pages)*pageSize {
			r.fail(at, RuleMemory, "data from %d to %d in a memory of %d pages", offset, offset+uint64(n), m.pages)
		}
	}
}

// whole checks what no single section shows.
func (m *module) whole(r *reader) {
	if len(m.bodies) != len(m.funcs) {
		r.fail(r.pos, RuleEncoding, "%d functions are declared, %d have a body", len(m.funcs), len(m.bodies))
	}
	for _, name := range []string{hostfuncs.ExportMemory, hostfuncs.ExportWindow, hostfuncs.ExportProbe} {
		if !slices.ContainsFunc(m.exports, func(e export) bool { return e.name == name }) {
			r.fail(r.pos, RuleExport, "%s is not exported", name)
		}
	}
}
