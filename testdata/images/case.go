// Package images builds the disk images that tests, fuzz seeds, benchmarks
// and the demo look at, field by field as the format specifications lay them
// out, and says what must be found in each.
//
// It is a pure generator: no files, no tools, no randomness; the same call
// gives the same bytes on every machine. The images are small (most below
// 64 KiB) and the valid ones are valid: a test has qemu-img check and read
// them where it is installed. The hostile ones differ from a valid one in what
// their name says and in nothing else.
package images

import (
	"slices"
	"strings"
)

// Case is an image and what must be said of it under the strict policy.
type Case struct {
	// Name is unique and fit for a file name: "qcow2-backing-absolute".
	Name string
	// Build returns the bytes; every call returns new ones.
	Build func() []byte
	// Claim is the format the image is claimed to be, or "".
	Claim string
	// Deep says that only a deep inspection sees WantFinding; at header depth
	// the image is accepted.
	Deep bool
	// WantFormat is the format of the report.
	WantFormat string
	// WantFinding is the id of a finding that must be among the report's, or
	// "" when there must be none that warns or rejects.
	WantFinding string
	// WantAccepted is the verdict.
	WantAccepted bool
}

// All returns the valid cases, then the hostile ones.
func All() []Case { return append(Valid(), Hostile()...) }

// Valid returns images that must be accepted at every depth.
func Valid() []Case {
	return slices.Concat(
		validQcow2(),
		validDisks(),
		validVMDK(),
		validVHD(),
		validLUKS(),
		validISO(),
		validVHDX(),
		validVDI(),
		validParallels(),
		validQED(),
		validQcow(),
	)
}

// Hostile returns images with something to be said about them; most must be
// rejected.
func Hostile() []Case {
	return slices.Concat(
		references(),
		qcow2Geometry(),
		qcow2Features(),
		qcow2Cut(),
		damagedDisks(),
		luksDefects(),
		isoDefects(),
		udfDefects(),
		containers(),
		unopened(),
		lookalikes(),
		vmdkReferences(),
		vmdkTexts(),
		vmdkGeometry(),
		vmdkCut(),
		vmdkAlone(),
		vmdkLookalikes(),
		hostileVHD(),
		hostileVHDX(),
		hostileVDI(),
		hostileParallels(),
		hostileQED(),
		hostileQcow(),
	)
}

// variant is a row of a table of qcow2 images.
type variant struct {
	name    string
	options []Option
}

func (v variant) build() []byte { return Qcow2(v.options...) }

func with(options ...Option) []Option { return options }

// sorted returns the cases in the order of their names.
func sorted(cases []Case) []Case {
	slices.SortFunc(cases, func(a, b Case) int { return strings.Compare(a.Name, b.Name) })
	return cases
}
