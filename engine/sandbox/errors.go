package sandbox

import (
	"errors"
	"fmt"
)

// ErrClosed is returned by Run after the sandbox was closed.
var ErrClosed = errors.New("sandbox is closed")

// Rule names the part of the profile that a module breaks.
type Rule string

// The rules of the profile.
const (
	RuleSize      Rule = "size"      // of the module, of a body, of what is counted
	RuleEncoding  Rule = "encoding"  // the binary format itself: magic, LEB128, section order, cut short
	RuleFeature   Rule = "feature"   // what the profile leaves out: floats, start, growth, bulk memory and the like
	RuleIndex     Rule = "index"     // an index of a type, function, global, local or label that does not exist
	RuleImport    Rule = "import"    // anything but the functions of assay_v1
	RuleExport    Rule = "export"    // what the ABI asks for is missing, or something else is exported
	RuleMemory    Rule = "memory"    // not exactly one fixed, small memory, or data outside it
	RuleTable     Rule = "table"     // not at most one fixed, small table, or elements outside it
	RuleRecursion Rule = "recursion" // a function can reach itself
	RuleManifest  Rule = "manifest"  // missing, twice, or not what its documentation says
)

// ProfileError says why a module was refused by Load.
type ProfileError struct {
	Offset int // in the module, in bytes
	Rule   Rule
	Detail string
}

// Error implements error.
func (e *ProfileError) Error() string {
	return fmt.Sprintf("module breaks the profile (%s) at byte %d: %s", e.Rule, e.Offset, e.Detail)
}

// ProbeErrorKind says how a probe failed; it is the last part of the finding's
// id.
type ProbeErrorKind string

// The ways a probe fails.
const (
	// ProbeTrap: a WebAssembly trap, a pointer outside the memory passed to
	// the host, or code that wazero does not accept.
	ProbeTrap ProbeErrorKind = "trap"
	// ProbeBudget: the run tried to spend more than its budget; Err is a
	// *hostfuncs.BudgetError.
	ProbeBudget ProbeErrorKind = "budget"
	// ProbeReport: the records or the return value break the ABI.
	ProbeReport ProbeErrorKind = "report"
)

// ProbeError says that a run failed and that the probe, not the source and not
// the caller, is at fault.
type ProbeError struct {
	Module string // the manifest's name
	Kind   ProbeErrorKind
	Err    error
}

// Error implements error.
func (e *ProbeError) Error() string {
	return fmt.Sprintf("probe %s failed (%s): %v", e.Module, e.Kind, e.Err)
}

// Unwrap returns what went wrong.
func (e *ProbeError) Unwrap() error { return e.Err }
