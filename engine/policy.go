package engine

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/assay-dev/assay/hostfuncs"
)

// Policy turns findings into severities and bounds into findings. It is an
// immutable value made from a JSON document:
//
//	{"schema":1, "name":"strict",
//	 "rules":[{"class":"legacy","severity":"warn"}, {"id":"gpt.*","severity":"warn"}],
//	 "formats":["raw","qcow2","vmdk"], "vmdk_subformats":["monolithicSparse"],
//	 "bounds":{"virtual_size":70368744177664, "qcow2.snapshots":1024}}
//
// A rule matches a class, an id (with * for any run of characters) or both.
// The most specific matching rule wins: the one whose id has more literal
// characters, then the one that also names a class; of equals the stricter.
// What no rule matches rejects. Formats that are not listed reject, and so do
// values of a VMDK's createType; bounds are the largest accepted values of
// numeric properties. Unknown and repeated keys are errors. The zero Policy
// rejects everything.
type Policy struct {
	doc  policyDocument
	text []byte
}

type policyDocument struct {
	Schema  int          `json:"schema"`
	Name    string       `json:"name"`
	Rules   []policyRule `json:"rules"`
	Formats []Format     `json:"formats"`
	// VMDKSubformats are values of createType, compared exactly.
	VMDKSubformats []string         `json:"vmdk_subformats"`
	Bounds         map[string]int64 `json:"bounds"`
}

type policyRule struct {
	Class    Class    `json:"class,omitempty"`
	ID       string   `json:"id,omitempty"`
	Severity Severity `json:"severity"`
}

// maxPolicy bounds a policy document, in bytes.
const maxPolicy = 1 << 20

//go:embed policy_strict.json
var strictDocument []byte

// Strict returns the default policy, the embedded document policy_strict.json.
func Strict() Policy {
	p, err := ParsePolicy(strictDocument)
	if err != nil {
		panic("engine: the embedded strict policy: " + err.Error()) // a test parses it
	}
	return p
}

// ParsePolicy reads a policy document of at most 1 MiB.
func ParsePolicy(text []byte) (Policy, error) {
	if len(text) > maxPolicy {
		return Policy{}, fmt.Errorf("policy: %d bytes exceed the bound of %d", len(text), maxPolicy)
	}
	if err := refuseRepeatedKeys(text); err != nil {
		return Policy{}, fmt.Errorf("policy: %w", err)
	}
	var doc policyDocument
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		return Policy{}, fmt.Errorf("policy: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return Policy{}, fmt.Errorf("policy: something follows the document at byte %d", dec.InputOffset())
	}
	if err := doc.check(); err != nil {
		return Policy{}, fmt.Errorf("policy: %w", err)
	}
	return Policy{doc, bytes.Clone(text)}, nil
}

func (d *policyDocument) check() error {
	if d.Schema != 1 {
		return fmt.Errorf("schema is %d, must be 1", d.Schema)
	}
	if d.Name == "" || Escape([]byte(d.Name)) != d.Name {
		return fmt.Errorf("name %q must be printable and not empty", d.Name)
	}
	for i, r := range d.Rules {
		if r.Class == "" && r.ID == "" {
			return fmt.Errorf("rule %d matches nothing: give it a class or an id", i+1)
		}
		if r.Class != "" && !slices.Contains(hostfuncs.Classes, r.Class) {
			return fmt.Errorf("rule %d: class %q is not known; known are: %s", i+1, r.Class, joinClasses())
		}
		if !slices.Contains([]Severity{Info, Warn, Reject}, r.Severity) {
			return fmt.Errorf("rule %d: severity %q must be info, warn or reject", i+1, r.Severity)
		}
		if r.ID != "" && !matchesSomeFinding(r.ID) {
			return fmt.Errorf("rule %d: id %q matches no finding there is", i+1, r.ID)
		}
	}
	for _, f := range d.Formats {
		if _, ok := formats[f]; !ok {
			return fmt.Errorf("formats: %q is not known; known are: %s", f, strings.Join(FormatNames(), " "))
		}
	}
	for _, s := range d.VMDKSubformats {
		if !slices.Contains(vmdkSubformats, s) {
			return fmt.Errorf("vmdk_subformats: %q is not known; known are: %s", s, strings.Join(vmdkSubformats, " "))
		}
	}
	for name, bound := range d.Bounds {
		if e := hostfuncs.ByName(name); e == nil || e.Kind != hostfuncs.KindNumber {
			return fmt.Errorf("bounds: %q is not a numeric property", name)
		}
		if bound < 0 {
			return fmt.Errorf("bounds: %s is %d, must not be negative", name, bound)
		}
	}
	return nil
}

// vmdkSubformats are the values of createType that Virtual Disk Format 5.0
// names (section "The Descriptor File"), and seSparse, which came later.
var vmdkSubformats = []string{
	"monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat", "streamOptimized",
	"fullDevice", "partitionedDevice", "vmfs", "vmfsSparse", "vmfsRDM", "vmfsRaw", "vmfsPassthroughRawDeviceMap",
	"vmfsRawDeviceMap", "vmfsPreallocated", "vmfsEagerZeroedThick", "vmfsThin", "seSparse", "custom",
}

func joinClasses() string {
	var names []string
	for _, c := range hostfuncs.Classes {
		names = append(names, string(c))
	}
	return strings.Join(names, " ")
}

// matchesSomeFinding reports whether any finding of the table has an id that
// the glob matches, so that a misspelt rule is an error and not a rule that
// never applies.
func matchesSomeFinding(glob string) bool {
	return slices.ContainsFunc(hostfuncs.Table(), func(e *hostfuncs.Entry) bool {
		return (e.Kind == hostfuncs.KindFinding || e.Kind == hostfuncs.KindReference) && matchGlob(glob, e.Name)
	})
}

// Name returns the policy's name, as shown in reports.
func (p Policy) Name() string { return p.doc.Name }

// Document returns a copy of the JSON the policy was made from.
func (p Policy) Document() []byte { return bytes.Clone(p.text) }

// Severity returns what the policy makes of a finding with the given class and
// id.
func (p Policy) Severity(class Class, id string) Severity { return p.severity(class, id) }

// severity is Severity.
func (p *Policy) severity(class Class, id string) Severity {
	best, specificity := Reject, -1
	for _, r := range p.doc.Rules {
		if r.Class != "" && r.Class != class || r.ID != "" && !matchGlob(r.ID, id) {
			continue
		}
		s := 2 * (len(r.ID) - strings.Count(r.ID, "*"))
		if r.Class != "" {
			s++
		}
		if s > specificity || s == specificity && rank(r.Severity) > rank(best) {
			best, specificity = r.Severity, s
		}
	}
	return best
}

// allows reports whether the policy lists the format.
func (p *Policy) allows(f Format) bool { return slices.Contains(p.doc.Formats, f) }

// allowsSubformat reports whether the policy lists a VMDK's createType.
func (p *Policy) allowsSubformat(createType string) bool {
	return slices.Contains(p.doc.VMDKSubformats, createType)
}

// bound returns the largest accepted value of a numeric property, and whether
// there is one.
func (p *Policy) bound(property string) (int64, bool) {
	b, ok := p.doc.Bounds[property]
	return b, ok
}

// matchGlob reports whether s matches a pattern in which * stands for any run
// of characters, empty ones included. It takes O(len(pattern)*len(s)).
func matchGlob(pattern, s string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !strings.HasPrefix(s, head) {
		return false
	}
	s = s[len(head):]
	if !star {
		return s == ""
	}
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(s, part)
		}
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s, rest = s[i+len(part):], after
	}
}

// refuseRepeatedKeys fails when an object names a key twice: encoding/json
// would let the last one win in silence.
func refuseRepeatedKeys(text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	var stack []map[string]bool // nil for an array
	key := true
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := tok.(type) {
		case json.Delim:
			switch t {
			case '{':
				stack, key = append(stack, map[string]bool{}), true
				continue
			case '[':
				stack = append(stack, nil)
				continue
			default:
				stack = stack[:len(stack)-1]
			}
		case string:
			if n := len(stack); n > 0 && stack[n-1] != nil && key {
				if stack[n-1][t] {
					return fmt.Errorf("key %q is given twice, at byte %d", t, dec.InputOffset())
				}
				stack[n-1][t] = true
				key = false
				continue
			}
		}
		key = true
	}
}
