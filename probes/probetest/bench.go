package probetest

import (
	"context"
	"slices"
	"time"

	"github.com/assay-dev/assay/engine/sandbox"
	"github.com/assay-dev/assay/hostfuncs"
)

// Measurement is how long a module takes over an image in one engine.
type Measurement struct {
	Engine sandbox.Mode
	// Median is that of Runs runs, a fresh instance each, without the
	// compilation before the first.
	Median time.Duration
	Runs   int
	Spent  hostfuncs.Spent
}

// Measure runs the module over an image again and again, for about the given
// time in each of the kit's engines, the faster first.
func (p *Probe) Measure(ctx context.Context, in Input, about time.Duration) ([]Measurement, error) {
	var all []Measurement
	for _, m := range p.modules {
		mode := sandbox.ModeInterpreter
		if len(p.modules) > 1 && m == p.modules[0] {
			mode = sandbox.ModeCompiler
		}
		f := file{Input: &in}
		r, err := runOn(ctx, m, f, nil)
		if err != nil {
			return nil, err
		}
		if r.Failed != nil {
			return nil, r.Failed
		}
		var times []time.Duration
		for start := time.Now(); time.Since(start) < about; {
			before := time.Now()
			if _, err := runOn(ctx, m, f, nil); err != nil {
				return nil, err
			}
			times = append(times, time.Since(before))
		}
		measured := Measurement{Engine: mode, Runs: len(times), Spent: r.Spent}
		if slices.Sort(times); len(times) > 0 {
			measured.Median = times[len(times)/2]
		}
		all = append(all, measured)
	}
	return all, nil
}
