// Package blockcopy copies the disk of a raw image: what no tool is needed
// for, as nothing in such an image is followed.
//
// What it protects: the verdict. Ranges that were inspected are written as
// they were then, whatever became of the source meanwhile, and a source that
// changed while it was copied fails the copy, unless it is taken live. The
// bytes of the image are compared with zero, and looked at in no other way.
//
// It promises that a copy is whole or an error, and that it holds nothing of
// what its output held before: of a regular file holes of the source stay
// holes and blocks of zeros become some; on a block device both are zeroed, by
// the device where it can.
//
// Where the file system can, the output shares the data of the source until
// one of the two is written to (FICLONE, ioctl_ficlone(2)). The system takes
// all of the source at one moment for it, which is after the vetting, so that
// what was inspected is compared with the output then, and written where it
// differs. A live source is shared too: the output is then of one moment,
// which is better than what was asked for.
//
// What it does not promise: that the output is on disk (that is the caller's
// to see to, though writing begins at once), and anything about what stands on
// a device behind the image.
package blockcopy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/assay-dev/assay/internal/openfile"
	"github.com/assay-dev/assay/internal/vetted"
	"github.com/assay-dev/assay/native/qemuimg"
	"github.com/assay-dev/assay/native/throttle"
)

// Options says how an image is copied. The zero value is right for most.
type Options struct {
	// Workers is how many parts are copied at a time; zero means eight
	// where the output is written past the page cache, and else as many as
	// there are processors, two at most.
	Workers int
	// Cached writes an output that is a file by way of the page cache, from
	// which what is read next is read sooner. Otherwise long runs of data are
	// written past it (O_DIRECT) where that is quicker: on ext4. To a device
	// they are in any case.
	Cached bool
	// Live takes the source as it is while others may write to it: what was
	// vetted is not compared, and locks are not looked at.
	Live bool
	// Room refuses, with a *qemuimg.NoSpaceError, to begin a copy to a file
	// that shares no data when its file system has no more room than the
	// source takes up. Blocks of zeros that the source stores are counted,
	// though a copy stores none.
	Room bool
	// Throttle, if not nil, holds the copy back: by what is read of the source
	// and written to the output. Holes cost nothing, nor does what the system
	// zeroes or shares. The caller ends it.
	Throttle *throttle.Job
	// Progress, if set, is told of bytes of the disk done, and of all. It is
	// called from one goroutine at a time, which holds up the others, and not
	// after Copy returns.
	Progress func(done, total int64)
}

// A Result tells what a copy did.
type Result struct {
	// Cloned says that the output shares the data of the source.
	Cloned bool
	// Written is how many bytes were written as data.
	Written int64
	// OutputSize is the length of the disk in bytes, and Allocated how many
	// of a regular file are stored and not holes.
	OutputSize, Allocated int64
}

// Copy writes an image's disk to output, which must be open for reading and
// writing: an empty regular file, or a block device that is no smaller than
// the disk. It is not synced, and after an error what was written is the
// caller's to discard.
//
// The error is a *qemuimg.NoSpaceError when the output's file system is full,
// a *qemuimg.LockedError when another program writes to the source,
// errors.ErrUnsupported for an image whose driver is not raw, the context's
// cause, io.ErrUnexpectedEOF when the source is shorter than it was, or that
// of the image's content when the source is not what was vetted: before, while
// it was read, or when the work was done.
func Copy(ctx context.Context, image *vetted.Image, output *os.File, o Options) (*Result, error) {
	if image == nil {
		return nil, errors.New("copy: no image")
	}
	facts := image.Facts()
	if facts.Driver != "raw" {
		return nil, fmt.Errorf("copy %s: %w: its driver is %s, not raw", facts.Format, errors.ErrUnsupported, facts.Driver)
	}
	if facts.Size < 0 || facts.VirtualSize != facts.Size {
		return nil, fmt.Errorf("copy %s: the verdict says %d bytes of file and %d of disk", facts.Format, facts.Size, facts.VirtualSize)
	}
	if o.Workers < 0 {
		return nil, fmt.Errorf("copy: %d workers", o.Workers)
	}
	acquire := image.Acquire
	if o.Live {
		acquire = image.AcquireLive
	}
	work, err := acquire()
	if err != nil {
		return nil, fmt.Errorf("copy: %w", err)
	}
	defer work.Release()
	result, err := run(ctx, work, facts.Size, output, o)
	if err != nil {
		err = fmt.Errorf("copy %s: %w", facts.Format, err)
	}
	if err != nil && ctx.Err() != nil {
		return nil, err
	}
	// Also where it failed: a source that changed is why, if it did.
	if changed := work.Recheck(); changed != nil {
		return nil, errors.Join(fmt.Errorf("copy: %w", changed), err)
	}
	return result, err
}

// run does the work of Copy.
func run(ctx context.Context, work *vetted.Job, size int64, output *os.File, o Options) (*Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	in := &input{source: work.Source(), size: size}
	if !o.Live {
		in.pinned = work
	}
	if file := work.File(); file != nil {
		again, err := openSource(file, o.Live)
		if err != nil {
			return nil, err
		}
		if again != nil {
			defer again.Close()
			in.source, in.file = again, again
		}
	}
	disk := qemuimg.RawSize(size)
	out, err := newOutput(output, disk, o.Cached)
	if err != nil {
		return nil, err
	}
	defer out.close()
	o.Throttle.Destination(output)
	out.throttle = o.Throttle
	cloned, err := out.prepare(in, disk, o.Room)
	if err != nil {
		return nil, err
	}
	c := &copier{in: in, out: out, size: disk, held: o.Throttle.Source(work.File()), report: o.Progress}
	if cloned {
		c.in = in.onlyPinned()
	}
	workers := o.Workers
	if workers == 0 {
		workers = out.workers()
	}
	if err := c.run(ctx, workers); err != nil {
		return nil, err
	}
	info, err := output.Stat()
	if err != nil {
		return nil, err
	}
	return &Result{Cloned: cloned, Written: c.written, OutputSize: disk, Allocated: openfile.Allocated(info)}, nil
}

// errShort is the error of a source that ended before its end.
func errShort(got, want int64) error {
	return fmt.Errorf("the source has %d of its %d bytes: %w", got, want, io.ErrUnexpectedEOF)
}
