package engine

import (
	"slices"

	"github.com/assay-dev/assay/hostfuncs"
)

// decision is what the image was found to be.
type decision struct {
	format Format
	chosen *match // whose facts describe the disk; nil for raw and ambiguous
	// contents says that every other match is of what the disk holds.
	contents bool
	// deciding is the claim that would decide an ambiguous image, or "".
	deciding Format
}

// isContent reports whether m matched what the disk holds and not the image.
func (d *decision) isContent(m *match) bool { return d.contents && m != d.chosen }

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
func decide(matches []*match, claim Format, size int64) decision {
	if claim == "vhd" && size == SizeUnknown && onlyContents(matches, nil) {
		// What has arrived may be the contents of a fixed VHD, whose footer is
		// still to come.
		return decision{format: Raw, contents: true}
	}
	switch len(matches) {
	case 0:
		return decision{format: Raw}
	case 1:
		return decision{format: matches[0].format(), chosen: matches[0]}
	}
	for _, m := range matches {
		if coversAll(m, matches) {
			return decision{format: m.format(), chosen: m}
		}
	}
	for _, m := range matches {
		if !isFixedVHD(m) || !onlyContents(matches, m) {
			continue
		}
		if claim == "vhd" {
			return decision{format: "vhd", chosen: m, contents: true}
		}
		return decision{format: Ambiguous, deciding: "vhd"}
	}
	return decision{format: Ambiguous}
}

// onlyContents reports whether all matches but one are of what a disk is seen
// to hold when it is read as raw: the same bytes behind the footer of a fixed
// VHD are the contents of that.
func onlyContents(matches []*match, but *match) bool {
	return !slices.ContainsFunc(matches, func(m *match) bool {
		family := formats[m.format()].family
		return m != but && family != rawDisk && family != rawPayload
	})
}

// isFixedVHD reports whether m found a VHD that is raw but for its footer.
func isFixedVHD(m *match) bool {
	const fixed = 2
	return m.format() == "vhd" && m.number("vhd.disk_type") == fixed
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
