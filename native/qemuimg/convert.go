package qemuimg

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"time"

	"github.com/assay-dev/assay/internal/openfile"
	"github.com/assay-dev/assay/internal/vetted"
	"github.com/assay-dev/assay/native/confine"
	"github.com/assay-dev/assay/native/directio"
	"github.com/assay-dev/assay/native/throttle"
)

// ConvertOptions says what to make of an image.
type ConvertOptions struct {
	// Target is one of Targets.
	Target string
	// Subformat is one of Subformats, or empty for the first of them.
	Subformat string
	// Compress is CompressNone, or with TargetQcow2 CompressZlib or
	// CompressZstd. TargetVMDK's streamOptimized is compressed without it.
	Compress string
	// Options are qemu-img's own for the target, those that Options names.
	Options map[string]string
	// Encryption is that of TargetLUKS, and of no other.
	Encryption Encryption
	// SparseSize is the shortest run of zeros in bytes that an output leaves
	// out, a multiple of 512 up to MaxSparseSize; 0 writes all of them, and nil is
	// qemu-img's own, 4 KiB.
	SparseSize *int64
	// Cache is how qemu-img writes the output, one of CacheModes; empty is the
	// best for what it is: CacheNone for a device that can be written past the
	// page cache, and for a file CacheUnsafe, as it is synced when it is done.
	Cache string
	// NoSpaceCheck begins also where the output may need more than there is
	// free: what is known before is only the most that it can need.
	NoSpaceCheck bool
	// SizeLimit is the largest output in bytes. Zero means what the target
	// can need for the virtual size.
	SizeLimit int64
	// Limits are the process's; nil means ConvertLimits of the data that the
	// source can be expected to hold.
	Limits *Limits
	// HandOff is how qemu-img gets the source: HandOffLease, HandOffNBD,
	// HandOffDescriptor, or empty for the first of these that can be. Where that
	// is a lease, and it is broken, the work begins again with the next.
	HandOff string
	// Name is the name that the output's file will have, for formats in which
	// a file holds its own (VMDK). Nothing is opened by it.
	Name string
	// Live takes a raw source as it is while others may write to it: nothing
	// is compared, and the output is of no one moment. It is refused for any
	// other format.
	Live bool
	// Throttle, if not nil, holds the job back: by what it reads of the source
	// and what qemu-img writes to the output. It is refused, with a
	// *RateLimitError, where the source is not served. The caller ends it.
	Throttle *throttle.Job
	// Progress, if set, is told of bytes of the virtual disk done, and of
	// all; where the work begins again, so do they. It is called from one
	// goroutine at a time, and not after Convert returns.
	Progress func(done, total int64)
}

// A ConvertResult tells what a conversion did.
type ConvertResult struct {
	HandOff    string        // HandOffLease, HandOffNBD or HandOffDescriptor
	Layers     []string      // of confinement, that were active
	CPU, Wall  time.Duration // used
	OutputSize int64         // length of the output file, in bytes
	Allocated  int64         // bytes of it that are stored, not holes
	// Counted says that Throttle was told what qemu-img wrote; otherwise it is
	// held back by what it reads alone.
	Counted bool
	// RateHeld says that a control group, too, held qemu-img's own writes, to
	// twice Throttle's rate (confine.Spec.Rates).
	RateHeld bool
}

// Convert writes an image's virtual disk to output in another format. output
// must be an empty regular file, or for a raw disk or LUKS a block device that
// holds zeros and is large enough, open for reading and writing; it is not
// synced, though the disk is made busy with it from the start. Holes of the
// source stay holes, and runs of zeros become some.
//
// When the context is done, a read for the tool that does not return is not
// waited for here, but by the image's Close. Comparing what was inspected,
// before the tool starts, does wait for the source.
//
// The error is a *NoSpaceError when the output's file system is full, or has
// no more room than the output can need, a
// *ToolError when qemu-img failed or met a limit, a *confine.LayerError when
// it could not be confined, a *LockedError when another program writes to the
// source, errors.ErrUnsupported for a target, a hand-off, a cipher
// (*CipherError) or a cache mode (*CacheError) that cannot be, a *CapacityError
// for a disk that the target cannot hold, a *RateLimitError for a rate that
// cannot be held, the context's cause, or that of the image's content when the
// source is not what was vetted: before, while it was read, or when the work
// was done. With HandOffLease it may also be a *lease.Error.
func (t *Tool) Convert(ctx context.Context, image *vetted.Image, output *os.File, o ConvertOptions) (*ConvertResult, error) {
	if image == nil {
		return nil, errors.New("convert: no image")
	}
	facts := image.Facts()
	if err := o.check(facts); err != nil {
		return nil, fmt.Errorf("convert %s to %s: %w", facts.Format, o.Target, err)
	}
	acquire := image.Acquire
	if o.Live {
		acquire = image.AcquireLive
	}
	work, err := acquire()
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	defer work.Release()
	result, err := t.convert(ctx, facts, work, output, o)
	if err != nil {
		err = fmt.Errorf("convert %s to %s: %w", facts.Format, o.Target, err)
	}
	if err != nil && ctx.Err() != nil {
		return nil, err
	}
	// Also where it failed: a source that changed is why, if it did.
	if changed := work.Recheck(); changed != nil {
		return nil, errors.Join(fmt.Errorf("convert: %w", changed), err)
	}
	if err != nil {
		return nil, err
	}
	return result, nil
}

// check refuses options that mean nothing.
func (o *ConvertOptions) check(facts vetted.Facts) error {
	if facts.Driver == "" || facts.VirtualSize < 0 {
		return fmt.Errorf("the verdict names driver %q and size %d", facts.Driver, facts.VirtualSize)
	}
	if o.Live && facts.Driver != "raw" {
		return fmt.Errorf("reading %s while it changes: %w: only of a raw image nothing is followed", facts.Format, errors.ErrUnsupported)
	}
	return nil
}

func (t *Tool) convert(ctx context.Context, facts vetted.Facts, work *vetted.Job, output *os.File, o ConvertOptions) (*ConvertResult, error) {
	to, err := o.target(t.version)
	if err != nil {
		return nil, err
	}
	held, ways, err := t.holding(o.Throttle, o.HandOff)
	if err != nil {
		return nil, err
	}
	if held != nil {
		held.writes(output)
	}
	outputInfo, err := output.Stat()
	if err != nil {
		return nil, err
	}
	device := outputInfo.Mode().Type() == os.ModeDevice
	switch {
	case device && o.Target != TargetRaw && o.Target != TargetLUKS:
		return nil, fmt.Errorf("%s on a block device: %w", o.Target, errors.ErrUnsupported)
	case !device && (!outputInfo.Mode().IsRegular() || outputInfo.Size() != 0):
		return nil, fmt.Errorf("output %s is neither an empty regular file nor a block device", output.Name())
	}
	if err := o.passes(output); err != nil {
		return nil, err
	}
	if err := checkCapacity(to.name, RawSize(facts.VirtualSize), to.capacity, o.Options); err != nil {
		return nil, err
	}
	j := conversion{to: to, facts: facts, work: work, output: output, device: device, held: held}
	var result *confine.Result
	handOff, err := inTurn(ways, func(way string) (err error) {
		j.handOff = way
		result, err = t.attempt(ctx, &j, &o)
		// A qemu-img that cannot tell how fast it derives a key has written a
		// part of the header, if anything.
		for tries := 1; tries < measurements && unmeasured(err); tries++ {
			result, err = t.attempt(ctx, &j, &o)
		}
		return err
	})
	if failed, ok := errors.AsType[*ToolError](err); ok {
		if full := spaceError(output, failed); full != nil {
			return nil, full
		}
	}
	if err != nil {
		return nil, err
	}
	if o.Target == TargetVMDK {
		if err := nameVMDK(output, o.Name); err != nil {
			return nil, err
		}
	}
	outputInfo, err = output.Stat()
	if err != nil {
		return nil, err
	}
	return &ConvertResult{
		HandOff: handOff, Layers: result.Layers, CPU: result.UserTime + result.SystemTime, Wall: result.Wall,
		OutputSize: outputInfo.Size(), Allocated: openfile.Allocated(outputInfo), Counted: held.counted(),
		RateHeld: result.RatesHeld,
	}, nil
}

// A conversion is what one is made of, beside what is asked for.
type conversion struct {
	to      *target
	facts   vetted.Facts
	work    *vetted.Job
	handOff string   // what is tried
	output  *os.File // what an earlier attempt has written is void
	device  bool     // output is one
	held    *held    // back by a rate, or nil
}

// attempt runs qemu-img once. On a device it writes to the same places as the
// one before; a file begins empty.
func (t *Tool) attempt(ctx context.Context, c *conversion, o *ConvertOptions) (*confine.Result, error) {
	if !c.device {
		if err := c.output.Truncate(0); err != nil {
			return nil, err
		}
	}
	in, err := newSource(c.work, c.handOff, c.facts, o.Live)
	if err != nil {
		return nil, err
	}
	defer in.close()

	size := RawSize(c.facts.VirtualSize)
	bound := o.bound(c.to, size)
	if c.to.name == TargetRaw && size > bound {
		return nil, &ToolError{Tool: "qemu-img", Op: "convert", ExitCode: -1, Limit: LimitFileSize}
	}
	if !c.device && !o.NoSpaceCheck {
		if err := CheckSpace(c.output, o.needed(c.to, in.stored, size)); err != nil {
			return nil, err
		}
	}
	// Made here and not by qemu-img, an output that is all holes is known to
	// be zero, and only the rest need be written. A device is zeroed by its
	// owner.
	if c.to.name == TargetRaw && !c.device {
		if err := c.output.Truncate(size); err != nil {
			return nil, sizeError(c.output, err)
		}
	}
	limits := ConvertLimits(o.work(c.to, c.facts.Driver, in.stored, size))
	if o.Limits != nil {
		limits = *o.Limits
	}
	files := []confine.File{{File: c.output, Access: confine.ReadWrite}}
	if c.to.name == TargetLUKS {
		secret, err := secretPipe(o.Encryption.Passphrase)
		if err != nil {
			return nil, err
		}
		defer secret.Close()
		files = append(files, confine.File{File: secret, Access: confine.Pipe})
	}
	defer writeBack(c.output)()
	return t.runOn(ctx, in, "convert", job{
		args:     o.arguments(c.to, in.options, c.device, c.device && passesCache(c.output)),
		files:    files,
		limits:   limits,
		fileSize: bound,
		output:   reportProgress(o.Progress, c.facts.VirtualSize),
		held:     c.held,
	})
}

// compression is how many times its stored size a compressed image is taken
// to hold: more than disks do, but for zeros, which no tool compresses.
const compression = 4

// data returns how much a source can be expected to hold, in bytes. Only raw
// images are known not to be compressed.
func data(driver string, stored int64) int64 {
	if driver == "raw" || stored > math.MaxInt64/compression {
		return stored
	}
	return compression * stored
}

// work returns how much of a disk of size bytes there can be expected to be
// work with: what the source holds, or all of it where zeros are stored too.
func (o *ConvertOptions) work(to *target, driver string, stored, size int64) int64 {
	if to.stores(o) {
		return size
	}
	return min(data(driver, stored), size)
}

// arguments returns the command line for a source and what qemu-img is to know
// of it.
func (o *ConvertOptions) arguments(to *target, source string, device, direct bool) []string {
	// Data are written in the order in which they arrive (-W). qemu-img has
	// eight requests in work; more buffers would only leave the processor's
	// caches, except where each is work to compress (-m, at most 16).
	args := []string{"convert", "-p", "--image-opts"}
	// A stream is read from its start to its end. A VDI's header, in which its
	// blocks are counted, is copied and written after the lock on them is let go
	// (block/vdi.c, vdi_co_pwritev): of writes at a time, an older one may be the
	// last. So it was in 1 of 300 that were read over a connection.
	stream := o.Subformat == "streamOptimized"
	if !stream && o.Target != TargetVDI {
		args = append(args, "-W")
	}
	if o.SparseSize != nil {
		args = append(args, "-S", strconv.FormatInt(*o.SparseSize, 10))
	}
	switch {
	case o.Cache != "":
		args = append(args, "-t", o.Cache)
	case direct:
		// The pages that the cache would gather are of no use to anybody.
		args = append(args, "-t", CacheNone)
	}
	if o.Target == TargetRaw {
		protocol := "file"
		if device {
			protocol = "host_device"
		}
		return append(args, "-n", "--target-is-zero", "--target-image-opts",
			source, fmt.Sprintf("driver=raw,file.driver=%s,file.filename=%s", protocol, outputName))
	}
	if o.Compress != CompressNone {
		args = append(args, "-c")
	}
	if o.Compress != CompressNone || stream {
		args = append(args, "-m", "16")
	}
	if o.Target == TargetLUKS {
		args = append(args, "--object", "secret,id="+secretID+",file="+secretName)
	}
	args = append(args, "-O", to.driver)
	if creation := to.creation(o); creation != "" {
		args = append(args, "-o", creation)
	}
	return append(args, source, outputName)
}

// passesCache tells whether an output can be written past the page cache.
func passesCache(output *os.File) bool {
	_, err := directio.Of(output)
	return err == nil
}

// sector is qemu's unit of a disk's size, in bytes (BDRV_SECTOR_SIZE).
const sector = 512

// RawSize returns the size of a disk of so many bytes as qemu writes it: whole
// sectors. What is copied without it has that size too.
func RawSize(virtual int64) int64 { return (virtual + sector - 1) / sector * sector }

// bound returns the largest output in bytes: what the caller allows, or what
// the target can need.
func (o *ConvertOptions) bound(to *target, size int64) int64 {
	if o.SizeLimit > 0 {
		return o.SizeLimit
	}
	overhead := to.overhead(size, o.Options)
	if size > math.MaxInt64-overhead {
		return math.MaxInt64
	}
	return size + overhead
}

// reportProgress returns the consumer of qemu-img's standard output.
func reportProgress(report func(done, total int64), total int64) func([]byte) {
	if report == nil {
		return nil
	}
	p := progress{report: report, total: total, last: -1}
	return p.consume
}
