package hostfuncs

import (
	"fmt"
	"strings"
)

// Class groups findings for the policy. The set is closed.
type Class string

// The classes of findings.
const (
	ExternalReference Class = "external-reference"
	FormatMismatch    Class = "format-mismatch"
	AmbiguousFormat   Class = "ambiguous-format"
	ClassMalformed    Class = "malformed"
	Incomplete        Class = "incomplete"
	UnknownFeature    Class = "unknown-feature"
	ResourceBomb      Class = "resource-bomb"
	Encrypted         Class = "encrypted"
	NeedsRepair       Class = "needs-repair"
	Container         Class = "container"
	Unsupported       Class = "unsupported"
	ProbeFailure      Class = "probe-failure"
	Legacy            Class = "legacy"
)

// Classes lists every class, in the order of the contract.
var Classes = []Class{
	ExternalReference, FormatMismatch, AmbiguousFormat, ClassMalformed, Incomplete, UnknownFeature,
	ResourceBomb, Encrypted, NeedsRepair, Container, Unsupported, ProbeFailure, Legacy,
}

// Kind says what a record with a given key carries.
type Kind uint8

const (
	// KindNumber is a property with one u64.
	KindNumber Kind = iota + 1
	// KindFlag is a property with one u64, 0 or 1.
	KindFlag
	// KindText is a property with bytes from the image (hostile: escaped in the report).
	KindText
	// KindReference is something outside the image that opening it would
	// pull in; it carries the target's bytes, possibly none.
	KindReference
	// KindFinding is a defect or a notable fact, with up to two u64.
	KindFinding
)

var kindNames = map[Kind]string{
	KindNumber: "number", KindFlag: "flag", KindText: "text", KindReference: "reference", KindFinding: "finding",
}

// String returns the kind's name as used in docs/abi.md.
func (k Kind) String() string { return kindNames[k] }

// Entry is one row of the table of keys and finding codes. The SDK's
// constants, the C header's and docs/abi-keys.md are generated from the same
// rows (go generate ./hostfuncs).
type Entry struct {
	// Key is the record key on the wire; 0 for findings that only the host
	// makes and no probe may report. Each format has 256 keys of its own.
	Key uint16
	// Kind is what the record carries.
	Kind Kind
	// Name is the stable id: "qcow2.backing-file". The part before the dot is
	// the format that may report it; names without a dot belong to every
	// format.
	Name string
	// Class is the class of the finding (KindFinding, KindReference).
	Class Class
	// Message is the finding's text. {value} and {limit} stand for the two
	// numbers of the record, {hex} for the first of them in hexadecimal;
	// {target} for a reference's escaped target.
	Message string
	// Doc is one line for docs/abi-keys.md: what it is, the unit, the source
	// in the format's specification.
	Doc string
}

// Format returns the part of the name before the dot, or "" when every format
// may report the entry.
func (e *Entry) Format() string {
	for i := range len(e.Name) {
		if e.Name[i] == '.' {
			return e.Name[:i]
		}
	}
	return ""
}

// Table returns all rows in the order of their keys within each group. The
// caller must not change them.
func Table() []*Entry { return table }

// Lookup returns the row of a key, or nil when no probe may report it.
func Lookup(key uint16) *Entry { return byKey[key] }

// ByName returns the row with the given stable id, or nil.
func ByName(name string) *Entry { return byName[name] }

// rows is about how many there are: the look-ups are made when a program
// starts, and to let them grow takes twice as long.
const rows = 1 << 9

var (
	table  []*Entry
	byKey  = make(map[uint16]*Entry, rows)
	byName = make(map[string]*Entry, rows)
)

// LimitID returns the id of the finding that the host makes when a numeric
// property exceeds the policy's bound: "qcow2.l1-bytes-limit" for
// "qcow2.l1_bytes".
func LimitID(property string) string {
	return strings.ReplaceAll(property, "_", "-") + "-limit"
}

// init builds the look-ups once; a broken table is a programming error that
// the first test run shows.
func init() {
	for _, group := range [][]Entry{
		coreEntries,
		qcow2Entries,
		mbrEntries,
		gptEntries,
		vmdkEntries,
		vhdEntries,
		luksEntries,
		isoEntries,
		vhdxEntries,
		vdiEntries,
		qcowEntries,
		qedEntries,
		parallelsEntries,
		containerEntries,
		dmgEntries,
		bochsEntries,
		cloopEntries,
	} {
		for i := range group {
			e := &group[i]
			add(e)
			if e.Kind == KindNumber {
				add(&Entry{
					Kind: KindFinding, Name: LimitID(e.Name), Class: ResourceBomb,
					Message: e.Name + " is {value}, the policy's bound is {limit}",
					Doc:     e.Name + " is over the policy's bound",
				})
			}
		}
	}
}

func add(e *Entry) {
	if byName[e.Name] != nil || (e.Key != 0 && byKey[e.Key] != nil) {
		panic(fmt.Sprintf("hostfuncs: table row %q (key %#04x) is there twice", e.Name, e.Key))
	}
	table = append(table, e)
	byName[e.Name] = e
	if e.Key != 0 {
		byKey[e.Key] = e
	}
}
