// Package wasmbuild writes small WebAssembly modules for tests and benchmarks:
// probes that do one thing, and modules that are wrong in one place. It checks
// nothing; that is the point.
package wasmbuild

import (
	"encoding/binary"
	"slices"
)

// Value types, and the type of a block without result.
const (
	I32  = 0x7f
	I64  = 0x7e
	F32  = 0x7d
	None = 0x40
)

// Opcodes that tests use; others are written as numbers.
const (
	Unreachable  = 0x00
	Nop          = 0x01
	Block        = 0x02
	Loop         = 0x03
	If           = 0x04
	Else         = 0x05
	End          = 0x0b
	Br           = 0x0c
	BrIf         = 0x0d
	BrTable      = 0x0e
	Return       = 0x0f
	Call         = 0x10
	CallIndirect = 0x11
	Drop         = 0x1a
	LocalGet     = 0x20
	LocalSet     = 0x21
	LocalTee     = 0x22
	GlobalGet    = 0x23
	GlobalSet    = 0x24
	I32Load      = 0x28
	I32Load8U    = 0x2d
	I32Store     = 0x36
	MemoryGrow   = 0x40
	I32Const     = 0x41
	I64Const     = 0x42
	I32Eqz       = 0x45
	I32Ne        = 0x47
	I32LtU       = 0x49
	I32Add       = 0x6a
	I32Sub       = 0x6b
	I32RemU      = 0x70
)

// Section ids.
const (
	Types = iota + 1
	Imports
	Funcs
	Tables
	Memories
	Globals
	Exports
	Start
	Elements
	Codes
	Datas
)

// Code joins instructions and their immediates: an int is one byte, a []byte
// is itself.
func Code(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			b = append(b, byte(p))
		case []byte:
			b = append(b, p...)
		}
	}
	return b
}

// U encodes an unsigned number as LEB128.
func U(v uint64) []byte { return binary.AppendUvarint(nil, v) }

// S encodes a signed number as LEB128.
func S(v int64) []byte {
	var b []byte
	for v < -64 || v > 63 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v)&0x7f)
}

// Bytes encodes a vector of bytes: a name, or what a data segment holds.
func Bytes(s string) []byte { return append(U(uint64(len(s))), s...) }

// Vec encodes a vector of entries.
func Vec(entries ...[]byte) []byte {
	return append(U(uint64(len(entries))), slices.Concat(entries...)...)
}

// Module is a module as lists of encoded entries by section id.
type Module struct {
	Sections [Datas + 1][][]byte
	// Custom sections come first, in this order.
	Custom []Custom
	// Tail is added at the end as it is.
	Tail []byte
}

// Custom is a custom section.
type Custom struct {
	Name    string
	Payload []byte
}

// Add appends an encoded entry to a section and returns its index there.
func (m *Module) Add(section int, entry ...any) int {
	m.Sections[section] = append(m.Sections[section], Code(entry...))
	return len(m.Sections[section]) - 1
}

// Type adds a function type; value types are bytes: "\x7f\x7e".
func (m *Module) Type(params, results string) int {
	return m.Add(Types, 0x60, Bytes(params), Bytes(results))
}

// Func adds a function without locals of its own and returns its index. The
// final end is added.
func (m *Module) Func(typ int, code ...any) int { return m.FuncLocals(typ, Vec(), code...) }

// FuncLocals is Func with an encoded declaration of locals.
func (m *Module) FuncLocals(typ int, locals []byte, code ...any) int {
	body := slices.Concat(locals, Code(code...), []byte{End})
	m.Add(Codes, U(uint64(len(body))), body)
	return len(m.Sections[Imports]) + m.Add(Funcs, U(uint64(typ)))
}

// Export adds an export; kind is 0 for functions, 2 memories, 3 globals.
func (m *Module) Export(name string, kind int, index int) {
	m.Add(Exports, Bytes(name), kind, U(uint64(index)))
}

// Bytes returns the encoded module.
func (m *Module) Bytes() []byte {
	pieces := [][]byte{[]byte("\x00asm\x01\x00\x00\x00")}
	section := func(id int, payload ...[]byte) {
		length := 0
		for _, p := range payload {
			length += len(p)
		}
		pieces = append(pieces, []byte{byte(id)}, U(uint64(length)))
		pieces = append(pieces, payload...)
	}
	for _, c := range m.Custom {
		section(0, Bytes(c.Name), c.Payload)
	}
	for id, entries := range m.Sections {
		switch {
		case len(entries) == 0:
		case id == Start:
			section(id, entries[0])
		default:
			section(id, Vec(entries...))
		}
	}
	return slices.Concat(append(pieces, m.Tail)...)
}

// What Probe puts into a module.
const (
	// Types.
	TypeReadAt = 0 // (i64, i32, i32) -> i32
	TypeReport = 1 // (i32, i32)
	TypeProbe  = 2 // (i32, i64, i32) -> i32
	TypeNone   = 3 // ()
	// Functions.
	FuncReadAt = 0
	FuncReport = 1
	// Window is the address of the window.
	Window = 4096
)

// Manifest is that of Probe: the format is qcow2, every image is wanted.
const Manifest = `{"abi":1,"name":"test","version":"1.0.0","format":"qcow2","window":4096,"always":true}`

// Probe returns a module that follows the ABI: the types and functions named
// above, one page of memory, and code as the body of assay_probe, which is
// the first function after the imports and must leave its result.
func Probe(code ...any) *Module {
	m := Frame()
	m.ExportProbe(m.Func(TypeProbe, code...))
	return m
}

// ExportProbe exports a function as assay_probe.
func (m *Module) ExportProbe(index int) { m.Export("assay_probe", 0, index) }

// Frame is Probe without any function.
func Frame() *Module {
	m := &Module{Custom: []Custom{{"assay.manifest", []byte(Manifest)}}}
	m.Type("\x7e\x7f\x7f", "\x7f")
	m.Type("\x7f\x7f", "")
	m.Type("\x7f\x7e\x7f", "\x7f")
	m.Type("", "")
	m.Add(Imports, Bytes("assay_v1"), Bytes("read_at"), 0, U(TypeReadAt))
	m.Add(Imports, Bytes("assay_v1"), Bytes("report"), 0, U(TypeReport))
	m.Add(Memories, 1, U(1), U(1))
	m.Add(Globals, I32, 0, I32Const, S(Window), End)
	m.Export("memory", 2, 0)
	m.Export("assay_window", 3, 0)
	return m
}
