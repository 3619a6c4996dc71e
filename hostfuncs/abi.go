// Package hostfuncs is the whole of what a probe can ask of the host: the two
// functions of the import module assay_v1, the budgets they are charged to,
// and the facts a probe reports, decoded into plain data.
//
// What it protects: every number a guest passes (pointers, lengths, offsets,
// record headers) is checked here before it is used, so that the sandbox can
// bind these functions to any WebAssembly runtime without checks of its own.
// It promises determinism: the same bytes, size, depth and budget give the
// same records and the same spending. It does not judge what was found: that
// is the engine's business (facts become findings, a policy gives each a
// severity).
//
// The package depends on the standard library alone. docs/abi.md describes
// the ABI for authors of probes in any language.
package hostfuncs

const (
	// ABIVersion is the version of the probe ABI this package implements; a
	// manifest must name it.
	ABIVersion = 1

	// ImportModule is the only module a probe may import from.
	ImportModule = "assay_v1"
	// ImportReadAt is read_at(offset i64, ptr i32, len i32) -> i32.
	ImportReadAt = "read_at"
	// ImportReport is report(ptr i32, len i32).
	ImportReport = "report"

	// ExportMemory is the linear memory; declared minimum equals maximum.
	ExportMemory = "memory"
	// ExportWindow is an immutable i32 global: the address where the host puts
	// the head of the file before the run.
	ExportWindow = "assay_window"
	// ExportProbe is assay_probe(window_len i32, size i64, depth i32) -> i32.
	ExportProbe = "assay_probe"

	// ManifestSection is the custom section that holds the manifest (JSON).
	ManifestSection = "assay.manifest"

	// MaxWindow is the largest window a manifest may ask for, in bytes.
	MaxWindow = 64 << 10
	// MaxPages is the largest linear memory of a probe, in 64 KiB pages.
	MaxPages = 16
)

// Depth says how far a probe is to look.
type Depth int32

const (
	// DepthHeader looks at headers and everything they point to directly.
	DepthHeader Depth = 0
	// DepthDeep also walks every mapping table.
	DepthDeep Depth = 1
)

// String returns the name used in reports: "header" or "deep".
func (d Depth) String() string {
	if d == DepthDeep {
		return "deep"
	}
	return "header"
}

// Outcome is what assay_probe returns.
type Outcome int32

const (
	// NoMatch: the bytes are not of the probe's format.
	NoMatch Outcome = 0
	// Match: the bytes are of the format.
	Match Outcome = 1
	// MatchMalformed: the bytes are of the format, and damaged or cut.
	MatchMalformed Outcome = 2
)

// SizeUnknown is the size given to a probe while a stream is still arriving.
const SizeUnknown int64 = -1
