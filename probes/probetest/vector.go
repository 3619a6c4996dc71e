package probetest

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/hostfuncs"
)

// Vector is an image and what must be said of it: a file that starts with
// lines of a key and a value, then an empty line, then the image.
//
//	comment: the header ends where the file does
//	expect: malformed
//	finding: qcow2.header-cut
//	budget: fuel 20000
//
//	QFI…
//
// The keys, each at most once unless it says otherwise:
//
//   - comment: for people (any number);
//   - expect: match, malformed or no-match is what the probe returns; accept
//     or reject what the strict policy makes of what it reports (any number,
//     all must hold);
//   - finding: the id of a finding or reference that is reported; "none" says
//     that there is none (any number);
//   - property: a name and the value, of a flag 0 or 1 (any number);
//   - budget: fuel, reads, read_bytes or report_bytes and what the run may
//     spend at most (any number);
//   - depth: header, the default, or deep;
//   - size: of the file in bytes, when it is not that of the image, see Input;
//     "unknown" for a stream that is still arriving;
//   - short: "yes" for a file that shrank, see Input;
//   - body: "hex" when the image is written as lines of an offset, a colon and
//     hexadecimal bytes, "0x1fe: 55 aa"; the rest is zeros. Otherwise the image
//     is the bytes themselves.
//
// Without expect, the run must only come to an end of its own.
type Vector struct {
	Comment []string
	Input
	Expect     []string
	Findings   []string
	Properties [][2]string
	Budget     hostfuncs.Budget
}

// maxVector bounds a vector with its image, in bytes.
const maxVector = 64 << 20

var expectations = []string{"match", "malformed", "no-match", "accept", "reject"}

// ParseVector reads a vector. Unknown keys are errors.
func ParseVector(text []byte) (*Vector, error) {
	if len(text) > maxVector {
		return nil, fmt.Errorf("vector of %d bytes, at most %d are allowed", len(text), maxVector)
	}
	v := &Vector{}
	seen := map[string]bool{}
	asHex := false
	for number := 1; ; number++ {
		line, rest, found := bytes.Cut(text, []byte("\n"))
		if !found {
			return nil, errors.New("vector has no empty line that ends its head")
		}
		text = rest
		if len(line) == 0 {
			break
		}
		key, value, found := strings.Cut(string(line), ": ")
		if !found {
			return nil, fmt.Errorf("line %d: must be a key, a colon, a space and a value", number)
		}
		if seen[key] && slices.Contains([]string{"depth", "size", "short", "body"}, key) {
			return nil, fmt.Errorf("line %d: %s is given twice", number, key)
		}
		seen[key] = true
		var err error
		if key == "body" {
			if asHex = value == "hex"; !asHex {
				err = fmt.Errorf("%q is not hex", value)
			}
		} else {
			err = v.set(key, value)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", number, key, err)
		}
	}
	v.Content = bytes.Clone(text)
	if asHex {
		var err error
		if v.Content, err = parseHex(string(text)); err != nil {
			return nil, err
		}
	}
	if v.Size > 0 && v.Size < int64(len(v.Content)) {
		return nil, fmt.Errorf("size is %d, the image has %d bytes", v.Size, len(v.Content))
	}
	return v, nil
}

func (v *Vector) set(key, value string) (err error) {
	switch key {
	case "comment":
		v.Comment = append(v.Comment, value)
	case "expect":
		if !slices.Contains(expectations, value) {
			return fmt.Errorf("%q is none of %s", value, strings.Join(expectations, ", "))
		}
		v.Expect = append(v.Expect, value)
	case "finding":
		if e := hostfuncs.ByName(value); value != "none" && (e == nil || e.Key == 0 || e.Class == "") {
			return fmt.Errorf("no probe can report %q", value)
		}
		v.Findings = append(v.Findings, value)
	case "property":
		name, want, _ := strings.Cut(value, " ")
		if e := hostfuncs.ByName(name); e == nil || e.Key == 0 || e.Class != "" {
			return fmt.Errorf("no probe can report %q", name)
		}
		v.Properties = append(v.Properties, [2]string{name, want})
	case "budget":
		return v.setBudget(value)
	case "depth":
		switch value {
		case hostfuncs.DepthHeader.String():
		case hostfuncs.DepthDeep.String():
			v.Depth = hostfuncs.DepthDeep
		default:
			return fmt.Errorf("%q is neither header nor deep", value)
		}
	case "size":
		if value == "unknown" {
			v.Size = hostfuncs.SizeUnknown
			return nil
		}
		if v.Size, err = strconv.ParseInt(value, 10, 64); err == nil && v.Size < 0 {
			err = errors.New("is negative")
		}
		return err
	case "short":
		if v.Short = value == "yes"; !v.Short {
			return fmt.Errorf("%q is not yes", value)
		}
	default:
		return errors.New("is no key of a vector")
	}
	return nil
}

func (v *Vector) setBudget(value string) error {
	name, number, _ := strings.Cut(value, " ")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n <= 0 {
		return fmt.Errorf("%q is no positive number", number)
	}
	switch hostfuncs.Resource(name) {
	case hostfuncs.ResourceFuel:
		v.Budget.Fuel = n
	case hostfuncs.ResourceReads:
		v.Budget.Reads = n
	case hostfuncs.ResourceBytes:
		v.Budget.ReadBytes = n
	case hostfuncs.ResourceReport:
		v.Budget.ReportBytes = n
	default:
		return fmt.Errorf("%q is none of fuel, reads, read_bytes, report_bytes", name)
	}
	return nil
}

// parseHex reads lines of an offset, a colon and bytes.
func parseHex(text string) ([]byte, error) {
	var image []byte
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		offset, digits, _ := strings.Cut(line, ":")
		at, err := strconv.ParseUint(offset, 0, 32)
		if err != nil {
			return nil, fmt.Errorf("image: offset %q: %w", offset, err)
		}
		b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		if err != nil {
			return nil, fmt.Errorf("image: bytes at %s: %w", offset, err)
		}
		end := at + uint64(len(b))
		if end > maxVector {
			return nil, fmt.Errorf("image: bytes at %s are beyond %d", offset, maxVector)
		}
		if grown := int(end) - len(image); grown > 0 {
			image = append(image, make([]byte, grown)...)
		}
		copy(image[at:], b)
	}
	return image, nil
}

// Encode writes the vector as ParseVector reads it, the image as it is.
func (v *Vector) Encode() []byte {
	var b bytes.Buffer
	line := func(key, value string) { fmt.Fprintf(&b, "%s: %s\n", key, strings.ReplaceAll(value, "\n", " ")) }
	for _, c := range v.Comment {
		line("comment", c)
	}
	for _, e := range v.Expect {
		line("expect", e)
	}
	for _, f := range v.Findings {
		line("finding", f)
	}
	for _, p := range v.Properties {
		line("property", p[0]+" "+p[1])
	}
	for _, r := range resources(v.Budget) {
		if r.amount > 0 {
			line("budget", fmt.Sprintf("%s %d", r.name, r.amount))
		}
	}
	if v.Depth == hostfuncs.DepthDeep {
		line("depth", v.Depth.String())
	}
	switch {
	case v.Size == hostfuncs.SizeUnknown:
		line("size", "unknown")
	case v.Size != 0:
		line("size", strconv.FormatInt(v.Size, 10))
	}
	if v.Short {
		line("short", "yes")
	}
	b.WriteByte('\n')
	b.Write(v.Content)
	return b.Bytes()
}

type resource struct {
	name   hostfuncs.Resource
	amount int64
}

func resources(b hostfuncs.Budget) []resource {
	return []resource{
		{hostfuncs.ResourceFuel, b.Fuel}, {hostfuncs.ResourceReads, b.Reads},
		{hostfuncs.ResourceBytes, b.ReadBytes}, {hostfuncs.ResourceReport, b.ReportBytes},
	}
}

// Judge says in what a run is not what the vector asks for; nothing when all
// is well.
func (v *Vector) Judge(r *Run) []string {
	if r.Failed != nil {
		return []string{r.Failed.Error()}
	}
	var wrong []string
	fail := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	why := rejection(r)
	for _, want := range v.Expect {
		switch {
		case want == "accept" && why != "":
			fail("expected to be accepted, is rejected: %s", why)
		case want == "reject" && why == "":
			fail("expected to be rejected, is accepted")
		case want != "accept" && want != "reject" && want != outcomeName(r.Outcome):
			fail("expected %s, got %s", want, outcomeName(r.Outcome))
		}
	}
	for _, id := range v.Findings {
		i := slices.IndexFunc(r.Records, func(rec hostfuncs.Record) bool {
			return rec.Entry.Class != "" && (id == "none" || rec.Entry.Name == id)
		})
		switch {
		case id == "none" && i >= 0:
			fail("expected no finding, got %s", recordText(&r.Records[i]))
		case id != "none" && i < 0:
			fail("expected the finding %s, it is not reported", id)
		}
	}
	for _, p := range v.Properties {
		rec := r.find(p[0])
		if rec == nil {
			fail("expected %s %s, it is not reported", p[0], p[1])
		} else if got := value(rec); got != p[1] {
			fail("expected %s %s, got %s", p[0], p[1], got)
		}
	}
	for i, got := range resources(r.Spent) {
		if limit := resources(v.Budget)[i].amount; limit > 0 && got.amount > limit {
			fail("spent %d of %s, at most %d are to be spent", got.amount, got.name, limit)
		}
	}
	return wrong
}

func value(r *hostfuncs.Record) string {
	if r.Entry.Kind == hostfuncs.KindText {
		return engine.Escape(r.Text)
	}
	return strconv.FormatUint(r.Values[0], 10)
}

// rejection says why the strict policy rejects what a run reports, or "". An
// image that is none of the format is rejected here: as what it would be
// accepted, the probe does not say.
func rejection(r *Run) string {
	if r.Outcome != hostfuncs.Match {
		return outcomeName(r.Outcome)
	}
	strict := engine.Strict()
	for i := range r.Records {
		if e := r.Records[i].Entry; e.Class != "" && strict.Severity(e.Class, e.Name) == engine.Reject {
			return recordText(&r.Records[i])
		}
	}
	return ""
}
