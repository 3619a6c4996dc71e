package engine_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/testdata/images"
)

// Each job of a tool is logged once, when it ends: what it did, or why not;
// nothing else is.
func TestLog(t *testing.T) {
	needTools(t)
	var log bytes.Buffer
	eng := newEngine(t, engine.NewConfig().WithLogger(slog.New(slog.NewJSONHandler(&log, nil))))
	image := vet(t, eng, openBytes(t, images.Qcow2()), engine.Named("a\nb"))
	dir := t.TempDir()
	for _, c := range []struct {
		job string
		run func() error
	}{
		{"convert", func() error {
			_, err := eng.Convert(t.Context(), image, engine.ToFile(filepath.Join(dir, "a.raw")), engine.ConvertOptions{To: "raw"})
			return err
		}},
		{"check", func() error { _, err := eng.Check(t.Context(), image, engine.CheckOptions{}); return err }},
		{"compare", func() error { _, err := eng.Compare(t.Context(), image, image, engine.CompareOptions{}); return err }},
		{"resize", func() error {
			_, err := eng.Resize(t.Context(), image, "none", engine.ResizeOptions{Size: 4 << 20})
			return err
		}},
		{"convert", func() error {
			_, err := eng.Convert(t.Context(), nil, engine.ToFile("x"), engine.ConvertOptions{To: "raw"})
			return err
		}},
	} {
		log.Reset()
		err := c.run()
		want := c.job + " done"
		if err != nil {
			want = c.job + " failed"
		}
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Fatalf("%s: %d lines: %s", c.job, n, log.String())
		}
		var line map[string]any
		if err := json.Unmarshal(log.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		if line["msg"] != want || line["duration"] == nil || (line["error"] == nil) == (err != nil) {
			t.Errorf("%s: %v", c.job, line)
		}
		if source, ok := line["source"]; ok && source != `a\nb` {
			t.Errorf("source %q", source)
		}
		if c.job == "convert" && err == nil && (line["mib_per_second"].(float64) <= 0 || line["bytes"].(float64) != 1<<20 || line["virtual_size"].(float64) != 1<<20) {
			t.Errorf("convert: %v", line)
		}
	}
	// Nothing is logged, and nothing breaks, without a logger.
	quiet := newEngine(t, engine.NewConfig().WithLogger(nil))
	if _, err := quiet.Check(t.Context(), vet(t, quiet, openBytes(t, images.Qcow2())), engine.CheckOptions{}); err != nil {
		t.Error(err)
	}
}
