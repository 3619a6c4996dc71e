// Package benchmarks measures what a user waits for and pays, side by side
// with the alternative a user has. `make bench` runs it; results.md keeps the
// last table.
package benchmarks

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/engine/sandbox"
	"github.com/assay-dev/assay/testdata/images"
)

// subjects are images to measure: the first accepted one of each format.
var subjects = func() []images.Case {
	var first []images.Case
	for _, c := range images.All() {
		if c.WantAccepted && !slices.ContainsFunc(first, func(f images.Case) bool { return f.WantFormat == c.WantFormat }) {
			first = append(first, c)
		}
	}
	return first
}()

func open(b *testing.B, data []byte) *os.File {
	b.Helper()
	path := filepath.Join(b.TempDir(), "image")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		b.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	return f
}

func newEngine(b *testing.B, mode sandbox.Mode) *engine.Engine {
	b.Helper()
	eng, err := engine.New(b.Context(), engine.NewConfig().WithSandbox(sandbox.Config{Mode: mode}))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = eng.Close(b.Context()) })
	return eng
}

// BenchmarkInspect is an inspection in a process that has run for a while.
func BenchmarkInspect(b *testing.B) {
	for _, mode := range []sandbox.Mode{sandbox.ModeCompiler, sandbox.ModeInterpreter} {
		for _, s := range subjects {
			b.Run(string(mode)+"/"+s.WantFormat, func(b *testing.B) {
				eng, f := newEngine(b, mode), open(b, s.Build())
				inspect := func() {
					report, err := eng.Inspect(b.Context(), engine.File(f), engine.Claim(engine.Format(s.Claim)))
					if err != nil || !report.Accepted {
						b.Fatalf("%v, %v", report, err)
					}
				}
				inspect() // compiles
				b.ReportAllocs()
				for b.Loop() {
					inspect()
				}
			})
		}
	}
}

// BenchmarkVet is the same at full depth, with SHA-256 digests, down to an
// image ready to convert.
func BenchmarkVet(b *testing.B) {
	for _, s := range subjects {
		b.Run(s.WantFormat, func(b *testing.B) {
			eng, f := newEngine(b, sandbox.ModeCompiler), open(b, s.Build())
			b.ReportAllocs()
			for b.Loop() {
				image, err := eng.Vet(b.Context(), engine.File(f), engine.Claim(engine.Format(s.Claim)))
				if err != nil {
					b.Fatal(err)
				}
				if err := image.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkInspectParallel is many inspections at a time on one engine.
func BenchmarkInspectParallel(b *testing.B) {
	eng, f := newEngine(b, sandbox.ModeCompiler), open(b, subjects[0].Build())
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := eng.Inspect(b.Context(), engine.File(f)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
