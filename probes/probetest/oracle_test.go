package probetest

import (
	"strings"
	"testing"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/hostfuncs"
	"github.com/assay-dev/assay/testdata/images"
)

// Every broken promise is seen in a report that breaks it.
func TestOracleSees(t *testing.T) {
	oracle, err := NewOracle(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer oracle.Close(t.Context())
	image := images.Qcow2()
	size := int64(len(image))
	look := func() *engine.Report {
		r, err := oracle.Judge(t.Context(), image)
		if err != nil || !r.Accepted {
			t.Fatalf("a valid image: %v", err)
		}
		return r
	}
	for name, c := range map[string]struct {
		change func(*engine.Report)
		want   string
	}{
		"text":      {func(r *engine.Report) { r.Properties["qcow2.compression"] = "\x1b[2J" }, "not printable"},
		"fuel":      {func(r *engine.Report) { r.Matches[0].Fuel = 1 << 40 }, "over its budget"},
		"ranges":    {func(r *engine.Report) { r.Inspected.Ranges[0][1] = size + 1 }, "inspected"},
		"sum":       {func(r *engine.Report) { r.Inspected.Bytes++ }, "in ranges of"},
		"driver":    {func(r *engine.Report) { r.QemuDriver = "" }, "without a driver"},
		"size":      {func(r *engine.Report) { r.VirtualSize = -1 }, "without a size"},
		"raw":       {func(r *engine.Report) { r.QemuDriver = "raw" }, "a raw disk of"},
		"reference": {func(r *engine.Report) { r.References = []engine.Reference{{Target: "x"}} }, "with references"},
		"no match":  {func(r *engine.Report) { r.Matches = nil }, "no probe matched"},
		"cluster":   {func(r *engine.Report) { r.Properties["qcow2.cluster_size"] = uint64(0) }, "cluster_size of 0"},
		"reject":    {func(r *engine.Report) { r.Accepted = false }, "without a finding"},
	} {
		r := look()
		c.change(r)
		if err := judge(r, size); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	shallow, deep := look(), look()
	shallow.Findings = append(shallow.Findings, engine.Finding{ID: "qcow2.dirty", Class: hostfuncs.NeedsRepair})
	if err := compareDepths(shallow, deep); err == nil {
		t.Error("a finding that is lost deep is not seen")
	}
	shallow.Accepted = false
	if err := compareDepths(shallow, deep); err == nil || !strings.Contains(err.Error(), "accepted deep") {
		t.Errorf("accepted deep: %v", err)
	}
}
