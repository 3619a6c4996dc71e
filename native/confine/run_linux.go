package confine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Run runs a process under every layer this host can give, and waits for it.
// An error means that it was not run, or not to its end: the description is
// wrong, a layer is missing (*LayerError), the program could not be started,
// or the context was done. How it ended, if it was left to, is in the result,
// also when a limit ended it.
//
// When Run returns, the process is gone, the processes it left in its group,
// in a pid namespace or under a user of its own are gone or dying, and files
// lent to it are their owners' again. It is safe for concurrent use;
// each run occupies one thread of the host while it lasts.
func Run(ctx context.Context, s Spec) (*Result, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	layers, err := choose(s)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", s.Path, err)
	}
	return run(ctx, s, layers)
}

// run is Run with the layers chosen.
func run(ctx context.Context, s Spec, layers []string) (*Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("run %s: %w", s.Path, context.Cause(ctx))
	}
	stdout, err := newOutput(s.Output)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", s.Path, err)
	}
	stderr, err := newOutput(nil)
	if err != nil {
		stdout.release()
		stdout.finish()
		return nil, fmt.Errorf("run %s: %w", s.Path, err)
	}
	result, err := runWith(ctx, s, layers, stdout, stderr)
	// The streams end with the process, and only then is what it said whole.
	stdout.release()
	stderr.release()
	out, said := stdout.finish(), stderr.finish()
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", s.Path, err)
	}
	result.Stdout, result.Stderr = out, said
	return result, nil
}

func runWith(ctx context.Context, s Spec, layers []string, stdout, stderr *output) (_ *Result, err error) {
	l, err := newLaunch(s, layers, stdout, stderr)
	if err != nil {
		return nil, err
	}
	defer l.close()
	if err := l.id.lend(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.id.takeBack()) }()

	began := time.Now()
	p := &process{spec: s, group: l.group, began: began, ended: make(chan struct{})}
	started := make(chan error)
	go onOwnThread(func() {
		pid, err := l.start()
		p.pid, p.handle = pid, l.handle
		started <- err
		if err == nil {
			// The process dies with this thread: stay until it has ended.
			l.handle.awaitEnd(pid)
			close(p.ended)
		}
	})
	if err := <-started; err != nil {
		if s.Counter != nil {
			s.Counter.stop()
		}
		return nil, fmt.Errorf("start: %w", err)
	}
	if s.Started != nil {
		s.Started(p.pid)
	}
	stopped, stopErr := p.supervise(ctx)
	if s.Counter != nil {
		s.Counter.stop()
	}
	result, err := p.collect(stopped)
	if err == nil && result.Limit == "" && result.Signal == unix.SIGKILL && l.group != nil && l.group.outOfMemory() {
		result.Limit = LimitMemory
	}
	if l.id.alone() && l.apart == together {
		err = errors.Join(err, l.id.killAll())
	}
	if stopErr != nil || err != nil {
		return nil, errors.Join(stopErr, err)
	}
	result.Layers = l.layers
	result.RatesHeld = l.group != nil && l.group.held
	return result, nil
}

// A process is one that was started, until it is reaped.
type process struct {
	spec   Spec
	group  *cgroup // nil without control groups
	pid    int
	handle pidfd
	began  time.Time
	ended  chan struct{} // closed when it is a zombie
}

// supervise returns when the process has ended, by itself or because it was
// killed: at its deadline, for want of progress (the limit is returned), or
// because the context was done (the error is).
func (p *process) supervise(ctx context.Context) (limit string, err error) {
	var deadline, look <-chan time.Time
	if p.spec.Deadline > 0 {
		timer := time.NewTimer(p.spec.Deadline)
		defer timer.Stop()
		deadline = timer.C
	}
	watch := newWatchdog(p.pid, p.spec)
	if p.spec.Watchdog > 0 {
		ticker := time.NewTicker(max(p.spec.Watchdog/8, time.Millisecond))
		defer ticker.Stop()
		look = ticker.C
	}
	for {
		select {
		case <-p.ended:
			return "", nil
		case <-ctx.Done():
			p.kill()
			return "", context.Cause(ctx)
		case <-deadline:
			p.kill()
			return LimitDeadline, nil
		case now := <-look:
			if watch.stalled(now) {
				p.kill()
				return LimitNoProgress, nil
			}
		}
	}
}

// kill kills the process and its group, and waits for the process.
func (p *process) kill() {
	if p.group != nil {
		p.group.lift(p.spec.Rates)
	}
	p.killGroup()
	<-p.ended
}

// killGroup kills the process and its group. The number cannot have passed to
// another as long as the process that leads the group has not been reaped. By
// us it has not, but some hosts reap every child they have.
func (p *process) killGroup() {
	if p.handle.kill(p.pid) {
		unix.Kill(-p.pid, unix.SIGKILL)
	}
}

// collect reaps the process, after killing what it left behind in its group.
// limit is what the supervisor killed it for, or empty.
func (p *process) collect(limit string) (*Result, error) {
	p.killGroup()
	status, usage, err := reap(p.pid)
	if err != nil {
		return nil, err
	}
	r := &Result{
		ExitCode:   -1,
		Limit:      limit,
		UserTime:   time.Duration(usage.Utime.Nano()),
		SystemTime: time.Duration(usage.Stime.Nano()),
		Wall:       time.Since(p.began),
	}
	if !status.Signaled() {
		r.ExitCode = status.ExitStatus()
		// It may have ended just before it was to be killed.
		r.Limit = ""
		return r, nil
	}
	r.Signal = status.Signal()
	switch {
	case limit != "":
	case r.Signal == unix.SIGXCPU,
		r.Signal == unix.SIGKILL && r.UserTime+r.SystemTime >= p.spec.Limits.CPU:
		r.Limit = LimitCPU
	case r.Signal == unix.SIGXFSZ:
		r.Limit = LimitFileSize
	}
	return r, nil
}

// reap waits for the process.
func reap(pid int) (syscall.WaitStatus, unix.Rusage, error) {
	var status unix.WaitStatus
	var usage unix.Rusage
	for {
		_, err := unix.Wait4(pid, &status, 0, &usage)
		if err == unix.EINTR {
			continue
		}
		// ECHILD: the host ignores SIGCHLD, or reaps every child itself.
		return syscall.WaitStatus(status), usage, os.NewSyscallError("wait4", err)
	}
}
