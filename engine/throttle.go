package engine

import (
	"time"

	"github.com/assay-dev/assay/native/qemuimg"
	"github.com/assay-dev/assay/native/throttle"
)

// RateLimit says which rate a job was held to, and what that came to. For each
// device the rate holds twice, for what is read of sources and for what is
// written to the destination.
type RateLimit struct {
	// BytesPerSecond is the lowest of the rates that the job had to keep: its
	// own, the engine's, and that of the engines it shares devices with.
	BytesPerSecond int64 `json:"bytes_per_second"`
	// Read is how many bytes were read of sources, and of the destination for
	// its stamp, and Written how many were written to the destination. Written
	// is nil where there was none, or where the system did not tell what the
	// tool wrote: then it was held back by what it was given to read alone.
	Read    int64  `json:"read"`
	Written *int64 `json:"written,omitempty"`
	// Cgroup says that what the tool writes was held by a control group of its
	// own, too, to twice the rate: also if an image had taken it over, which
	// then need not read to write. With version 1 of control groups that goes
	// for what passes the page cache.
	Cgroup bool `json:"cgroup"`
	// WaitedMicros is how long the job was held back; reads that were held back
	// at a time add up.
	WaitedMicros int64 `json:"waited_us"`
}

// newThrottles makes the throttles of a configuration.
func (c *Config) newThrottles() ([]*throttle.Throttle, error) {
	all := []*throttle.Throttle{c.throttle}
	if c.rateLimit != 0 {
		own, err := throttle.New(c.rateLimit)
		if err != nil {
			return nil, err
		}
		all = append(all, own)
	}
	return all, nil
}

// held returns a job that keeps to the engine's rates and to its own, if that
// is not 0; nil when there are none. It must be ended.
func (e *Engine) held(rate int64) (*throttle.Job, error) {
	all := e.throttles
	if rate != 0 {
		own, err := throttle.New(rate)
		if err != nil {
			return nil, err
		}
		all = append(all[:len(all):len(all)], own)
	}
	return throttle.NewJob(all...), nil
}

// canHold fails with a *qemuimg.RateLimitError where a job could not be held
// back: before there is anything to undo.
func canHold(job *throttle.Job, tool *qemuimg.Tool, wanted string) error {
	if job == nil {
		return nil
	}
	return tool.CanHold(wanted)
}

// rateLimit is what a result says of a job; wrote tells whether it is known
// what it wrote.
func rateLimit(job *throttle.Job, wrote bool) *RateLimit {
	if job == nil {
		return nil
	}
	usage := job.Usage()
	limit := &RateLimit{BytesPerSecond: job.Rate(), Read: usage.Read, WaitedMicros: int64(usage.Waited / time.Microsecond)}
	if wrote {
		limit.Written = &usage.Written
	}
	return limit
}
