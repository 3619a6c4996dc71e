// Package benchmarks measures what a user waits for and pays, side by side
// with the alternative a user has. `make bench` runs it; results.md keeps the
// last table.
package benchmarks

import (
	"archive/tar"
	"os"
	"path/filepath"
	"testing"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/engine/sandbox"
	"github.com/assay-dev/assay/testdata/images"
)

// subjects are the images measured, one for each format.
var subjects = []struct {
	name  string
	claim engine.Format
	build func() []byte
}{
	{"qcow2", "qcow2", func() []byte { return images.Qcow2(images.Clusters(16), images.FeatureNames()) }},
	{"vhd", "vhd", func() []byte { return images.VHD() }},
	{"vhd-fixed", "vhd", func() []byte { return images.VHD(images.VHDContents(images.GPT(512))) }},
	{"gpt", "raw", func() []byte { return images.GPT(512) }},
	{"vhdx", "vhdx", func() []byte { return images.VHDX() }},
	{"vdi", "vdi", func() []byte { return images.VDI(1<<20, []uint32{0}) }},
	{"parallels", "parallels", func() []byte { return images.Parallels([]uint32{0, 2, 0, 1}) }},
	{"qed", "qed", func() []byte { return images.QED() }},
	{"qcow", "qcow", func() []byte { return images.Qcow() }},
	{"mbr", "raw", func() []byte { return images.MBR(64<<10, images.Partition{Type: 0x83, Start: 8, Count: 64}) }},
	{"luks", "raw", images.LUKS1},
	{"iso", "raw", images.ISO},
	{"udf", "raw", images.UDF},
	{"tar", "raw", func() []byte { return images.Tar(tar.FormatUSTAR, images.Text(100_000), "text") }},
	{"raw", "raw", func() []byte { return images.Random(1<<20, 1) }},
}

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
			b.Run(string(mode)+"/"+s.name, func(b *testing.B) {
				eng, f := newEngine(b, mode), open(b, s.build())
				inspect := func() {
					report, err := eng.Inspect(b.Context(), engine.File(f), engine.Claim(s.claim))
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
		b.Run(s.name, func(b *testing.B) {
			eng, f := newEngine(b, sandbox.ModeCompiler), open(b, s.build())
			b.ReportAllocs()
			for b.Loop() {
				image, err := eng.Vet(b.Context(), engine.File(f), engine.Claim(s.claim))
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
	eng, f := newEngine(b, sandbox.ModeCompiler), open(b, subjects[0].build())
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
