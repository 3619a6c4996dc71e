package throttle

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A Job is one user of devices, to whom its part of each is given however many
// files of it the job reads. Make it with NewJob, end it with Done. A nil Job
// is one that nothing holds back; all its methods do nothing. It is safe for
// concurrent use.
type Job struct {
	throttles []*Throttle

	mu     sync.Mutex
	shares map[*queue]*share
	writes []*share // of the destination's device

	owed          atomic.Int64 // bytes written, and not waited for
	waits         atomic.Int64 // that are under way
	read, written atomic.Int64
	waited        atomic.Int64 // nanoseconds
}

// NewJob returns a job that keeps to all of these throttles; nil ones do not
// count. Without any, the job is nil.
func NewJob(throttles ...*Throttle) *Job {
	j := &Job{shares: map[*queue]*share{}}
	for _, t := range throttles {
		if t != nil {
			j.throttles = append(j.throttles, t)
		}
	}
	if len(j.throttles) == 0 {
		return nil
	}
	return j
}

// Rate returns the lowest of the rates that the job keeps to, in bytes per
// second; 0 when it is nil.
func (j *Job) Rate() int64 {
	if j == nil {
		return 0
	}
	lowest := j.throttles[0].rate
	for _, t := range j.throttles {
		lowest = min(lowest, t.rate)
	}
	return lowest
}

// sharesOf returns the job's part of the device that a file is on.
func (j *Job) sharesOf(file *os.File, d direction) []*share {
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []*share
	for _, t := range j.throttles {
		q := t.queue(file, d)
		if j.shares[q] == nil {
			j.shares[q] = q.share()
		}
		all = append(all, j.shares[q])
	}
	return all
}

// A Source is what a job reads from one device. A nil Source is held back by
// nothing.
type Source struct {
	job    *Job
	shares []*share
}

// Source returns what the job reads by way of a file. Without one, as of a
// source that is far away, it is a device of its own.
func (j *Job) Source(file *os.File) *Source {
	if j == nil {
		return nil
	}
	return &Source{j, j.sharesOf(file, reading)}
}

// Destination names the file that the job writes to; what is written before,
// or without one, is not held back.
func (j *Job) Destination(file *os.File) {
	if j == nil {
		return
	}
	shares := j.sharesOf(file, writing)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.writes = shares
}

// Wrote says that the job has written n bytes. Its sources wait for them: what
// a tool writes is known only when it has, and it writes what it was given to
// read.
func (j *Job) Wrote(n int64) {
	if j == nil || n <= 0 {
		return
	}
	j.written.Add(n)
	j.owed.Add(n)
}

// Done ends the job. What it wrote and did not wait for, the next ones do.
func (j *Job) Done() {
	if j == nil {
		return
	}
	owed := j.owed.Swap(0)
	for _, s := range j.destination() {
		s.charge(owed)
	}
}

func (j *Job) destination() []*share {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.writes
}

// Wait returns when n bytes may be read, and what the job has written was
// waited for; or else with the context's cause.
func (s *Source) Wait(ctx context.Context, n int64) error {
	if s == nil {
		return nil
	}
	j := s.job
	began := time.Now()
	j.waits.Add(1)
	defer func() {
		j.waits.Add(-1)
		j.waited.Add(int64(time.Since(began)))
	}()
	var bills []bill
	for _, share := range s.shares {
		bills = append(bills, bill{share, n})
	}
	if owed := j.owed.Swap(0); owed > 0 {
		for _, share := range j.destination() {
			bills = append(bills, bill{share, owed})
		}
	}
	err := payAll(ctx, bills)
	if err == nil {
		j.read.Add(n)
	}
	return err
}

// A bill is bytes of a share that are waited for.
type bill struct {
	share *share
	bytes int64
}

// payAll waits for all bills, of which there is one, at the same time: the
// rates hold side by side.
func payAll(ctx context.Context, bills []bill) error {
	errs := make([]error, len(bills))
	var group sync.WaitGroup
	for i, b := range bills[1:] {
		group.Go(func() { errs[1+i] = b.share.wait(ctx, b.bytes) })
	}
	errs[0] = bills[0].share.wait(ctx, bills[0].bytes)
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Waiting reports whether the job is being held back. It is false for nil.
func (j *Job) Waiting() bool { return j != nil && j.waits.Load() > 0 }

// Usage is what a job did.
type Usage struct {
	Read, Written int64 // bytes, that were counted
	// Waited is how long it was held back; what waited at a time adds up.
	Waited time.Duration
}

// Usage returns what the job did so far; of a nil Job, nothing.
func (j *Job) Usage() Usage {
	if j == nil {
		return Usage{}
	}
	return Usage{Read: j.read.Load(), Written: j.written.Load(), Waited: time.Duration(j.waited.Load())}
}
