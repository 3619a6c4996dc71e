package confine

import (
	"os/exec"
	"slices"
	"testing"
	"time"
)

// BenchmarkRun measures what confinement adds to starting a process and
// waiting for it, in milliseconds: under all layers, and what each that can
// be left out has a part in. Each round starts it in every way, so that what
// else the machine does is shared; the medians are what is told.
func BenchmarkRun(b *testing.B) {
	if toolPath == "" {
		b.Skip("no go command to build the test tool with")
	}
	all := allLayers()
	ways := map[string]func() error{
		"plain": func() error { return exec.CommandContext(b.Context(), toolPath).Run() },
		"all": func() error {
			_, err := run(b.Context(), spec(), all)
			return err
		},
	}
	for _, layer := range []string{LayerNamespaces, LayerUID, LayerCgroup, LayerLandlock, LayerSeccomp} {
		if slices.Contains(all, layer) {
			rest := without(all, layer)
			ways["without-"+layer] = func() error {
				_, err := run(b.Context(), spec(), rest)
				return err
			}
		}
	}
	took := map[string][]time.Duration{}
	for b.Loop() {
		for name, start := range ways {
			began := time.Now()
			if err := start(); err != nil {
				b.Fatal(err)
			}
			took[name] = append(took[name], time.Since(began))
		}
	}
	median := func(name string) float64 {
		slices.Sort(took[name])
		return float64(took[name][len(took[name])/2]) / 1e6
	}
	b.ReportMetric(0, "ns/op") // of no meaning: a round is many runs
	for name := range ways {
		if name == "plain" {
			b.ReportMetric(median(name), "plain-ms")
		} else {
			b.ReportMetric(median(name)-median("plain"), name+"-ms")
		}
	}
}
