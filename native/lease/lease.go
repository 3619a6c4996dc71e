// Package lease keeps an open file from being changed while it is read.
//
// What it protects: a reader who cannot be told what to read, as a tool that is
// handed the file. While a lease is held, nobody has the file open for writing,
// or mapped for it. Who then opens it for writing or truncates it, by whatever
// name, is kept waiting by the kernel, and the holder of the lease sees it
// (fcntl(2), "Leases"; F_SETLEASE with F_RDLCK). Reading, renaming and removing
// the file is left to everybody.
//
// It promises that what was read up to a successful Held is what the file was
// when the lease was taken. Who is kept waiting waits until the lease is
// released: its holder is to do so soon after Await has returned. A program
// that asked not to wait (O_NONBLOCK) gets an error instead. If the holder does
// nothing, the kernel lets the writer go on after a time
// (/proc/sys/fs/lease-break-time, 45 s); Held then fails.
//
// What it does not promise: anything about a file system that others can change
// without this kernel's knowing, so leases are taken on some local ones only;
// and anything about who writes to the device below it.
//
// Leases are a matter of Linux. Elsewhere Take fails with an error that matches
// errors.ErrUnsupported.
package lease

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// An Error says that there is no lease, or none any more.
type Error struct {
	// Broken says that it was held, until somebody wanted to write to the file.
	// Otherwise it could not be taken, for the reason Err.
	Broken bool
	Err    error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Broken {
		return "another program has opened the source for writing while it was read"
	}
	return fmt.Sprintf("others cannot be kept from writing to the source: %v", e.Err)
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is errors.ErrUnsupported, as it is of a lease that
// could not be taken.
func (e *Error) Is(target error) bool { return target == errors.ErrUnsupported && !e.Broken }

// Hint says what to do about it.
func (e *Error) Hint() string {
	return "have the source served instead (hand-off nbd), or let the engine choose"
}

// A Lease is held on a file until it is released. Its methods are safe for
// concurrent use.
type Lease struct{ file *os.File }

// Take takes a lease on a regular file that is open for reading only. The open
// file should be the caller's own, opened for this: it can hold one lease. The
// error is an *Error: where somebody has the file open for writing, its owner
// is another user and this process has no CAP_LEASE, or the file system does not
// do.
func Take(file *os.File) (*Lease, error) {
	if err := take(file); err != nil {
		return nil, &Error{Err: err}
	}
	return &Lease{file}, nil
}

// Held fails with an *Error once somebody wanted to write to the file.
func (l *Lease) Held() error {
	if held, err := held(l.file); err != nil || !held {
		return &Error{Broken: true, Err: err}
	}
	return nil
}

// glance is how often Await looks: as long as a writer waits at most because of
// it. Signals, by which the kernel would tell, belong to the host program.
const glance = 20 * time.Millisecond

// Await waits until the lease is not held any more, and returns why, as Held
// does; or until the context is done, and returns nil.
func (l *Lease) Await(ctx context.Context) error {
	ticks := time.NewTicker(glance)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
		if err := l.Held(); err != nil {
			return err
		}
	}
}

// Release gives the lease back: who waited can write. It may be called again.
// Closing the file does so too, when no process has it open any more.
func (l *Lease) Release() { release(l.file) }
