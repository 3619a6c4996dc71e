package engine

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/assay-dev/assay/hostfuncs"
)

// judgement turns what the probes said into a report: facts become findings
// and properties, the policy gives each finding its severity.
type judgement struct {
	policy   *Policy
	options  options
	size     int64
	decision decision
	matches  []*match

	out *Report
}

// report returns everything but what was inspected and how long it took.
func (j *judgement) report() *Report {
	j.out = &Report{
		Schema:      SchemaVersion,
		Source:      Escape([]byte(j.options.name)),
		Size:        j.size,
		Format:      j.decision.format,
		VirtualSize: SizeUnknown,
		Claim:       j.options.claim,
		Depth:       j.options.depth.String(),
		Findings:    []Finding{},
		References:  []Reference{},
		Properties:  map[string]any{},
		Matches:     []MatchInfo{},
		Policy:      j.policy.Name(),
	}
	for _, m := range j.matches {
		said := len(j.out.Findings)
		j.facts(m)
		// Of a probe that failed it is not known what it would have said.
		if m.failed == nil && j.payload(m) {
			for i := range j.out.Findings[said:] {
				j.out.Findings[said+i].Severity = Info
			}
		}
	}
	j.claim()
	j.disk()
	slices.SortStableFunc(j.out.Findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(rank(b.Severity), rank(a.Severity)),
			cmp.Compare(a.offset(), b.offset()),
			strings.Compare(a.ID, b.ID),
		)
	})
	j.out.Accepted = !slices.ContainsFunc(j.out.Findings, func(f Finding) bool { return f.Severity == Reject })
	return j.out
}

// asRaw reports whether the image is to be read as a raw disk, by its claim,
// although it is something else.
func (j *judgement) asRaw() bool { return j.options.claim.judge(j.decision.format) == claimAsRaw }

// payload reports whether what m found is only what the bytes of a disk mean to
// whoever uses the disk. Nothing on the way there follows them, so what is
// wrong with them, or points outside, is no reason to refuse the disk.
func (j *judgement) payload(m *match) bool {
	switch formats[m.format()].family {
	case rawPayload, containerFormat:
		if j.asRaw() {
			return true
		}
	}
	return j.decision.isContent(m)
}

// rank orders severities, mildest first.
func rank(s Severity) int { return slices.Index([]Severity{Info, Warn, Reject}, s) }

// offset orders findings; those without a place come last.
func (f *Finding) offset() uint64 {
	if f.Place == nil {
		return math.MaxUint64
	}
	return f.Place.Offset
}

// place returns where a record was read, or nil when it has no single place.
func place(r *hostfuncs.Record) *Place {
	if r.Offset == hostfuncs.NoPlace {
		return nil
	}
	return &Place{r.Offset, r.Length}
}

// add appends the finding with the given id, its message filled from pairs of
// a word in braces and what stands for it.
func (j *judgement) add(id string, at *Place, probe string, words ...string) Severity {
	entry := hostfuncs.ByName(id)
	return j.addEntry(entry, at, probe, words...)
}

func (j *judgement) addEntry(entry *hostfuncs.Entry, at *Place, probe string, words ...string) Severity {
	message := entry.Message
	if strings.Contains(message, "{") {
		message = strings.NewReplacer(words...).Replace(message)
	}
	severity := j.policy.severity(entry.Class, entry.Name)
	j.out.Findings = append(j.out.Findings, Finding{
		ID: entry.Name, Class: entry.Class, Severity: severity, Message: message, Place: at, Probe: probe,
	})
	return severity
}

// facts adds what one probe said.
func (j *judgement) facts(m *match) {
	manifest := m.module.Manifest()
	spent := m.result.Spent
	j.out.Matches = append(j.out.Matches, MatchInfo{
		Format: m.format(), Probe: manifest.Name, Version: manifest.Version, SHA256: m.module.SHA256(),
		Fuel: spent.Fuel, Reads: spent.Reads, BytesRead: spent.ReadBytes,
	})
	if m.failed != nil {
		j.add("probe."+string(m.failed.Kind), nil, manifest.Name, "{probe}", manifest.Name, "{detail}", m.failed.Err.Error())
		return
	}
	rejected := false
	for i := range m.result.Records {
		r := &m.result.Records[i]
		switch r.Entry.Kind {
		case hostfuncs.KindFinding:
			rejected = j.addRecord(r, manifest.Name) == Reject || rejected
		case hostfuncs.KindReference:
			j.reference(r)
			rejected = j.addRecord(r, manifest.Name) == Reject || rejected
		default:
			j.property(r, manifest.Name)
		}
	}
	// Fail closed when a probe says "malformed" without saying what. The
	// exception are raw disks: a broken partition table leaves the disk what
	// it is.
	if m.result.Outcome == hostfuncs.MatchMalformed && !rejected && formats[m.format()].family != rawDisk {
		j.add("format.malformed", nil, manifest.Name)
	}
}

// addRecord adds the finding that a record stands for.
func (j *judgement) addRecord(r *hostfuncs.Record, probe string) Severity {
	return j.addEntry(r.Entry, place(r), probe,
		"{value}", fmt.Sprint(r.Values[0]), "{limit}", fmt.Sprint(r.Values[1]),
		"{hex}", fmt.Sprintf("%#x", r.Values[0]), "{target}", quoteTarget(r.Text))
}

// maxTargetInMessage bounds a target inside a message, in bytes; the whole of
// it is in the report's references.
const maxTargetInMessage = 128

func quoteTarget(b []byte) string {
	if len(b) > maxTargetInMessage {
		return `"` + Escape(b[:maxTargetInMessage]) + `…"`
	}
	return `"` + Escape(b) + `"`
}

func (j *judgement) reference(r *hostfuncs.Record) {
	_, kind, _ := strings.Cut(r.Entry.Name, ".")
	ref := Reference{Kind: kind, Target: Escape(r.Text)}
	if r.Offset != hostfuncs.NoPlace {
		ref.Offset = r.Offset
	}
	if !utf8.Valid(r.Text) {
		ref.TargetBase64 = bytes.Clone(r.Text)
	}
	j.out.References = append(j.out.References, ref)
}

// createType is the property that names a VMDK's subformat.
const createType = "vmdk.create_type"

// property adds a property and compares it with the policy's bound. What every
// format reports (the virtual size) has fields of its own.
func (j *judgement) property(r *hostfuncs.Record, probe string) {
	if r.Entry.Format() == "" {
		return
	}
	name := r.Entry.Name
	switch r.Entry.Kind {
	case hostfuncs.KindNumber:
		j.out.Properties[name] = r.Values[0]
		j.bound(name, r.Values[0], place(r), probe)
	case hostfuncs.KindFlag:
		j.out.Properties[name] = r.Values[0] == 1
	case hostfuncs.KindText:
		j.out.Properties[name] = Escape(r.Text)
		if name == createType && !j.policy.allowsSubformat(string(r.Text)) {
			j.add("vmdk.subformat", place(r), probe, "{target}", quoteTarget(r.Text))
		}
	}
}

// bound adds a finding when a value exceeds the policy's bound, or, without
// one, what an offset in a file can be.
func (j *judgement) bound(property string, value uint64, at *Place, probe string) {
	limit, ok := j.policy.bound(property)
	if !ok {
		limit = math.MaxInt64
	}
	if value > uint64(limit) {
		j.add(hostfuncs.LimitID(property), at, probe, "{value}", fmt.Sprint(value), "{limit}", fmt.Sprint(limit))
	}
}

// claim compares the claim with what was found.
func (j *judgement) claim() {
	found := j.decision.format
	if found == Ambiguous {
		var names []string
		for _, m := range j.matches {
			names = append(names, string(m.format()))
		}
		hint := ""
		if claim := j.decision.deciding; claim != "" {
			hint = "; a claim of " + string(claim) + " decides"
		}
		j.add("format.ambiguous", nil, "", "{formats}", strings.Join(names, ", "), "{hint}", hint)
		return
	}
	// While a stream arrives, what looks like a raw disk may turn out to be
	// one behind a footer.
	if j.size == SizeUnknown && formats[found].family != diskFormat {
		return
	}
	switch {
	case found == Raw && j.size == 0:
		j.add("raw.empty", nil, "")
	case found == Raw && j.options.claim == "":
		j.add("raw.unclaimed", nil, "")
	}
	if read := j.readAs(); !j.policy.allows(read) {
		j.add("format.not-allowed", nil, "", "{format}", string(read))
	}
	words := []string{"{claim}", string(j.options.claim), "{format}", string(found)}
	switch j.options.claim.judge(found) {
	case claimAsRaw:
		j.add("raw.claimed", j.seat(), j.probe(), words...)
	case claimMismatch:
		j.add("format.mismatch", j.seat(), j.probe(), words...)
	}
}

// readAs returns the format the image is to be read as.
func (j *judgement) readAs() Format {
	if j.asRaw() {
		return Raw
	}
	return j.decision.format
}

// seat returns where the format found shows itself: the first signature that
// matched.
func (j *judgement) seat() *Place {
	if j.decision.chosen == nil {
		return nil
	}
	return j.decision.chosen.seat
}

func (j *judgement) probe() string {
	if j.decision.chosen == nil {
		return ""
	}
	return j.decision.chosen.module.Manifest().Name
}

// disk fills in how the disk is read and how large it is.
func (j *judgement) disk() {
	format := j.readAs()
	driver, ok := format.Driver()
	if !ok {
		return
	}
	j.out.QemuDriver = driver
	switch {
	case formats[format].family != diskFormat:
		j.virtualSize(j.size, nil)
	case j.decision.chosen.failed != nil:
	default:
		chosen := j.decision.chosen
		if r := chosen.property("virtual_size"); r != nil {
			j.virtualSize(int64(min(r.Values[0], math.MaxInt64)), place(r))
		} else if chosen.result.Outcome == hostfuncs.Match && j.size != SizeUnknown {
			j.add("format.virtual-size-missing", nil, j.probe(), "{probe}", j.probe())
		}
	}
}

func (j *judgement) virtualSize(size int64, at *Place) {
	j.out.VirtualSize = size
	if size != SizeUnknown {
		j.bound("virtual_size", uint64(size), at, j.probe())
	}
}

// clone returns a copy that shares nothing with r.
func (r *Report) clone() *Report {
	c := *r
	c.Findings = slices.Clone(r.Findings)
	for i, f := range c.Findings {
		if f.Place != nil {
			at := *f.Place
			c.Findings[i].Place = &at
		}
	}
	c.References = slices.Clone(r.References)
	for i := range c.References {
		c.References[i].TargetBase64 = bytes.Clone(c.References[i].TargetBase64)
	}
	c.Properties = maps.Clone(r.Properties)
	c.Matches = slices.Clone(r.Matches)
	c.Inspected.Ranges = slices.Clone(r.Inspected.Ranges)
	return &c
}
