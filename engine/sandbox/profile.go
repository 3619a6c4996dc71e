package sandbox

import "github.com/assay-dev/assay/hostfuncs"

// The profile: what a module may be. The bounds keep every cost that wazero
// does not bound itself within small numbers: compile time (CompileModule
// ignores its context; a 25 KB module took it 1 to 3 s and 110 MB), the native
// stack, what an instance allocates, and the longest stretch of code between
// two charges of fuel. Shipped probes use a fifth of them.
const (
	// maxModule is the size of a module, in bytes. It also bounds custom
	// sections, which never reach wazero.
	maxModule = 64 << 10

	// Compile time of one function grows faster than its size: with the edges
	// of its control flow, and with edges times locals. 1 900 branches to
	// nested loops in 9 KiB took 1.5 s; within these bounds the worst that we
	// found is half a second for a whole module (BenchmarkCompileWorst).
	maxBody      = 16 << 10 // bytes, with the declaration of locals
	maxLocals    = 128      // with the parameters
	maxParams    = 16
	maxBlocks    = 512  // block, loop and if
	maxBranches  = 1024 // br, br_if and targets of br_table
	maxEdges     = 2048 // all branches of the module
	maxDepth     = 64   // of nested blocks
	maxBrTargets = 256  // of one br_table, without the default

	// maxFunctions bounds the depth of calls, as there is no recursion. The
	// interpreter ends a run at 2 000 frames, the compiler at a number of
	// bytes; with fewer functions neither is ever reached.
	maxFunctions = 1024
	maxTypes     = 256

	// What an instance allocates for each run.
	maxGlobals  = 64
	maxTable    = 1024 // entries
	maxElements = 64   // segments
	maxData     = 64   // segments

	maxExports = 16
	pageSize   = 64 << 10
)

// Value types of WebAssembly; the profile knows two of the four numbers.
const (
	typeI32     = 0x7f
	typeI64     = 0x7e
	typeF32     = 0x7d
	typeF64     = 0x7c
	typeFuncref = 0x70
	typeFunc    = 0x60
	typeNone    = 0x40 // of a block
)

// Section ids, WebAssembly 1.0, section 5.5.2.
const (
	sectionCustom = iota
	sectionType
	sectionImport
	sectionFunction
	sectionTable
	sectionMemory
	sectionGlobal
	sectionExport
	sectionStart
	sectionElement
	sectionCode
	sectionData
)

// Kinds of imports and exports.
const (
	kindFunc = iota
	kindTable
	kindMemory
	kindGlobal
)

// imports are the functions a module may import from hostfuncs.ImportModule,
// each at most once.
var imports = map[string]funcType{
	hostfuncs.ImportReadAt: {params: "\x7e\x7f\x7f", result: typeI32},
	hostfuncs.ImportReport: {params: "\x7f\x7f"},
}

// probeType is the type of hostfuncs.ExportProbe.
var probeType = funcType{params: "\x7f\x7e\x7f", result: typeI32}

// toolGlobals are exported by linkers whether asked or not. They are harmless
// as constants, and refusing them would ask for a tool to strip them.
var toolGlobals = map[string]bool{"__data_end": true, "__heap_base": true}
