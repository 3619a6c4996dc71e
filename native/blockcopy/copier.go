package blockcopy

import (
	"bytes"
	"context"
	"sync"

	"github.com/assay-dev/assay/native/throttle"
)

const (
	// chunk is how much a worker copies at a time, in bytes: enough for a disk
	// to be written to at its full rate, and little enough to stay in the
	// processor's cache between being read and being written (BenchmarkCopy).
	chunk = 1 << 20
	// block is the unit in which zeros are told from data, in bytes: that of
	// file systems and of the ranges that are pinned.
	block = 4096
	// stretch is how much of a device is zeroed at a time, in bytes, as that
	// cannot be interrupted.
	stretch = 64 << 20
	// window is how much of a file is left for the system to write to disk at
	// a time, in bytes: after every chunk, that takes half as much processor
	// time again (BenchmarkCopy).
	window = 8 << 20
	// cachedWorkers is how many copy at a time if nobody says otherwise, by
	// way of the page cache (BenchmarkCopy): a file is written to by one at a
	// time, while the other reads; a third would find nothing to do.
	cachedWorkers = 2
	// directWorkers is how many do past it, each of which waits for the disk
	// most of the time (BenchmarkCopy).
	directWorkers = 8
)

// A copier copies what in has to out.
type copier struct {
	in     *input
	out    *output
	size   int64 // of the disk: that of in, in whole sectors
	held   *throttle.Source
	report func(done, total int64)

	mu      sync.Mutex
	next    int64 // where the next part begins
	end     int64 // of the extent that next is in, and what it is
	kind    kind
	settled int64 // bytes of the disk that are done
	begun   int64 // up to where the system was told to write them to disk
	room    room  // of what is written past the page cache
	written int64 // bytes that were written
	err     error // of all, the one that is first in the disk
	failed  int64 // where that is; -1 where it is of no place
}

// A part is what a worker does at a time: all of one kind.
type part struct {
	off, end int64
	kind     kind
	reserved bool // the file has room for it
}

// run copies with a number of workers. Of their errors it returns the one that
// is first in the disk: which worker is told first is a matter of chance.
func (c *copier) run(ctx context.Context, workers int) error {
	buffers, free, err := newBuffers(workers)
	if err != nil {
		return err
	}
	defer free()
	var group sync.WaitGroup
	for _, buf := range buffers {
		group.Go(func() { c.work(ctx, buf) })
	}
	group.Wait()
	if c.err == nil {
		c.giveBack()
	}
	return c.err
}

func (c *copier) work(ctx context.Context, buf []byte) {
	for {
		p, ok := c.claim(ctx)
		if !ok {
			return
		}
		n, err := c.copy(ctx, p, buf[:min(chunk, p.end-p.off)])
		if from, to := c.settle(p, n, err); from < to {
			c.out.begin(from, to-from)
		}
	}
}

// claim returns the next part; false when there is none, or an error.
func (c *copier) claim(ctx context.Context) (p part, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil && ctx.Err() != nil {
		c.fail(-1, context.Cause(ctx))
	}
	if c.err != nil || c.next >= c.size {
		return p, false
	}
	if c.out.reserves() && !c.in.rest && c.next >= c.room.end {
		if err := c.reserve(c.next); err != nil {
			c.fail(c.next, err)
			return p, false
		}
	}
	if c.next >= c.end {
		var err error
		if c.end, c.kind, err = c.extent(c.next); err != nil {
			c.fail(c.next, err)
			return p, false
		}
	}
	p = part{c.next, c.end, c.kind, c.room.held}
	switch c.kind {
	case data, pinned:
		p.end = min(p.end, (p.off/chunk+1)*chunk) // aligned from then on
	case hole:
		p.end = min(p.end, p.off+stretch)
	}
	c.next = p.end
	return p, true
}

// fail takes note of an error at an offset, which ends the copy. The lock is
// held.
func (c *copier) fail(at int64, err error) {
	if c.err == nil || at < c.failed {
		c.err, c.failed = err, at
	}
}

// extent is that of the input; the last sector of the disk is filled up with
// zeros.
func (c *copier) extent(off int64) (end int64, k kind, err error) {
	if off >= c.in.size {
		return c.size, hole, nil
	}
	return c.in.extent(off)
}

// settle takes note of what became of a part, and returns a range that it is
// time to write to disk, or an empty one.
func (c *copier) settle(p part, written int64, err error) (from, to int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written += written
	if err != nil {
		c.fail(p.off, err)
	}
	if c.err != nil {
		return 0, 0
	}
	c.settled += p.end - p.off
	if p.kind == data || p.kind == pinned {
		c.room.copied += p.end - p.off
		c.room.zeros += p.end - p.off - written
	}
	if c.report != nil {
		c.report(c.settled, c.size)
	}
	if from, to = c.begun, p.end; to-from < window {
		return 0, 0
	}
	c.begun = to
	return from, to
}

// copy does one part by way of buf, and returns how much it wrote.
func (c *copier) copy(ctx context.Context, p part, buf []byte) (written int64, err error) {
	switch p.kind {
	case done:
		return 0, nil
	case hole:
		return 0, c.out.zero(p.off, p.end-p.off)
	}
	if err := c.held.Wait(ctx, int64(len(buf))); err != nil {
		return 0, err
	}
	if err := c.in.read(buf, p.off, p.kind); err != nil {
		return 0, err
	}
	if c.in.rest {
		return c.out.amend(buf, p.off)
	}
	if c.out.device {
		// Whole parts only: a device is quicker to write than to ask twice.
		if isZero(buf) {
			return 0, c.out.zero(p.off, int64(len(buf)))
		}
		return int64(len(buf)), c.out.write(buf, p.off, true)
	}
	for at := 0; at < len(buf); {
		n, zero := run0(buf[at:])
		switch off := p.off + int64(at); {
		case !zero:
			if err := c.out.write(buf[at:at+n], off, p.reserved); err != nil {
				return written, err
			}
			written += int64(n)
		case p.reserved:
			c.noteUnused(off, int64(n))
		}
		at += n
	}
	return written, nil
}

// run0 returns how many bytes of p, from its start, are blocks of zeros, or
// are not.
func run0(p []byte) (n int, zero bool) {
	zero = isZero(p[:min(block, len(p))])
	for n = min(block, len(p)); n < len(p); n += min(block, len(p)-n) {
		if isZero(p[n:min(n+block, len(p))]) != zero {
			break
		}
	}
	return n, zero
}

// zeros is what zeros are compared with: the runtime compares as many bytes at
// a time as the processor can.
var zeros [chunk]byte

func isZero(p []byte) bool { return bytes.Equal(p, zeros[:len(p)]) }
