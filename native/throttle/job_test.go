package throttle

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestNewRefuses(t *testing.T) {
	for _, rate := range []int64{-1, 0, MaxRate + 1} {
		if _, err := New(rate); err == nil {
			t.Errorf("a rate of %d", rate)
		}
	}
}

// Without a throttle nothing is held back, and nothing counted.
func TestNoJob(t *testing.T) {
	j := NewJob(nil, nil)
	j.Destination(nil)
	j.Wrote(mib)
	if err := j.Source(nil).Wait(t.Context(), 1<<60); err != nil {
		t.Error(err)
	}
	j.Done()
	if j != nil || j.Rate() != 0 || j.Waiting() || j.Usage() != (Usage{}) {
		t.Errorf("%v: %+v", j, j.Usage())
	}
}

// What is written is waited for where it is more than what is read, also if
// both are on one device: each direction has the rate.
func TestWritesHoldTheirSourceBack(t *testing.T) {
	for name, tc := range map[string]struct{ ratio, want int64 }{
		"expands": {4, 25 * mib}, "same": {1, 100 * mib}, "shrinks": {0, 100 * mib},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := file(t)
				j := NewJob(newThrottle(t, 10*mib))
				source := j.Source(f)
				j.Destination(f)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				for source.Wait(ctx, 64<<10) == nil {
					j.Wrote(tc.ratio * 64 << 10)
				}
				near(t, "read", float64(j.Usage().Read), float64(tc.want), 0.02)
				near(t, "written", float64(j.Usage().Written), float64(tc.want*tc.ratio), 0.02)
			})
		})
	}
}

// What a job leaves unpaid, the next one on that device waits for.
func TestDoneLeavesTheDebt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle, f := newThrottle(t, mib), file(t)
		first := NewJob(throttle)
		first.Destination(f)
		first.Wrote(3 * mib)
		first.Done()
		next := NewJob(throttle)
		next.Destination(f)
		next.Wrote(1)
		began := time.Now()
		if err := next.Source(nil).Wait(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited < 2900*time.Millisecond || waited > 3*time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

// A debt that takes longer than times can tell is no small one.
func TestDebtForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle, f := newThrottle(t, 1), file(t)
		first, next := NewJob(throttle), NewJob(throttle)
		first.Destination(f)
		first.Wrote(1 << 60)
		first.Done()
		next.Destination(f)
		next.Wrote(1)
		ctx, cancel := context.WithTimeout(t.Context(), 24*365*time.Hour)
		defer cancel()
		if err := next.Source(nil).Wait(ctx, 1); err != context.DeadlineExceeded {
			t.Errorf("error %v", err)
		}
	})
}

// A job has one part of a device, whatever it reads of it; another device is
// no matter.
func TestAJobHasOnePart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle, f := newThrottle(t, 10*mib), file(t)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		both, other := NewJob(throttle), NewJob(throttle)
		a, b := reader(ctx, both.Source(f), mib/4, 0), reader(ctx, both.Source(f), mib/4, 0)
		alone := reader(ctx, other.Source(f), mib/4, 0)
		elsewhere := reader(ctx, other.Source(nil), mib/4, 0)
		<-ctx.Done()
		synctest.Wait()
		near(t, "with two files", float64(a.Load()+b.Load()), 50*mib, 0.05)
		near(t, "with one", float64(alone.Load()), 50*mib, 0.05)
		near(t, "elsewhere", float64(elsewhere.Load()), 100*mib, 0.02)
	})
}

// Of several throttles the lowest rate holds, and what a job is held back by
// is told.
func TestSeveralThrottles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := NewJob(newThrottle(t, 10*mib), nil, newThrottle(t, mib))
		if j.Rate() != mib {
			t.Errorf("rate %d", j.Rate())
		}
		source := j.Source(file(t))
		began := time.Now()
		go func() {
			time.Sleep(time.Second)
			if !j.Waiting() {
				t.Error("it does not wait")
			}
		}()
		if err := source.Wait(t.Context(), 5*mib); err != nil {
			t.Fatal(err)
		}
		took := time.Since(began)
		near(t, "seconds", took.Seconds(), 5, 0.02)
		if u := j.Usage(); u.Read != 5*mib || u.Waited != took || j.Waiting() {
			t.Errorf("%+v, waiting %v", u, j.Waiting())
		}
	})
}
