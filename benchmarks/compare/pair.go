package main

import (
	"fmt"
	"slices"
	"time"
)

// measure runs once and returns how long it took.
type measure func() (time.Duration, error)

// timed makes a measure of something that is timed from outside.
func timed(f func() error) measure {
	return func() (time.Duration, error) {
		start := time.Now()
		err := f()
		return time.Since(start), err
	}
}

// pair is the outcome of two measures taken in turn.
type pair struct {
	a, b      time.Duration // medians
	ratio     float64       // median of a/b, pair by pair
	low, high float64       // of the ratio: its quartiles
	runs      int
}

// interleave measures a and b in turn, after one run of each that does not
// count: a machine that slows down does so for both. Each is first as often as
// the other, as one may find what the other has left. Where b is nil, there is
// only a.
func interleave(runs int, a, b measure) (pair, error) {
	if b == nil {
		b = func() (time.Duration, error) { return 1, nil }
	}
	var as, bs []time.Duration
	var ratios []float64
	for i := range runs + 1 {
		first, second := a, b
		if i%2 == 1 {
			first, second = b, a
		}
		x, err := first()
		if err != nil {
			return pair{}, err
		}
		y, err := second()
		if err != nil {
			return pair{}, err
		}
		if i == 0 {
			continue
		}
		if i%2 == 1 {
			x, y = y, x
		}
		as, bs, ratios = append(as, x), append(bs, y), append(ratios, float64(x)/float64(y))
	}
	slices.Sort(as)
	slices.Sort(bs)
	slices.Sort(ratios)
	return pair{
		a: as[runs/2], b: bs[runs/2], ratio: ratios[runs/2],
		low: ratios[runs/4], high: ratios[runs*3/4], runs: runs,
	}, nil
}

// short prints a duration with three digits.
func short(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if d >= u.unit {
			return fmt.Sprintf("%.3g %s", float64(d)/float64(u.unit), u.name)
		}
	}
	return fmt.Sprintf("%d ns", d.Nanoseconds())
}
