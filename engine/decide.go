package engine

import (
	"github.com/assay-dev/assay/hostfuncs"
)

// decision is what the image was found to be.
type decision struct {
	format Format
	chosen *match // whose facts describe the disk; nil for raw and ambiguous
}

// pairing is an exception from the rule that several formats in one file are
// ambiguous: an image of format, in which also matches.
type pairing struct {
	format, also Format
	// when names a flag that the other probe must have set; "" asks for none.
	when string
}

var pairings = []pairing{
	// A GPT disk carries a protective or hybrid MBR (UEFI, section 5.2).
	{"gpt", "mbr", "mbr.protective"},
	// A hybrid ISO is a CD and a disk: the partition table lies in the system
	// area that ISO 9660 leaves to others (ECMA-119, section 6.2.1).
	{"iso", "mbr", ""},
	{"iso", "gpt", ""},
}

// decide chooses the format. A probe that failed counts as one that matched:
// what it would have said is not known, and its failure rejects.
func decide(matches []*match) decision {
	switch len(matches) {
	case 0:
		return decision{format: Raw}
	case 1:
		return decision{matches[0].format(), matches[0]}
	}
	for _, m := range matches {
		if coversAll(m, matches) {
			return decision{m.format(), m}
		}
	}
	return decision{format: Ambiguous}
}

// coversAll reports whether an exception lets m stand for all matches.
func coversAll(m *match, matches []*match) bool {
	for _, other := range matches {
		if other != m && !covers(m, other) {
			return false
		}
	}
	return true
}

func covers(m, other *match) bool {
	for _, p := range pairings {
		if p.format == m.format() && p.also == other.format() {
			if p.when == "" {
				return true
			}
			flag := other.property(p.when)
			return flag != nil && flag.Entry.Kind == hostfuncs.KindFlag && flag.Values[0] == 1
		}
	}
	return false
}
