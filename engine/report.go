package engine

import (
	"fmt"

	"github.com/assay-dev/assay/hostfuncs"
)

// SchemaVersion is the version of the report's JSON schema
// (docs/schema/report.json).
const SchemaVersion = 1

// Severity is what a policy makes of a finding. The set is closed.
type Severity string

// The severities, mildest first.
const (
	Info   Severity = "info"
	Warn   Severity = "warn"
	Reject Severity = "reject"
)

// Class groups findings; the set is closed and listed in hostfuncs.Classes.
type Class = hostfuncs.Class

// Depth says how far an inspection looked.
type Depth = hostfuncs.Depth

// The depths of an inspection.
const (
	Header = hostfuncs.DepthHeader
	Deep   = hostfuncs.DepthDeep
)

// SizeUnknown stands for a size that could not be established.
const SizeUnknown int64 = -1

// Report is what an inspection found. The same bytes, size, claim, depth,
// probes and policy give the same report but for Source and ElapsedMicros.
// Strings that come from the image are escaped (see Escape).
type Report struct {
	Schema      int    `json:"schema"`
	Source      string `json:"source"`
	Size        int64  `json:"size"` // of the file, in bytes
	Format      Format `json:"format"`
	QemuDriver  string `json:"qemu_driver,omitempty"` // driver to read it with; absent when there is none
	VirtualSize int64  `json:"virtual_size"`          // of the disk, in bytes; -1 = not established (never when accepted)
	Claim       Format `json:"claim,omitempty"`
	Accepted    bool   `json:"accepted"`
	Depth       string `json:"depth"` // "header" or "deep"

	Findings   []Finding      `json:"findings"`
	References []Reference    `json:"references"`
	Properties map[string]any `json:"properties"` // values: uint64, bool or string
	Matches    []MatchInfo    `json:"matches"`
	Inspected  Inspected      `json:"inspected"`

	Policy        string `json:"policy"`
	ElapsedMicros int64  `json:"elapsed_us"`
}

// Place is where in the file something was read, in bytes.
type Place struct {
	Offset uint64 `json:"offset"`
	Length uint64 `json:"length"`
}

// Finding is a defect or a notable fact. ID is stable ("qcow2.backing-file");
// a missing Place means that it was not read in one place.
type Finding struct {
	ID       string   `json:"id"`
	Class    Class    `json:"class"`
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
	*Place
	Probe string `json:"probe,omitempty"`
}

// Reference is something outside the image that opening it would pull in.
type Reference struct {
	Kind         string `json:"kind"`                    // "backing-file"
	Target       string `json:"target"`                  // escaped
	TargetBase64 []byte `json:"target_base64,omitempty"` // the bytes themselves, when they are not UTF-8
	Offset       uint64 `json:"offset"`                  // where the target, or what announces it, was read
}

// MatchInfo names a probe that matched and what its runs spent.
type MatchInfo struct {
	Format    Format `json:"format"`
	Probe     string `json:"probe"`
	Version   string `json:"version"`
	SHA256    string `json:"sha256"` // of the module
	Fuel      int64  `json:"fuel"`   // weighted instructions
	Reads     int64  `json:"reads"`
	BytesRead int64  `json:"bytes_read"` // asked for, the window included
}

// Range is [offset, length] in bytes.
type Range [2]int64

// Inspected says which bytes of the file the verdict rests on: every byte
// that a probe could have seen.
type Inspected struct {
	Bytes  int64   `json:"bytes"`
	Ranges []Range `json:"ranges"`           // ascending, disjoint
	XXH64  string  `json:"xxh64"`            // of the ranges' bytes, in order
	SHA256 string  `json:"sha256,omitempty"` // likewise; of a vetted image, and when asked for
}

// FindingsOf returns the findings of a severity, in the report's order.
func (r *Report) FindingsOf(s Severity) []Finding {
	var out []Finding
	for _, f := range r.Findings {
		if f.Severity == s {
			out = append(out, f)
		}
	}
	return out
}

// rejection says why the image is rejected. It is for one that is.
func (r *Report) rejection() string {
	first := r.FindingsOf(Reject)[0]
	return fmt.Sprintf("rejected: %s: %s", first.ID, first.Message)
}
