package probetest

import (
	"context"
	"math/bits"
	"os"
	"path/filepath"
	"testing"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/testdata/images"
)

// Fuzz makes f a fuzz target of a whole inspection: images of a format, and
// what becomes of them when headers, and what headers point to, are edited,
// are looked at by an Oracle. config says with which probes and under which
// policy; nil is the default. seeds are images to start from besides the
// generated ones of the format and a few of others; a format without generated
// images needs some.
//
//	func FuzzInspect(f *testing.F) {
//		probetest.Fuzz(f, engine.NewConfig().WithProbe(mine), "vhd")
//	}
//
// The target takes one []byte, as hosted fuzzing services want it. It is an
// edit script and not an image: see script.go. `go test -artifacts -run` on a
// script that failed writes the image. To keep it, make it a case of
// testdata/images, under a name that says what it shows: the meaning of a
// script changes with the bases.
func Fuzz(f *testing.F, config *engine.Config, format engine.Format, seeds ...[]byte) {
	oracle, err := NewOracle(f.Context(), config)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := oracle.Close(context.Background()); err != nil {
			f.Error(err)
		}
	})
	bases := fuzzBases(format, seeds)
	step := (len(bases) + maxSeeds - 1) / maxSeeds
	for i := 0; i < min(len(bases), 256); i += step {
		f.Add([]byte{byte(i)})
		if i >= step*editedSeeds {
			continue
		}
		// Some edits, to be varied.
		f.Add([]byte{byte(i), editField, 0, byte(4 * i), 2, 129})
		f.Add([]byte{byte(i), editBehind, 0, byte(4 * i), 3, 0, 3, 130})
		f.Add([]byte{byte(i), editCut, 0xff, byte(i), editGraft, byte(i + 1), 2})
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		image := applyScript(bases, script)
		report, err := oracle.Judge(t.Context(), image)
		if err != nil {
			name := filepath.Join(t.ArtifactDir(), "image")
			if err := os.WriteFile(name, image, 0o666); err != nil {
				t.Error(err)
			}
			t.Fatalf("%s (%d bytes): %v", name, len(image), err)
		}
		feedReport(report)
	})
}

// Seeds are run by every test, so there are few: maxSeeds bases as they are,
// and editedSeeds with edits. Scripts reach the other bases.
const (
	maxSeeds    = 48
	editedSeeds = 8
)

// foreignBases is how many images of other formats there are to graft from.
const foreignBases = 8

// fuzzBases returns what scripts start from: seeds, the generated images of
// the format, some of others, and an empty file.
func fuzzBases(format engine.Format, seeds [][]byte) [][]byte {
	bases := seeds
	others := map[string]bool{string(format): true}
	var foreign [][]byte
	for _, c := range images.All() {
		if c.WantFormat == string(format) {
			bases = append(bases, c.Build())
		} else if !others[c.WantFormat] && len(foreign) < foreignBases {
			others[c.WantFormat] = true
			foreign = append(foreign, c.Build())
		}
	}
	return append(append(bases, foreign...), nil)
}

// feedReport tells the fuzzer what an image made the probes do. It sees
// branches of Go and nothing of a probe's, so that without this all images
// that end in the same number of findings look alike to it.
func feedReport(r *engine.Report) {
	const prime = 16777619 // FNV-1a
	for _, finding := range r.Findings {
		h := uint32(2166136261)
		for i := range len(finding.ID) {
			h = (h ^ uint32(finding.ID[i])) * prime
		}
		feedback(byte(h ^ h>>8 ^ h>>16 ^ h>>24))
	}
	for _, m := range r.Matches {
		// Eight steps of fuel an octave.
		fuel := uint64(m.Fuel) | 8
		octave := bits.Len64(fuel)
		feedback(byte(octave<<3 | int(fuel>>(octave-4)&7)))
	}
}
