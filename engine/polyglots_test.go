package engine_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/engine/sandbox"
	"github.com/assay-dev/assay/testdata/images"
)

// essence is what a file must hold to be taken for a format: what of an image
// of it cannot be zeroed.
type essence struct {
	format engine.Format
	name   string // of the case
	image  []byte
	pieces []piece
}

// piece is a byte at a place, which counts from the end of the file when it is
// negative.
type piece struct {
	at    int
	value byte
}

// distill finds an essence of an image by zeroing whatever can go: the first
// bytes first, or the last. nil if the format does not match.
func distill(t *testing.T, eng *engine.Engine, m *sandbox.Manifest, image []byte, lastFirst bool) *essence {
	t.Helper()
	format := engine.Format(m.Format)
	work := bytes.Clone(image)
	if !slices.Contains(matched(look(t, eng, work, "")), format) {
		return nil
	}
	e := &essence{format: format, image: image}
	var zero func(from, to int)
	zero = func(from, to int) {
		kept := bytes.Clone(work[from:to])
		if !slices.ContainsFunc(kept, func(b byte) bool { return b != 0 }) {
			return
		}
		clear(work[from:to])
		if slices.Contains(matched(look(t, eng, work, "")), format) {
			return
		}
		copy(work[from:], kept)
		middle := from + (to-from)/2
		switch {
		case to-from == 1:
			at := from
			if from >= len(work)-tail(m) {
				at = from - len(work)
			}
			e.pieces = append(e.pieces, piece{at, kept[0]})
		case lastFirst:
			zero(middle, to)
			zero(from, middle)
		default:
			zero(from, middle)
			zero(middle, to)
		}
	}
	zero(0, len(work))
	slices.SortFunc(e.pieces, func(a, b piece) int { return a.at - b.at })
	return e
}

// tail is how many bytes before the end of a file the probe looks for a
// signature.
func tail(m *sandbox.Manifest) int {
	reach := int64(0)
	for _, s := range m.Signatures {
		switch {
		case s.At != nil:
			reach = max(reach, -*s.At)
		case s.Within != nil:
			reach = max(reach, -s.Within[0])
		}
	}
	return int(reach)
}

// look inspects an image.
func look(t *testing.T, eng *engine.Engine, image []byte, claim engine.Format) *engine.Report {
	t.Helper()
	report, err := eng.Inspect(t.Context(), engine.ReaderAt(bytes.NewReader(image), int64(len(image))), engine.Claim(claim))
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// matched lists the formats that match.
func matched(r *engine.Report) []engine.Format {
	var list []engine.Format
	for _, m := range r.Matches {
		list = append(list, m.Format)
	}
	return list
}

// in reports whether an image holds the essence.
func (e *essence) in(image []byte) bool {
	return !slices.ContainsFunc(e.pieces, func(p piece) bool {
		at := p.place(len(image))
		return at < 0 || at >= len(image) || image[at] != p.value
	})
}

// place returns where the piece is in a file of a size; negative if that is too
// short.
func (p piece) place(size int) int {
	if p.at < 0 {
		return size + p.at
	}
	return p.at
}

// over lays the essence over an image of another format, whose own essence
// stays where it belongs; nil if both want the same bytes.
func (e *essence) over(base *essence) []byte {
	file := bytes.Clone(base.image)
	for _, p := range e.pieces {
		if p.at >= len(file) {
			file = append(file, make([]byte, p.at+4096-len(file))...)
		}
	}
	for _, p := range slices.Concat(base.pieces, e.pieces) {
		at := p.place(len(file))
		if at < 0 {
			return nil
		}
		file[at] = p.value
	}
	if !base.in(file) {
		return nil
	}
	return file
}

// essences distills images of every format, until every image holds one.
func essences(t *testing.T, eng *engine.Engine) []*essence {
	t.Helper()
	var list []*essence
	for _, m := range eng.Probes() {
		manifest := m.Manifest()
		for _, c := range images.All() {
			if c.WantFormat != manifest.Format {
				continue
			}
			image := c.Build()
			if slices.ContainsFunc(list, func(e *essence) bool { return string(e.format) == manifest.Format && e.in(image) }) {
				continue
			}
			for _, lastFirst := range []bool{false, true} {
				e := distill(t, eng, manifest, image, lastFirst)
				if e == nil {
					t.Fatalf("%s does not match on its own", c.Name)
				}
				e.name = c.Name
				if last := len(list) - 1; !lastFirst || !slices.Equal(list[last].pieces, e.pieces) {
					list = append(list, e)
				}
			}
		}
	}
	return list
}

// decided reports whether the contract lets a file that two formats match be
// what a report says it is.
func decided(a, b engine.Format, r *engine.Report) bool {
	pair := func(x, y engine.Format) bool { return a == x && b == y || a == y && b == x }
	switch r.Format {
	case engine.Ambiguous:
		return !r.Accepted && !pair("iso", "mbr") && !pair("iso", "gpt")
	case "iso": // a hybrid
		return pair("iso", "mbr") || pair("iso", "gpt")
	case "gpt": // with the boot record that belongs to it
		return pair("gpt", "mbr") && r.Properties["mbr.protective"] == true
	case "vhd": // a fixed one, around contents
		contents := slices.ContainsFunc([]engine.Format{"gpt", "mbr", "iso", "luks"}, func(f engine.Format) bool { return pair("vhd", f) })
		return r.Claim == "vhd" && contents && r.Properties["vhd.disk_type"] == uint64(2)
	}
	return false
}

// A file that two formats match is ambiguous and rejected, whichever of them
// is whole and whatever is claimed, unless the contract says what it is. The
// files are made from an image of every kind, and every essence that fits into
// it.
func TestPolyglots(t *testing.T) {
	eng := newEngine(t, engine.NewConfig())
	list := essences(t, eng)
	pairs := map[string]bool{}
	for _, base := range list {
		t.Logf("%s has the essence %v", base.name, base.pieces)
		for _, e := range list {
			if e.format == base.format {
				continue
			}
			file := e.over(base)
			if file == nil {
				continue
			}
			for _, claim := range []engine.Format{"", engine.Raw, base.format, e.format} {
				report := look(t, eng, file, claim)
				formats := matched(report)
				if !slices.Contains(formats, base.format) || !slices.Contains(formats, e.format) {
					continue // one needs more of the file than its essence
				}
				pairs[fmt.Sprintf("%s in %s", e.format, base.format)] = true
				if !decided(base.format, e.format, report) {
					t.Errorf("the essence of %s over %s, claimed %q, is %s, accepted %v: %s",
						e.name, base.name, claim, report.Format, report.Accepted, text(report.Findings))
				}
			}
		}
	}
	if len(pairs) == 0 {
		t.Error("no two formats share a file")
	}
	t.Log(slices.Sorted(maps.Keys(pairs)))
}
