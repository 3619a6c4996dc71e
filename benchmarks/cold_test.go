package benchmarks

import (
	"testing"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/engine/sandbox"
)

// BenchmarkCold is what a command pays: an engine is made, inspects one image
// and is closed.
func BenchmarkCold(b *testing.B) {
	for _, mode := range []sandbox.Mode{sandbox.ModeAuto, sandbox.ModeInterpreter} {
		b.Run(string(mode), func(b *testing.B) {
			f := open(b, subjects[0].Build())
			b.ReportAllocs()
			for b.Loop() {
				eng, err := engine.New(b.Context(), engine.NewConfig().WithSandbox(sandbox.Config{Mode: mode}))
				if err != nil {
					b.Fatal(err)
				}
				if report, err := eng.Inspect(b.Context(), engine.File(f)); err != nil || !report.Accepted {
					b.Fatalf("%v, %v", report, err)
				}
				if err := eng.Close(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
