package throttle

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const mib = 1 << 20

func newThrottle(t *testing.T, rate int64) *Throttle {
	t.Helper()
	throttle, err := New(rate)
	if err != nil {
		t.Fatal(err)
	}
	return throttle
}

// reader is a job that reads for as long as it may, by requests of a size,
// with a pause after each; it returns what it got.
func reader(ctx context.Context, source *Source, size int64, pause time.Duration) *atomic.Int64 {
	var got atomic.Int64
	go func() {
		for source.Wait(ctx, size) == nil {
			got.Add(size)
			if pause == 0 {
				// Not a timer that is due at once: of those the race detector of
				// Go 1.26 crashes in a bubble, when two goroutines have one.
				continue
			}
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
		}
	}()
	return &got
}

func file(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// near fails unless got is what is wanted, but for a part of it.
func near(t *testing.T, what string, got, want, part float64) {
	t.Helper()
	if math.Abs(got-want) > part*want {
		t.Errorf("%s: %.0f, want %.0f within %g%%", what, got, want, 100*part)
	}
}

// A rate is held whatever it is, whatever is asked for at a time, and though
// the job does something else between two requests.
func TestRate(t *testing.T) {
	for _, rate := range []int64{10, 100_000, mib, 50 * mib, 1000 * mib} {
		for _, size := range []int64{1, 4096, 256 << 10, 2 * mib} {
			if size < rate/10_000 || size > 2*rate {
				continue // as many requests, or seconds, as the test has
			}
			synctest.Test(t, func(t *testing.T) {
				source := NewJob(newThrottle(t, rate)).Source(nil)
				const seconds = 20
				ctx, cancel := context.WithTimeout(t.Context(), seconds*time.Second)
				defer cancel()
				got := reader(ctx, source, size, min(10*time.Millisecond, time.Duration(size*int64(time.Second)/rate/2)))
				<-ctx.Done()
				synctest.Wait()
				near(t, "bytes", float64(got.Load()), float64(seconds*rate), max(0.01, float64(size)/float64(seconds*rate)))
			})
		}
	}
}

// Jobs share a device in equal parts of bytes, by requests of any size, and
// also if one pauses between its requests; who is alone has all of it.
func TestFair(t *testing.T) {
	for _, tc := range []struct {
		name       string
		rate, size int64
		pause      time.Duration
	}{
		{"the same requests", 50 * mib, 2 * mib, 0},
		{"small requests", 50 * mib, 4096, 0},
		{"small requests at a low rate", mib, 512, 0},
		{"small requests and pauses", 50 * mib, 4096, 100 * time.Microsecond},
		{"large requests and pauses", 10 * mib, 2 * mib, 10 * time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				throttle, f := newThrottle(t, tc.rate), file(t)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				alone, leave := context.WithTimeout(ctx, 5*time.Second)
				defer leave()
				one := reader(ctx, NewJob(throttle).Source(f), 2*mib, 0)
				other := reader(alone, NewJob(throttle).Source(f), tc.size, tc.pause)
				<-alone.Done()
				synctest.Wait()
				half := 2.5 * float64(tc.rate)
				near(t, "of two, one", float64(one.Load()), half, 0.05+2*mib/half)
				near(t, "of two, the other", float64(other.Load()), half, 0.05)
				<-ctx.Done()
				synctest.Wait()
				near(t, "one and then alone", float64(one.Load()), 3*half, 0.05+2*mib/half)
				near(t, "the other, gone", float64(other.Load()), half, 0.05)
			})
		})
	}
}

// Ten jobs have a tenth each.
func TestFairAmongMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle, f := newThrottle(t, 100*mib), file(t)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var got []*atomic.Int64
		for i := range 10 {
			got = append(got, reader(ctx, NewJob(throttle).Source(f), 4096<<i, 0))
		}
		<-ctx.Done()
		synctest.Wait()
		for i, n := range got {
			near(t, "bytes", float64(n.Load()), 100*mib, 0.05+float64(int64(4096)<<i)/(100*mib))
		}
	})
}

// A device left alone, and a job that was idle, have nothing saved up but what
// fits in the window.
func TestNothingIsHoarded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle, f := newThrottle(t, 10*mib), file(t)
		idle := NewJob(throttle).Source(f)
		time.Sleep(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		busy := reader(ctx, NewJob(throttle).Source(f), 4096, 0)
		time.Sleep(time.Second)
		synctest.Wait()
		if got, most := busy.Load(), int64(11*mib+4096); got > most {
			t.Errorf("a device that was left alone gave %d bytes in a second", got)
		}
		before := busy.Load()
		back := reader(ctx, idle, 4096, 0)
		<-ctx.Done()
		synctest.Wait()
		near(t, "the job that was idle", float64(back.Load()), 5*mib, 0.11)
		near(t, "the busy one", float64(busy.Load()-before), 5*mib, 0.11)
	})
}

// A wait ends with its context, takes nothing with it, and does not hold up
// those behind it.
func TestCancelInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle, f := newThrottle(t, mib), file(t)
		why := errors.New("enough")
		impatient, giveUp := context.WithCancelCause(t.Context())
		var errs [3]error
		for i := range errs {
			go func() { errs[i] = NewJob(throttle).Source(f).Wait(impatient, 100*mib) }()
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		patient := reader(ctx, NewJob(throttle).Source(f), 4096, 0)
		time.Sleep(time.Second)
		giveUp(why)
		synctest.Wait()
		if errs != [3]error{why, why, why} {
			t.Fatalf("errors %v", errs)
		}
		if err := NewJob(throttle).Source(f).Wait(impatient, 1); err != why {
			t.Errorf("after it: %v", err)
		}
		<-ctx.Done()
		synctest.Wait()
		near(t, "the patient one", float64(patient.Load()), 4.25*mib, 0.05)
	})
}
