package engine_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/engine/sandbox"
	"github.com/assay-dev/assay/testdata/images"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// newEngine returns an engine that is closed with the test.
func newEngine(t testing.TB, config *engine.Config) *engine.Engine {
	t.Helper()
	eng, err := engine.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := eng.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return eng
}

// skipManyImages skips a test that looks at many images one after the other
// when testing is to be short, as it is under the race detector: there it takes
// minutes and has nothing to find.
func skipManyImages(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("many images, one after the other: not with -short")
	}
}

// sameReport compares everything the contract says is determined by the bytes,
// size, claim, depth, probes and policy.
func sameReport(a, b *engine.Report) string {
	return cmp.Diff(a, b, cmpopts.IgnoreFields(engine.Report{}, "Source", "ElapsedMicros"))
}

// Every generated image is judged as its case says, from a file, from a
// reader and from a stream alike, and by both sandbox engines alike.
func TestImages(t *testing.T) {
	compiled := newEngine(t, engine.NewConfig().WithSpoolDir(t.TempDir()).WithSandbox(sandbox.Config{Mode: sandbox.ModeCompiler}))
	interpreted := newEngine(t, engine.NewConfig().WithSandbox(sandbox.Config{Mode: sandbox.ModeInterpreter}))
	for _, c := range images.All() {
		t.Run(c.Name, func(t *testing.T) {
			data := c.Build()
			opts := []engine.Option{engine.Claim(engine.Format(c.Claim))}
			if c.Deep {
				shallow, err := compiled.Inspect(t.Context(), engine.ReaderAt(bytes.NewReader(data), int64(len(data))), opts...)
				if err != nil {
					t.Fatal(err)
				}
				if !shallow.Accepted {
					t.Errorf("only a deep look should reject; at header depth: %v", shallow.FindingsOf(engine.Reject))
				}
				opts = append(opts, engine.AtDepth(engine.Deep))
			}
			path := filepath.Join(t.TempDir(), c.Name)
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			report, err := compiled.Inspect(t.Context(), engine.File(f), opts...)
			if err != nil {
				t.Fatal(err)
			}
			if report.Source != path {
				t.Errorf("source is %q, want %q", report.Source, path)
			}
			checkCase(t, c, report)
			for name, other := range map[string]struct {
				eng *engine.Engine
				src engine.Source
			}{
				"reader":      {compiled, engine.ReaderAt(bytes.NewReader(data), int64(len(data)))},
				"stream":      {compiled, engine.Stream(bytes.NewReader(data))},
				"again":       {compiled, engine.File(f)},
				"interpreter": {interpreted, engine.File(f)},
			} {
				again, err := other.eng.Inspect(t.Context(), other.src, opts...)
				if err != nil {
					t.Errorf("%s: %v", name, err)
				} else if again.Size == engine.SizeUnknown {
					checkEarlyEnd(t, report, again)
				} else if diff := sameReport(report, again); diff != "" {
					t.Errorf("%s gives another report (-file +%s):\n%s", name, name, diff)
				}
			}
		})
	}
}

// checkEarlyEnd compares the report of a stream that was refused before it
// ended with that of the whole file: what was found holds for both.
func checkEarlyEnd(t *testing.T, whole, early *engine.Report) {
	t.Helper()
	if early.Accepted || early.Format != whole.Format {
		t.Errorf("the stream ended as %s, accepted %v; want %s", early.Format, early.Accepted, whole.Format)
	}
	for _, f := range early.Findings {
		if !slices.ContainsFunc(whole.Findings, func(w engine.Finding) bool { return cmp.Equal(f, w) }) {
			t.Errorf("only the stream has %s", text(f))
		}
	}
}

// checkCase compares a report with what the case says of it.
func checkCase(t *testing.T, c images.Case, r *engine.Report) {
	t.Helper()
	if r.Format != engine.Format(c.WantFormat) || r.Accepted != c.WantAccepted {
		t.Errorf("format %s, accepted %v; want %s, %v\nfindings: %s", r.Format, r.Accepted, c.WantFormat, c.WantAccepted, text(r.Findings))
	}
	if c.WantFinding != "" {
		if !slices.ContainsFunc(r.Findings, func(f engine.Finding) bool { return f.ID == c.WantFinding }) {
			t.Errorf("no finding %s among %s", c.WantFinding, text(r.Findings))
		}
		return
	}
	for _, f := range r.Findings {
		if f.Severity != engine.Info && f.ID != "raw.unclaimed" {
			t.Errorf("unexpected finding %s", text(f))
		}
	}
}

func text(v any) string {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}
