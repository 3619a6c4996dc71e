package probetest

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/engine/sandbox"
	"github.com/assay-dev/assay/hostfuncs"
	"github.com/assay-dev/assay/testdata/images"
)

const (
	// maxBases is how many images of the format are damaged, and maxBase how
	// large one may be, in bytes.
	maxBases = 4
	maxBase  = 4 << 20
	// maxForeign is how much there is of each other format, in bytes: all of
	// it, but for formats whose images are large.
	maxForeign = 16 << 20
)

// checkOwn looks at the generated images of the module's own format.
func (c *checker) checkOwn() {
	for _, image := range images.All() {
		if image.WantFormat != c.manifest.Format || c.over() {
			continue
		}
		s := specimen{
			name:  image.Name,
			Input: Input{Content: image.Build(), Depth: hostfuncs.DepthDeep},
			valid: image.WantAccepted && image.WantFinding == "",
		}
		c.ofFormat(&s, isSound(image))
	}
	if len(c.bases) == 0 && len(c.vectors) == 0 {
		c.note("there is no image of the format %s to begin with; vectors that expect a match would be", c.manifest.Format)
	}
}

// isSound tells whether nothing is broken in an image: what is said of it is
// said of every image of its kind.
func isSound(image images.Case) bool {
	e := hostfuncs.ByName(image.WantFinding)
	if e == nil {
		return image.WantFinding == "" && image.WantAccepted
	}
	return slices.Contains([]hostfuncs.Class{
		hostfuncs.Legacy, hostfuncs.Encrypted, hostfuncs.Container, hostfuncs.Unsupported,
	}, e.Class)
}

// checkVectors tries the author's vectors.
func (c *checker) checkVectors() {
	for i, v := range c.vectors {
		if c.over() {
			return
		}
		name := fmt.Sprintf("vector %d", i+1)
		if len(v.Comment) > 0 {
			name += " (" + v.Comment[0] + ")"
		}
		s := specimen{name: name, Input: v.Input, valid: bytes.Contains(v.Encode(), []byte("expect: match\n"))}
		failures := c.failures
		if s.valid && s.Size == 0 {
			c.ofFormat(&s, true)
		} else {
			c.look(&s)
		}
		if c.failures > failures || c.over() {
			continue // said already
		}
		if wrong, err := c.probe.Try(c.ctx, v); err != nil {
			c.err = err
		} else if len(wrong) > 0 {
			c.problem(CheckVector, &s, "mend the module or the vector", "%s: %s", name, wrong[0])
		}
	}
}

// ofFormat looks at an image of the format. A sound one that matches is to be
// damaged.
func (c *checker) ofFormat(s *specimen, sound bool) {
	header := *s
	header.Depth = hostfuncs.DepthHeader
	r := c.look(&header)
	if r == nil {
		return
	}
	c.Most = most(c.Most, r.Spent)
	f := file{Input: &s.Input}
	switch {
	case !f.wanted(c.manifest):
		c.problem(CheckSignatures, s, "add the signature that it has", "%s: an image of the format has none of the manifest's signatures", s.name)
	case r.Outcome == hostfuncs.NoMatch:
		c.problem(CheckMatch, s, "match every image of the format, a damaged one as malformed", "%s: an image of the format is not matched", s.name)
	case s.valid && r.Outcome != hostfuncs.Match:
		c.problem(CheckMatch, s, "return 1 for an image with nothing wrong", "%s: a valid image is called malformed", s.name)
	case r.Outcome == hostfuncs.Match && c.isMapped() && r.find("virtual_size") == nil:
		c.problem(CheckMatch, s, "report virtual_size whenever the outcome is a match", "%s: no virtual size is reported", s.name)
	}
	sound = sound && r.Outcome == hostfuncs.Match
	if sound && c.residue == nil {
		c.residue = make([]byte, c.probe.modules[0].MemorySize())
		if _, c.err = runOn(c.ctx, c.probe.modules[0], f, c.residue); c.err != nil {
			return
		}
	}
	c.steady(&header, r)
	if deep := c.look(s); deep != nil && s.valid {
		c.steady(s, deep)
	}
	c.checkStream(s)
	if sound && len(c.bases) < maxBases && len(s.Content) <= maxBase {
		c.bases = append(c.bases, header)
	}
}

// isMapped tells whether disks of the format have a size of their own.
func (c *checker) isMapped() bool {
	driver, ok := engine.Format(c.manifest.Format).Driver()
	return ok && driver != string(engine.Raw)
}

// checkForeign looks at what is of another format, and of none.
func (c *checker) checkForeign() {
	none := []specimen{
		{name: "an empty file"},
		{name: "one byte", Input: Input{Content: []byte{0}}},
		{name: "zeros", Input: Input{Content: make([]byte, 64<<10)}},
		{name: "ones", Input: Input{Content: bytes.Repeat([]byte{0xff}, 64<<10)}},
		{name: "noise", Input: Input{Content: images.Random(64<<10, 7)}},
		{name: "text", Input: Input{Content: images.Text(64 << 10)}},
		{name: "an endless file of zeros", Input: Input{Size: math.MaxInt64}},
		{name: "a stream of which nothing has arrived", Input: Input{Size: hostfuncs.SizeUnknown}},
		{name: "a stream of noise", Input: Input{Content: images.Random(64<<10, 8), Size: hostfuncs.SizeUnknown}},
	}
	for i := range none {
		if r := c.look(&none[i]); r != nil && r.Outcome != hostfuncs.NoMatch {
			c.foreign(&none[i])
		}
	}
	for _, image := range c.kit.images() {
		if image.WantFormat == c.manifest.Format || c.over() {
			continue
		}
		s := specimen{name: image.Name + ", " + image.WantFormat, Input: Input{Content: image.content}}
		r := c.look(&s)
		if r != nil && r.Outcome != hostfuncs.NoMatch && !c.mayBeBoth(&s, image.Case) {
			c.foreign(&s)
		}
	}
}

// builtImage is a generated image. Its content must not be changed.
type builtImage struct {
	images.Case
	content []byte
}

// buildImages builds images of every format, at most a little more than
// maxForeign bytes of each. To build them takes longer than to look at them.
func buildImages() []builtImage {
	var list []builtImage
	seen := map[string]int{}
	for _, image := range images.All() {
		if seen[image.WantFormat] > maxForeign {
			continue
		}
		content := image.Build()
		seen[image.WantFormat] += len(content)
		list = append(list, builtImage{image, content})
	}
	return list
}

func (c *checker) foreign(s *specimen) {
	c.problem(CheckForeign, s, "look for more than what several formats have in common, and return 0 without it",
		"%s: is matched and is not %s", s.name, c.manifest.Format)
}

// mayBeBoth tells whether an image of another format is also one of this, as a
// GPT disk has an MBR: the shipped probe of this format says so, and an engine
// still decides for the other. Images that are ambiguous on purpose are.
func (c *checker) mayBeBoth(s *specimen, image images.Case) bool {
	if image.WantFormat == string(engine.Ambiguous) {
		return true
	}
	report := c.inspect(s, engine.Format(image.Claim))
	if report == nil {
		return true
	}
	for _, m := range report.Matches {
		if string(m.Format) == c.manifest.Format {
			return string(report.Format) == image.WantFormat
		}
	}
	return false
}

// isOther tells whether the shipped probes find something else than this format
// in an image: what has its magic in common with another may be that.
func (c *checker) isOther(s *specimen) bool {
	report := c.inspect(s, "")
	return report != nil && report.Format != engine.Raw && string(report.Format) != c.manifest.Format
}

// inspect looks at an image with the shipped probes; nil when it cannot.
func (c *checker) inspect(s *specimen, claim engine.Format) *engine.Report {
	shipped, err := c.kit.shipped()
	if err == nil {
		var report *engine.Report
		report, err = shipped.Inspect(c.ctx, engine.ReaderAt(bytes.NewReader(s.Content), int64(len(s.Content))), engine.Claim(claim))
		if err == nil {
			return report
		}
	}
	c.err = err
	return nil
}

// checkStream looks at a stream of the image: nothing may be said of what has
// arrived that is not said of the whole, unless that is rejected for something
// else, with which the probe was content.
func (c *checker) checkStream(s *specimen) {
	// A host lets a stream's window fill before it asks.
	whole := specimen{name: s.name, Input: Input{Content: append(bytes.Clone(s.Content), make([]byte, max(0, c.manifest.Window-len(s.Content)))...)}}
	last := c.look(&whole)
	if last == nil {
		return
	}
	for _, arrived := range []int{c.manifest.Window, max(c.manifest.Window, len(whole.Content)/2), len(whole.Content)} {
		part := specimen{
			name:  fmt.Sprintf("%s, a stream of which %d bytes have arrived", s.name, arrived),
			Input: Input{Content: whole.Content[:arrived], Size: hostfuncs.SizeUnknown},
		}
		first := c.look(&part)
		if first == nil {
			return
		}
		const fix = "while the size is -1 report only what cannot change: nothing is missing that may still arrive"
		if first.Outcome != hostfuncs.NoMatch && last.Outcome == hostfuncs.NoMatch ||
			first.Outcome == hostfuncs.MatchMalformed && last.Outcome == hostfuncs.Match {
			c.problem(CheckStream, &part, fix, "%s: is a %s, the whole is a %s", part.name, outcomeName(first.Outcome), outcomeName(last.Outcome))
		}
		for i := range first.Records {
			if r := &first.Records[i]; r.Entry.Class != "" && !said(last, r) && rejection(last) == "" {
				c.problem(CheckStream, &part, fix, "%s: reports %s, which is not said of the whole", part.name, recordText(r))
			}
		}
	}
}

// said tells whether a run reported a finding at the same place. Its numbers
// and text may say more.
func said(r *Run, finding *hostfuncs.Record) bool {
	for i := range r.Records {
		if other := &r.Records[i]; other.Entry == finding.Entry && other.Offset == finding.Offset {
			return true
		}
	}
	return false
}

// most returns the larger of each field.
func most(a, b hostfuncs.Spent) hostfuncs.Spent {
	return hostfuncs.Spent{
		Fuel: max(a.Fuel, b.Fuel), Reads: max(a.Reads, b.Reads),
		ReadBytes: max(a.ReadBytes, b.ReadBytes), ReportBytes: max(a.ReportBytes, b.ReportBytes),
	}
}

// magic returns the part of a manifest that only images of the format match:
// signatures at the head that compare at least four bytes.
func magic(m *sandbox.Manifest) *sandbox.Manifest {
	strong := &sandbox.Manifest{}
	for _, s := range m.Signatures {
		if s.At != nil && *s.At >= 0 && len(s.Bytes) >= 4 && s.Mask == nil {
			strong.Signatures = append(strong.Signatures, s)
		}
	}
	return strong
}
