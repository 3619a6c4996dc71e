package main

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/assay-dev/assay/engine/sandbox"
	"github.com/assay-dev/assay/hostfuncs"
	wb "github.com/assay-dev/assay/internal/wasmbuild"
)

// endless is a probe that does not want to stop: a loop of 1 000 divisions, of
// all code the slowest for its fuel.
func endless() []byte {
	divisions := slices.Repeat([]byte{wb.LocalGet, 1, 0x82}, 1000) // i64.rem_u
	return wb.Probe(wb.Loop, wb.None, wb.LocalGet, 1, divisions, wb.Drop, wb.Br, 0, wb.End, wb.I32Const, 0).Bytes()
}

// nothing is an image of seven bytes that cannot be read; endless divides by
// its size.
type nothing struct{}

func (nothing) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
func (nothing) Size() int64                       { return 7 }

// hostile measures what an endless probe does to the program around it: how
// long the runtime, and with it every goroutine, waits to stop it, and how
// soon it ends when it is cancelled.
func (c *comparison) hostile() error {
	box, err := sandbox.New(c.ctx, sandbox.Config{Mode: sandbox.ModeCompiler})
	if err != nil {
		return err
	}
	defer box.Close(c.ctx)
	module, err := box.Load(endless(), sandbox.Shipped)
	if err != nil {
		return err
	}
	for _, q := range []struct {
		name string
		part float64
	}{{"median", 0.5}, {"99th percentile", 0.99}} {
		err := c.row("stop the world while an endless probe runs, "+q.name, "while Go code computes",
			func() (time.Duration, error) {
				cancel, done := c.start(module)
				delay := stops(q.part)
				cancel()
				return delay, ended(<-done)
			},
			func() (time.Duration, error) {
				defer compute()()
				return stops(q.part), nil
			})
		if err != nil {
			return err
		}
	}
	return c.row("cancel an endless probe", "kill a process", func() (time.Duration, error) {
		cancel, done := c.start(module)
		time.Sleep(time.Millisecond)
		begin := time.Now()
		cancel()
		err := ended(<-done)
		return time.Since(begin), err
	}, func() (time.Duration, error) {
		p := exec.CommandContext(c.ctx, "sleep", "60")
		if err := p.Start(); err != nil {
			return 0, err
		}
		time.Sleep(time.Millisecond)
		begin := time.Now()
		if err := p.Process.Kill(); err != nil {
			return 0, err
		}
		_, err := p.Process.Wait()
		return time.Since(begin), err
	})
}

// compute keeps a goroutine busy until it is stopped. It can be stopped every
// few microseconds: what stopping it costs beyond that is the scheduler's.
func compute() (stop func()) {
	var stopped atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for x := uint64(7); !stopped.Load(); {
			for range 1000 {
				x = x*x + 1
			}
			computed.Store(x)
		}
	}()
	return func() {
		stopped.Store(true)
		<-done
	}
}

// computed keeps the compiler from leaving the work out.
var computed atomic.Uint64

// start runs a module without an end in sight.
func (c *comparison) start(m *sandbox.Module) (cancel func(), done chan error) {
	ctx, cancel := context.WithCancel(c.ctx)
	done = make(chan error, 1)
	go func() {
		budget := hostfuncs.HeaderBudget()
		budget.Fuel = 1 << 60
		var out sandbox.Result
		done <- m.Run(ctx, sandbox.Input{Image: nothing{}, Budget: budget}, &out)
	}()
	return cancel, done
}

// ended says what is wrong with the end of a run that was cancelled.
func ended(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return errors.Join(errors.New("the endless probe ended before it was cancelled"), err)
}

// stops stops all goroutines 200 times and returns the delay that a part of
// them stays below.
func stops(part float64) time.Duration {
	delays := make([]time.Duration, 200)
	var stats runtime.MemStats
	for i := range delays {
		begin := time.Now()
		runtime.ReadMemStats(&stats) // stops the world
		delays[i] = time.Since(begin)
		time.Sleep(100 * time.Microsecond)
	}
	slices.Sort(delays)
	return delays[int(part*float64(len(delays)))]
}
