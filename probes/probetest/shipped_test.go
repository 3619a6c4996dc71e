package probetest

import (
	"testing"

	"github.com/assay-dev/assay/probes"
)

// Every shipped probe passes the check that other probes are asked to pass.
func TestShippedProbesPass(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands of runs, one after the other: not with -short")
	}
	kit := newKit(t, Options{})
	shipped, err := probes.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range shipped {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			result, err := kit.Check(t.Context(), m.Wasm)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range result.Problems {
				t.Errorf("%s: %s\n\tto do: %s", p.Check, p.Message, p.Fix)
			}
			if len(result.Notes) != 0 {
				t.Errorf("not all could be checked: %q", result.Notes)
			}
			t.Logf("%d runs, at most %+v", result.Runs, result.Most)
		})
	}
}
