package engine

import (
	"fmt"
	"slices"
	"strings"
)

// Format is the name of an image format as used in reports, claims and on the
// command line: "qcow2".
type Format string

// Raw is a disk without a format: what no probe recognizes.
const Raw Format = "raw"

// Ambiguous is a report's format when several formats match and no rule
// decides between them.
const Ambiguous Format = "ambiguous"

// family groups formats by how a claim of raw sees them.
type family uint8

const (
	diskFormat      family = iota // mapped: reading it as raw gives other bytes
	rawDisk                       // a raw disk with a partition table or nothing
	rawPayload                    // something a raw disk may hold: a claim of raw is a warning
	containerFormat               // not a disk: holds one; a claim of raw is a warning
)

// formatInfo is one row of the table of formats.
type formatInfo struct {
	driver string // of qemu; "" = qemu-img is never given it
	family family
}

// formats is the closed set of the contract. Which of them have a probe is a
// matter of the probe set; a claim may name any.
var formats = map[Format]formatInfo{
	Raw: {"raw", rawDisk}, "gpt": {"raw", rawDisk}, "mbr": {"raw", rawDisk},
	"iso": {"raw", rawPayload}, "luks": {"raw", rawPayload},
	"qcow": {"qcow", diskFormat}, "qcow2": {"qcow2", diskFormat}, "qed": {"qed", diskFormat},
	"vmdk": {"vmdk", diskFormat}, "vdi": {"vdi", diskFormat}, "vhd": {"vpc", diskFormat},
	"vhdx": {"vhdx", diskFormat}, "parallels": {"parallels", diskFormat}, "bochs": {"bochs", diskFormat},
	"cloop": {"cloop", diskFormat}, "dmg": {"dmg", diskFormat},
	"gzip": {"", containerFormat}, "xz": {"", containerFormat}, "zstd": {"", containerFormat},
	"bzip2": {"", containerFormat}, "lz4": {"", containerFormat}, "lzma": {"", containerFormat},
	"zip": {"", containerFormat}, "tar": {"", containerFormat}, "ova": {"", containerFormat},
}

// aliases are accepted where a format is read from a user.
var aliases = map[string]Format{"vpc": "vhd", "ploop": "parallels"}

// amazonClaims are claims (not formats) for the parts of an Amazon machine
// image, and amazonFormats what may stand behind them.
var (
	amazonClaims  = []Format{"ami", "aki", "ari"}
	amazonFormats = []Format{Raw, "gpt", "mbr", "qcow2"}
)

// ParseFormat returns the format a user named, aliases resolved ("vpc" is
// vhd). Names are exact: lower case, no spaces.
func ParseFormat(name string) (Format, error) {
	if f, ok := aliases[name]; ok {
		return f, nil
	}
	if _, ok := formats[Format(name)]; ok {
		return Format(name), nil
	}
	return "", fmt.Errorf("format %q is not known; known are: %s", name, strings.Join(FormatNames(), " "))
}

// ParseClaim is ParseFormat for a claim: it also takes ami, aki and ari.
func ParseClaim(name string) (Format, error) {
	if slices.Contains(amazonClaims, Format(name)) {
		return Format(name), nil
	}
	return ParseFormat(name)
}

// FormatNames lists every format, sorted.
func FormatNames() []string {
	names := make([]string, 0, len(formats))
	for f := range formats {
		names = append(names, string(f))
	}
	slices.Sort(names)
	return names
}

// Driver returns qemu's name of the driver that reads the format, and false
// for containers and unknown names, which are never given to qemu.
func (f Format) Driver() (string, bool) {
	info, ok := formats[f]
	return info.driver, ok && info.driver != ""
}

// claimVerdict says how a claim goes with what was found.
type claimVerdict uint8

const (
	claimHolds    claimVerdict = iota // the same, or a raw disk with partitions
	claimAsRaw                        // raw claimed on something a raw disk may hold
	claimMismatch                     // neither
)

// judge compares a claim with the format found. No claim always holds.
func (claim Format) judge(found Format) claimVerdict {
	switch {
	case claim == "" || claim == found:
		return claimHolds
	case slices.Contains(amazonClaims, claim):
		if slices.Contains(amazonFormats, found) {
			return claimHolds
		}
	case claim == Raw:
		switch formats[found].family {
		case rawDisk:
			return claimHolds
		case rawPayload, containerFormat:
			return claimAsRaw
		}
	}
	return claimMismatch
}
