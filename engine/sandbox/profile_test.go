package sandbox

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	wb "github.com/assay-dev/assay/internal/wasmbuild"
)

// ret is a body that gives "no match".
var ret = wb.Code(wb.I32Const, 0)

// withBody is a probe with one more function, of the given type, that is never
// called.
func withBody(typ int, code ...any) *wb.Module {
	m := wb.Probe(ret)
	m.Func(typ, code...)
	return m
}

func with(change func(*wb.Module)) *wb.Module {
	m := wb.Probe(ret)
	change(m)
	return m
}

// set replaces the entries of a section.
func set(section int, entries ...[]byte) *wb.Module {
	return with(func(m *wb.Module) { m.Sections[section] = entries })
}

func repeat(n int, code ...any) []byte { return bytes.Repeat(wb.Code(code...), n) }

// data is an active data segment.
func data(offset int64, content string) []byte {
	return wb.Code(0, wb.I32Const, wb.S(offset), wb.End, wb.Bytes(content))
}

// elements is an active element segment.
func elements(offset int64, funcs ...int) []byte {
	var indices [][]byte
	for _, f := range funcs {
		indices = append(indices, wb.U(uint64(f)))
	}
	return wb.Code(0, wb.I32Const, wb.S(offset), wb.End, wb.Vec(indices...))
}

func table(entries uint64) []byte { return wb.Code(0x70, 1, wb.U(entries), wb.U(entries)) }

func TestProfileRefuses(t *testing.T) {
	manifest := func(json string) *wb.Module {
		return with(func(m *wb.Module) { m.Custom[0].Payload = []byte(json) })
	}
	for _, c := range []struct {
		name string
		mod  *wb.Module
		rule Rule
	}{
		// What hostile modules have done to hosts.
		{"loop in a start function", with(func(m *wb.Module) {
			f := m.Func(wb.TypeNone, wb.Loop, wb.None, wb.Br, 0, wb.End)
			m.Add(wb.Start, wb.U(uint64(f)))
		}), RuleFeature},
		{"memory growth", withBody(wb.TypeNone, wb.I32Const, 0, wb.MemoryGrow, 0, wb.Drop), RuleFeature},
		{"out-of-bounds data segment", set(wb.Datas, data(65535, "ab")), RuleMemory},
		{"data segment at a negative offset", set(wb.Datas, data(-1, "a")), RuleMemory},
		{"huge table", set(wb.Tables, table(100_000_000)), RuleTable},
		{"table growth", with(func(m *wb.Module) {
			m.Add(wb.Tables, table(1))
			m.Func(wb.TypeNone, 0xd0, 0x70, wb.I32Const, 1, 0xfc, 0x0f, 0, wb.Drop)
		}), RuleFeature},
		{"50 MB custom section", with(func(m *wb.Module) {
			m.Custom = append(m.Custom, wb.Custom{Name: "x", Payload: make([]byte, 50<<20)})
		}), RuleSize},
		{"global.set one past the end", withBody(wb.TypeNone, wb.I64Const, wb.S(1<<40), wb.GlobalSet, 1), RuleIndex},
		{"global.get one past the end", withBody(wb.TypeNone, wb.GlobalGet, 1, wb.Drop), RuleIndex},
		{"call one past the end", withBody(wb.TypeNone, wb.Call, 4), RuleIndex},
		{"element one past the end", with(func(m *wb.Module) {
			m.Add(wb.Tables, table(1))
			m.Add(wb.Elements, elements(0, 3))
		}), RuleIndex},
		{"type one past the end", withBody(4), RuleIndex},
		{"call_indirect of a type one past the end", with(func(m *wb.Module) {
			m.Add(wb.Tables, table(1))
			m.Func(wb.TypeNone, wb.I32Const, 0, wb.CallIndirect, 4, 0)
		}), RuleIndex},
		{"export one past the end", with(func(m *wb.Module) { m.Sections[wb.Exports] = nil; m.ExportProbe(3) }), RuleIndex},

		// Recursion.
		{"direct recursion", wb.Probe(wb.LocalGet, 0, wb.LocalGet, 1, wb.LocalGet, 2, wb.Call, 2), RuleRecursion},
		{"mutual recursion", with(func(m *wb.Module) {
			m.Func(wb.TypeNone, wb.Call, 4)
			m.Func(wb.TypeNone, wb.Call, 5)
			m.Func(wb.TypeNone, wb.Call, 3)
		}), RuleRecursion},
		{"recursion through the table", with(func(m *wb.Module) {
			m.Add(wb.Tables, table(1))
			f := m.Func(wb.TypeNone, wb.I32Const, 0, wb.CallIndirect, wb.TypeNone, 0)
			m.Add(wb.Elements, elements(0, f))
		}), RuleRecursion},
		{"recursion through an equal type", with(func(m *wb.Module) {
			same := m.Type("", "")
			m.Add(wb.Tables, table(1))
			f := m.Func(wb.TypeNone, wb.I32Const, 0, wb.CallIndirect, same, 0)
			m.Add(wb.Elements, elements(0, f))
		}), RuleRecursion},
		{"recursion through a call and the table", with(func(m *wb.Module) {
			m.Add(wb.Tables, table(1))
			f := m.Func(wb.TypeNone, wb.Call, 4)
			m.Func(wb.TypeNone, wb.I32Const, 0, wb.CallIndirect, wb.TypeNone, 0)
			m.Add(wb.Elements, elements(0, f))
		}), RuleRecursion},

		// Compile bombs.
		{"many blocks in one function", withBody(wb.TypeNone, repeat(513, wb.Block, wb.None, wb.End)), RuleSize},
		{"many loops in one function", withBody(wb.TypeNone, repeat(513, wb.Loop, wb.None, wb.End)), RuleSize},
		{"many locals", with(func(m *wb.Module) {
			m.FuncLocals(wb.TypeProbe, wb.Vec(wb.Code(wb.U(126), wb.I64)), ret)
		}), RuleSize},
		{"more locals than 32 bits", with(func(m *wb.Module) {
			group := wb.Code(wb.U(1<<32-1), wb.I64)
			m.FuncLocals(wb.TypeProbe, wb.Vec(group, group, group), ret)
		}), RuleSize},
		{"deep nesting", withBody(wb.TypeNone, repeat(65, wb.Block, wb.None), repeat(65, wb.End)), RuleSize},
		{"big br_table", withBody(wb.TypeNone, wb.I32Const, 0, wb.BrTable, wb.U(257), repeat(258, 0)), RuleSize},
		{"many branches in one function", withBody(wb.TypeNone, repeat(1025, wb.I32Const, 0, wb.BrIf, 0)), RuleSize},
		{"many branches in all functions", with(func(m *wb.Module) {
			for range 3 {
				m.Func(wb.TypeNone, repeat(700, wb.I32Const, 0, wb.BrIf, 0))
			}
		}), RuleSize},
		{"many branches in tables", withBody(wb.TypeNone, repeat(4, wb.Block, wb.None, wb.I32Const, 0, wb.BrTable, wb.U(256), make([]byte, 257), wb.End)), RuleSize},
		{"big body", withBody(wb.TypeNone, repeat(16<<10, wb.Nop)), RuleSize},
		{"many functions", with(func(m *wb.Module) {
			for range 1024 {
				m.Func(wb.TypeNone)
			}
		}), RuleSize},
		{"many parameters", with(func(m *wb.Module) { m.Type(strings.Repeat("\x7f", 17), "") }), RuleSize},
		{"many types", with(func(m *wb.Module) {
			for range 253 {
				m.Type("", "")
			}
		}), RuleSize},
		{"many globals", with(func(m *wb.Module) {
			for range 64 {
				m.Add(wb.Globals, wb.I32, 1, wb.I32Const, 0, wb.End)
			}
		}), RuleSize},
		{"many data segments", set(wb.Datas, bytes.Split(bytes.TrimSuffix(repeat(65, data(0, ""), 0xee), []byte{0xee}), []byte{0xee})...), RuleSize},
		{"more segments than bytes", with(func(m *wb.Module) { m.Tail = wb.Code(wb.Datas, 1, wb.U(63)) }), RuleEncoding},

		// Floats.
		{"float local", with(func(m *wb.Module) { m.FuncLocals(wb.TypeNone, wb.Vec(wb.Code(1, wb.F32))) }), RuleFeature},
		{"float parameter", with(func(m *wb.Module) { m.Type("\x7d", "") }), RuleFeature},
		{"float result", with(func(m *wb.Module) { m.Type("", "\x7c") }), RuleFeature},
		{"float global", with(func(m *wb.Module) { m.Add(wb.Globals, 0x7d, 0, 0x43, 0, 0, 0, 0, wb.End) }), RuleFeature},
		{"float block", withBody(wb.TypeNone, wb.Block, wb.F32, wb.Unreachable, wb.End, wb.Drop), RuleFeature},
		{"float constant", withBody(wb.TypeNone, 0x43, 0, 0, 0, 0, wb.Drop), RuleFeature},
		{"float load", withBody(wb.TypeNone, wb.I32Const, 0, 0x2a, 0, 0, wb.Drop), RuleFeature},
		{"float reinterpretation", withBody(wb.TypeNone, wb.I32Const, 0, 0xbe, 0xbc, wb.Drop), RuleFeature},

		// Later features.
		{"bulk memory", withBody(wb.TypeNone, repeat(3, wb.I32Const, 0), 0xfc, 0x0b, 0), RuleFeature},
		{"vectors", withBody(wb.TypeNone, 0xfd, 0x0c, make([]byte, 16), wb.Drop), RuleFeature},
		{"atomics", withBody(wb.TypeNone, 0xfe, 0x03, 0), RuleFeature},
		{"tail call", withBody(wb.TypeNone, 0x12, 3), RuleFeature},
		{"exceptions", withBody(wb.TypeNone, 0x06, wb.None, wb.End), RuleFeature},
		{"typed select", withBody(wb.TypeNone, repeat(3, wb.I32Const, 0), 0x1c, 1, wb.I32, wb.Drop), RuleFeature},
		{"block with a type index", withBody(wb.TypeNone, wb.Block, wb.TypeNone, wb.End), RuleFeature},
		{"several results", with(func(m *wb.Module) { m.Type("", "\x7f\x7f") }), RuleSize},
		{"data count section", with(func(m *wb.Module) { m.Tail = []byte{12, 1, 0} }), RuleFeature},
		{"passive data", set(wb.Datas, wb.Code(1, wb.Bytes("a"))), RuleMemory},
		{"declared elements", with(func(m *wb.Module) {
			m.Add(wb.Tables, table(1))
			m.Add(wb.Elements, 3, 0, 0)
		}), RuleTable},

		// Imports.
		{"import from another module", set(wb.Imports, wb.Code(wb.Bytes("env"), wb.Bytes("read_at"), 0, 0)), RuleImport},
		{"import of another name", set(wb.Imports, wb.Code(wb.Bytes("assay_v1"), wb.Bytes("write_at"), 0, 0)), RuleImport},
		{"import of the reserved fuel module", set(wb.Imports, wb.Code(wb.Bytes("assay_fuel"), wb.Bytes("refill"), 0, wb.TypeNone)), RuleImport},
		{"import with another type", set(wb.Imports, wb.Code(wb.Bytes("assay_v1"), wb.Bytes("read_at"), 0, wb.TypeReport)), RuleImport},
		{"import twice", set(wb.Imports,
			wb.Code(wb.Bytes("assay_v1"), wb.Bytes("report"), 0, wb.TypeReport),
			wb.Code(wb.Bytes("assay_v1"), wb.Bytes("report"), 0, wb.TypeReport)), RuleImport},
		{"imported memory", set(wb.Imports, wb.Code(wb.Bytes("assay_v1"), wb.Bytes("memory"), 2, 1, 1, 1)), RuleImport},
		{"imported global", set(wb.Imports, wb.Code(wb.Bytes("assay_v1"), wb.Bytes("read_at"), 3, wb.I32, 0)), RuleImport},
		{"three imports", with(func(m *wb.Module) {
			m.Add(wb.Imports, wb.Bytes("assay_v1"), wb.Bytes("report"), 0, wb.TypeReport)
		}), RuleSize},

		// Exports.
		{"no exports", set(wb.Exports), RuleExport},
		{"no probe", wb.Frame(), RuleExport},
		{"probe of another type", with(func(m *wb.Module) {
			m.Sections[wb.Exports] = m.Sections[wb.Exports][:2]
			m.ExportProbe(m.Func(wb.TypeNone))
		}), RuleExport},
		{"probe is an import", with(func(m *wb.Module) {
			m.Sections[wb.Exports] = m.Sections[wb.Exports][:2]
			m.ExportProbe(wb.FuncReadAt)
		}), RuleExport},
		{"exported twice", with(func(m *wb.Module) { m.ExportProbe(2) }), RuleExport},
		{"another function exported", with(func(m *wb.Module) { m.Export("_start", 0, 2) }), RuleExport},
		{"the fuel's name exported", with(func(m *wb.Module) { m.Export(fuelGlobal, 3, 0) }), RuleExport},
		{"window is mutable", set(wb.Globals, wb.Code(wb.I32, 1, wb.I32Const, 0, wb.End)), RuleExport},
		{"window is i64", set(wb.Globals, wb.Code(wb.I64, 0, wb.I64Const, 0, wb.End)), RuleExport},
		{"window beyond the memory", set(wb.Globals, wb.Code(wb.I32, 0, wb.I32Const, wb.S(65536-4095), wb.End)), RuleManifest},
		{"window at a negative address", set(wb.Globals, wb.Code(wb.I32, 0, wb.I32Const, wb.S(-1), wb.End)), RuleManifest},

		// Memory and table.
		{"no memory", set(wb.Memories), RuleIndex},
		{"memory without a maximum", set(wb.Memories, wb.Code(0, 1)), RuleMemory},
		{"memory that may grow", set(wb.Memories, wb.Code(1, 1, 2)), RuleMemory},
		{"17 pages", set(wb.Memories, wb.Code(1, 17, 17)), RuleMemory},
		{"no pages", set(wb.Memories, wb.Code(1, 0, 0)), RuleMemory},
		{"two memories", with(func(m *wb.Module) { m.Add(wb.Memories, 1, 1, 1) }), RuleSize},
		{"shared memory", set(wb.Memories, wb.Code(3, 1, 1)), RuleMemory},
		{"table of references", set(wb.Tables, wb.Code(0x6f, 1, 1, 1)), RuleTable},
		{"elements without a table", set(wb.Elements, elements(0, 2)), RuleTable},
		{"elements beyond the table", with(func(m *wb.Module) {
			m.Add(wb.Tables, table(1))
			m.Add(wb.Elements, elements(1, 2))
		}), RuleTable},
		{"call_indirect without a table", withBody(wb.TypeNone, wb.I32Const, 0, wb.CallIndirect, wb.TypeNone, 0), RuleTable},
		{"initializer from a global", with(func(m *wb.Module) { m.Add(wb.Globals, wb.I32, 0, wb.GlobalGet, 0, wb.End) }), RuleFeature},
		{"initializer of two instructions", with(func(m *wb.Module) {
			m.Add(wb.Globals, wb.I32, 0, wb.I32Const, 0, wb.I32Const, 0, wb.End)
		}), RuleFeature},
		{"initializer of another type", with(func(m *wb.Module) { m.Add(wb.Globals, wb.I32, 0, wb.I64Const, 0, wb.End) }), RuleFeature},

		// Encoding.
		{"number of six bytes", withBody(wb.TypeNone, wb.LocalGet, 0x80, 0x80, 0x80, 0x80, 0x80, 0, wb.Drop), RuleEncoding},
		{"number beyond 32 bits", withBody(wb.TypeNone, wb.LocalGet, 0x80, 0x80, 0x80, 0x80, 0x10, wb.Drop), RuleEncoding},
		{"i32 beyond 32 bits", withBody(wb.TypeNone, wb.I32Const, 0x80, 0x80, 0x80, 0x80, 0x08, wb.Drop), RuleEncoding},
		{"i32 with a torn sign", withBody(wb.TypeNone, wb.I32Const, 0xff, 0xff, 0xff, 0xff, 0x4f, wb.Drop), RuleEncoding},
		{"i64 of eleven bytes", withBody(wb.TypeNone, wb.I64Const, repeat(10, 0x80), 0, wb.Drop), RuleEncoding},
		{"i64 beyond 64 bits", withBody(wb.TypeNone, wb.I64Const, repeat(9, 0x80), 0x02, wb.Drop), RuleEncoding},
		{"sections out of order", with(func(m *wb.Module) { m.Tail = []byte{1, 1, 0} }), RuleEncoding},
		{"section twice", with(func(m *wb.Module) { m.Tail = []byte{10, 1, 0} }), RuleEncoding},
		{"section longer than the module", with(func(m *wb.Module) { m.Tail = []byte{11, 2, 0} }), RuleEncoding},
		{"section longer than its content", with(func(m *wb.Module) { m.Tail = []byte{11, 2, 0, 0} }), RuleEncoding},
		{"body longer than its code", withBody(wb.TypeNone, wb.End, wb.Nop), RuleEncoding},
		{"body without end", withBody(wb.TypeNone, wb.Block, wb.None), RuleEncoding},
		{"else without if", withBody(wb.TypeNone, wb.Block, wb.None, wb.Else, wb.End), RuleEncoding},
		{"else twice", withBody(wb.TypeNone, wb.I32Const, 0, wb.If, wb.None, wb.Else, wb.Else, wb.End), RuleEncoding},
		{"label beyond the function", withBody(wb.TypeNone, wb.Br, 1), RuleIndex},
		{"br_table label beyond the function", withBody(wb.TypeNone, wb.I32Const, 0, wb.BrTable, 2, 0, 9, 0), RuleIndex},
		{"br_table default beyond the function", withBody(wb.TypeNone, wb.I32Const, 0, wb.BrTable, 1, 0, 9), RuleIndex},
		{"local beyond the last", withBody(wb.TypeProbe, wb.LocalGet, 3), RuleIndex},
		{"write to an immutable global", withBody(wb.TypeNone, wb.I32Const, 0, wb.GlobalSet, 0), RuleIndex},
		{"alignment beyond the natural", withBody(wb.TypeNone, wb.I32Const, 0, wb.I32Load, 3, 0, wb.Drop), RuleEncoding},
		{"second memory by alignment flag", withBody(wb.TypeNone, wb.I32Const, 0, wb.I32Load, 0x42, 0, 0, wb.Drop), RuleEncoding},
		{"functions without bodies", set(wb.Codes), RuleEncoding},
		{"bodies without functions", with(func(m *wb.Module) { m.Add(wb.Codes, 2, 0, wb.End) }), RuleEncoding},
		{"name that is not UTF-8", with(func(m *wb.Module) { m.Custom = append(m.Custom, wb.Custom{Name: "\xff"}) }), RuleEncoding},

		// Manifest; its content has a test of its own.
		{"no manifest", with(func(m *wb.Module) { m.Custom = nil }), RuleManifest},
		{"two manifests", with(func(m *wb.Module) { m.Custom = append(m.Custom, m.Custom[0]) }), RuleManifest},
		{"manifest of another ABI", manifest(strings.Replace(wb.Manifest, `"abi":1`, `"abi":2`, 1)), RuleManifest},
		{"manifest of 9 KiB", manifest(wb.Manifest + strings.Repeat(" ", 9<<10)), RuleManifest},
	} {
		t.Run(c.name, func(t *testing.T) {
			wasm := c.mod.Bytes()
			_, err := load(wasm)
			fault, ok := errors.AsType[*ProfileError](err)
			if !ok {
				t.Fatalf("load: %v, want a *ProfileError", err)
			}
			if fault.Rule != c.rule {
				t.Errorf("refused by rule %s, want %s: %v", fault.Rule, c.rule, err)
			}
			if fault.Offset < 0 || fault.Offset > len(wasm) {
				t.Errorf("offset %d in a module of %d bytes", fault.Offset, len(wasm))
			}
		})
	}
}

// What the bounds just allow, with what linkers do unasked.
func TestProfileAccepts(t *testing.T) {
	for name, m := range map[string]*wb.Module{
		"minimal":   wb.Probe(ret),
		"512 loops": withBody(wb.TypeNone, repeat(512, wb.Loop, wb.None, wb.End)),
		"64 deep":   withBody(wb.TypeNone, repeat(64, wb.Block, wb.None), repeat(64, wb.End)),
		"128 locals": with(func(m *wb.Module) {
			m.FuncLocals(wb.TypeProbe, wb.Vec(wb.Code(wb.U(125), wb.I64)), wb.LocalGet, 2)
		}),
		"1024 branches":   withBody(wb.TypeNone, repeat(1024, wb.I32Const, 0, wb.BrIf, 0)),
		"br_table of 256": withBody(wb.TypeNone, wb.I32Const, 0, wb.BrTable, wb.U(256), repeat(257, 0)),
		"16 pages":        set(wb.Memories, wb.Code(1, 16, 16)),
		"no imports": with(func(m *wb.Module) {
			m.Sections[wb.Imports] = nil
			m.Sections[wb.Exports] = m.Sections[wb.Exports][:2]
			m.ExportProbe(0)
		}),
		"linker's globals": with(func(m *wb.Module) {
			m.Export("__data_end", 3, 0)
			m.Export("__heap_base", 3, 0)
		}),
		"padded indices": withBody(wb.TypeProbe, wb.LocalGet, 0x80, 0x80, 0x80, 0x80, 0, wb.I32Const, 0x80, 0x80, 0x80, 0x80, 0, wb.I32Add),
		"extreme constants": withBody(wb.TypeNone, wb.I32Const, wb.S(-1<<31), wb.Drop, wb.I32Const, wb.S(1<<31-1), wb.Drop,
			wb.I64Const, wb.S(-1<<63), wb.Drop, wb.I64Const, wb.S(1<<63-1), wb.Drop),
		"calls through the table": with(func(m *wb.Module) {
			m.Add(wb.Tables, table(1024))
			leaf := m.Func(wb.TypeNone)
			m.Func(wb.TypeReport, wb.I32Const, 0, wb.CallIndirect, wb.TypeNone, 0)
			m.Add(wb.Elements, elements(1023, leaf))
			m.Add(wb.Elements, elements(0, wb.FuncReport, leaf))
		}),
		"sign extension": withBody(wb.TypeProbe, wb.LocalGet, 0, 0xc0, 0xc1, wb.LocalGet, 1, 0xc2, 0xc3, 0xc4, wb.Drop),
		"size of memory": withBody(wb.TypeProbe, 0x3f, 0),
		"data":           set(wb.Datas, data(65534, "ab"), data(0, "")),
		"custom sections": with(func(m *wb.Module) {
			// The count in this section of names is a lie that wazero would
			// believe: 4 G entries.
			names := wb.Code(1, 5, wb.U(1<<32-1))
			m.Custom = append(m.Custom, wb.Custom{Name: "name", Payload: names}, wb.Custom{Name: "producers"})
		}),
	} {
		t.Run(name, func(t *testing.T) {
			m, err := load(m.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			validate(t, m)
		})
	}
}

// A module that ends with its code and is cut anywhere is refused.
func TestTruncatedAnywhere(t *testing.T) {
	wasm := with(func(m *wb.Module) {
		m.Add(wb.Tables, table(2))
		m.Add(wb.Elements, elements(0, 2))
		m.Func(wb.TypeNone, wb.Loop, wb.None, wb.I32Const, 1, wb.BrIf, 0, wb.I64Const, wb.S(-1<<63), wb.Drop, wb.End)
	}).Bytes()
	if _, err := load(wasm); err != nil {
		t.Fatal(err)
	}
	for n := range wasm {
		if _, err := load(wasm[:n:n]); err == nil {
			t.Errorf("the first %d of %d bytes are accepted", n, len(wasm))
		}
	}
}

// Checking a module costs memory in proportion to its size, whatever numbers
// it holds.
func TestRefusalIsFlat(t *testing.T) {
	const most = 1 << 20
	for name, wasm := range map[string][]byte{
		"50 MB custom section": with(func(m *wb.Module) {
			m.Custom = append(m.Custom, wb.Custom{Name: "x", Payload: make([]byte, 50<<20)})
		}).Bytes(),
		"table of 4 G":     set(wb.Tables, table(1<<32-1)).Bytes(),
		"4 G types":        append([]byte("\x00asm\x01\x00\x00\x00\x01\x06"), append(wb.U(1<<32-1), 0)...),
		"64 KiB of calls":  with(func(m *wb.Module) { manyCalls(m) }).Bytes(),
		"manifest nesting": with(func(m *wb.Module) { m.Custom[0].Payload = repeat(4<<10, '[') }).Bytes(),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = load(wasm)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > most {
			t.Errorf("%s: %d bytes allocated, at most %d are allowed", name, got, most)
		}
	}
}

// manyCalls fills a module with functions that call all those after them: as
// many edges of the call graph as fit.
func manyCalls(m *wb.Module) {
	const functions = 160
	for f := range functions {
		var code []byte
		for callee := f + 1; callee < functions; callee++ {
			code = append(code, wb.Code(wb.Call, wb.U(uint64(3+callee)))...)
		}
		m.Func(wb.TypeNone, code)
	}
}

// The modules that the project ships are far from the bounds.
func TestShippedModulesPass(t *testing.T) {
	files, err := filepath.Glob("../../probes/wasm/*.wasm")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		wasm, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m, err := load(wasm)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		validate(t, m)
		if got := len(wasm); got > maxModule/2 {
			t.Errorf("%s: %d bytes are more than half of what is allowed", file, got)
		}
	}
}

// validate has wazero validate the module, plain and metered, without running
// it.
func validate(t *testing.T, m *Module) {
	t.Helper()
	s := newSandbox(t, Config{Mode: ModeInterpreter})
	metered, err := m.parsed.meter(m.wasm)
	if err != nil {
		t.Fatal(err)
	}
	for name, wasm := range map[string][]byte{"plain": m.parsed.plain(m.wasm), "metered": metered} {
		c, err := s.interpreter.CompileModule(t.Context(), wasm)
		if err != nil {
			t.Errorf("wazero refuses the %s module: %v", name, err)
			continue
		}
		c.Close(t.Context())
	}
}
