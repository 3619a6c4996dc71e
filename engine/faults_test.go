package engine_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/assay-dev/assay/engine"
	wb "github.com/assay-dev/assay/internal/wasmbuild"
	"github.com/assay-dev/assay/testdata/images"
)

// A probe that fails, or does not say what it must, rejects the image, also
// one that nothing else has anything against. No shipped probe does so.
func TestFaultyProbesReject(t *testing.T) {
	for _, c := range []struct {
		finding string
		probe   *wb.Module // says it is for qcow2, and runs on every image
	}{
		{"probe.trap", wb.Probe(wb.Unreachable)},
		{"probe.budget", wb.Probe(wb.Loop, wb.None, wb.Br, 0, wb.End, wb.I32Const, 0)},
		{"probe.report", wb.Probe(wb.I32Const, 3)},
		{"format.virtual-size-missing", wb.Probe(wb.I32Const, 1)},
		{"format.malformed", wb.Probe(wb.I32Const, 2)},
	} {
		t.Run(c.finding, func(t *testing.T) {
			eng := newEngine(t, engine.NewConfig().WithProbe(engine.ProbeSource{Wasm: c.probe.Bytes()}))
			for claim, image := range map[engine.Format][]byte{"raw": images.Random(4096, 1), "": images.Random(8192, 2), "qcow2": images.Random(512, 3)} {
				report, err := eng.Inspect(t.Context(), engine.ReaderAt(bytes.NewReader(image), int64(len(image))), engine.Claim(claim))
				if err != nil {
					t.Fatal(err)
				}
				rejects := slices.ContainsFunc(report.Findings, func(f engine.Finding) bool {
					return f.ID == c.finding && f.Severity == engine.Reject && f.Probe == "test"
				})
				if report.Accepted || !rejects {
					t.Errorf("claimed %q: accepted %v, findings %s", claim, report.Accepted, text(report.Findings))
				}
			}
		})
	}
}
