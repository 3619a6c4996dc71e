package qemuimg

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	"github.com/assay-dev/assay/internal/vetted"
	"github.com/assay-dev/assay/native/confine"
)

// Targets of a conversion.
const (
	TargetRaw   = "raw"
	TargetQcow2 = "qcow2"
)

// Compressions of a target.
const (
	CompressNone = ""
	CompressZlib = "zlib"
	CompressZstd = "zstd"
)

// ConvertOptions says what to make of an image.
type ConvertOptions struct {
	// Target is TargetRaw or TargetQcow2 (compat 1.1).
	Target string
	// Compress is CompressNone, or with TargetQcow2 CompressZlib or
	// CompressZstd.
	Compress string
	// SizeLimit is the largest output in bytes. Zero means what the target
	// can need for the virtual size.
	SizeLimit int64
	// Limits are the process's; nil means ConvertLimits of the data that the
	// source can be expected to hold.
	Limits *Limits
	// Progress, if set, is told of bytes of the virtual disk done, and of
	// all. It is called from one goroutine at a time, and not after Convert
	// returns.
	Progress func(done, total int64)
}

// A ConvertResult tells what a conversion did.
type ConvertResult struct {
	Layers     []string      // of confinement, that were active
	CPU, Wall  time.Duration // used
	OutputSize int64         // length of the output file, in bytes
	Allocated  int64         // bytes of it that are stored, not holes
}

// The descriptors by which qemu-img opens its two files.
const (
	sourceName = "/dev/fd/3"
	outputName = "/dev/fd/4"
)

// Convert writes an image's virtual disk to output in another format. output
// must be an empty regular file, open for reading and writing; it is not
// synced. Holes of the source stay holes, and runs of zeros become some.
//
// The error is a *NoSpaceError when the output's file system is full, a
// *ToolError when qemu-img failed or met a limit, a *confine.LayerError when
// it could not be confined, errors.ErrUnsupported for a target that is none,
// the context's cause, or that of the image's checker when the source is not
// what was vetted: before, or when the work was done.
func (t *Tool) Convert(ctx context.Context, image *vetted.Image, output *os.File, o ConvertOptions) (*ConvertResult, error) {
	if image == nil {
		return nil, errors.New("convert: no image")
	}
	facts := image.Facts()
	if err := o.check(facts); err != nil {
		return nil, fmt.Errorf("convert %s to %s: %w", facts.Format, o.Target, err)
	}
	source, release, err := image.Acquire()
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	defer release()
	result, err := t.convert(ctx, facts, source, output, o)
	if err != nil {
		return nil, fmt.Errorf("convert %s to %s: %w", facts.Format, o.Target, err)
	}
	if err := image.Recheck(); err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	return result, nil
}

// check refuses options that mean nothing.
func (o *ConvertOptions) check(facts vetted.Facts) error {
	if facts.Driver == "" || facts.VirtualSize < 0 {
		return fmt.Errorf("the verdict names driver %q and size %d", facts.Driver, facts.VirtualSize)
	}
	switch o.Compress {
	case CompressNone:
	case CompressZlib, CompressZstd:
		if o.Target != TargetQcow2 {
			return fmt.Errorf("compression in %s: %w", o.Target, errors.ErrUnsupported)
		}
	default:
		return fmt.Errorf("compression %q: %w", o.Compress, errors.ErrUnsupported)
	}
	switch o.Target {
	case TargetRaw, TargetQcow2:
		return nil
	default:
		return fmt.Errorf("target %q: %w", o.Target, errors.ErrUnsupported)
	}
}

func (t *Tool) convert(ctx context.Context, facts vetted.Facts, source, output *os.File, o ConvertOptions) (*ConvertResult, error) {
	sourceInfo, err := source.Stat()
	if err != nil {
		return nil, err
	}
	outputInfo, err := output.Stat()
	if err != nil {
		return nil, err
	}
	if !outputInfo.Mode().IsRegular() || outputInfo.Size() != 0 {
		return nil, fmt.Errorf("output %s is not an empty regular file", output.Name())
	}
	in, closeIn, err := readOnly(source)
	if err != nil {
		return nil, err
	}
	defer closeIn()

	size := rawSize(facts.VirtualSize)
	bound := o.bound(size)
	if o.Target == TargetRaw {
		if size > bound {
			return nil, &ToolError{Tool: "qemu-img", Op: "convert", ExitCode: -1, Limit: LimitFileSize}
		}
		// Made here and not by qemu-img, an output that is all holes is known
		// to be zero, and only the rest need be written.
		if err := output.Truncate(size); err != nil {
			return nil, sizeError(output, err)
		}
	}
	limits := ConvertLimits(min(data(facts.Driver, stored(sourceInfo)), size))
	if o.Limits != nil {
		limits = *o.Limits
	}
	result, err := t.run(ctx, "convert", job{
		args:     o.arguments(facts.Driver, sourceInfo.Mode()),
		files:    []confine.File{{File: in, Access: confine.ReadOnly}, {File: output, Access: confine.ReadWrite}},
		limits:   limits,
		fileSize: bound,
		output:   reportProgress(o.Progress, facts.VirtualSize),
	})
	if failed, ok := errors.AsType[*ToolError](err); ok && failed.Signal == 0 {
		if errno := noSpace(failed.Stderr); errno != nil {
			return nil, &NoSpaceError{Path: output.Name(), Err: errno}
		}
	}
	if err != nil {
		return nil, err
	}
	outputInfo, err = output.Stat()
	if err != nil {
		return nil, err
	}
	return &ConvertResult{
		Layers: result.Layers, CPU: result.UserTime + result.SystemTime, Wall: result.Wall,
		OutputSize: outputInfo.Size(), Allocated: stored(outputInfo),
	}, nil
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

// arguments returns the command line. The source's driver is the verdict's
// and its protocol a plain file or block device, so nothing is guessed.
func (o *ConvertOptions) arguments(driver string, source os.FileMode) []string {
	protocol := "file"
	if source&os.ModeDevice != 0 {
		protocol = "host_device"
	}
	args := []string{"convert", "-p", "--image-opts"}
	in := fmt.Sprintf("driver=%s,file.driver=%s,file.filename=%s", driver, protocol, sourceName)
	if o.Target == TargetRaw {
		return append(args, "-n", "--target-is-zero", "--target-image-opts",
			in, "driver=raw,file.driver=file,file.filename="+outputName)
	}
	options := []string{"compat=1.1"}
	if o.Compress != CompressNone {
		// Clusters are compressed in parallel, which writes them in any order
		// (-W); qemu-img has at most 16 in work (-m).
		args = append(args, "-c", "-m", "16", "-W")
		options = append(options, "compression_type="+o.Compress)
	}
	return append(args, "-O", o.Target, "-o", strings.Join(options, ","), in, outputName)
}

// sector is qemu's unit of a disk's size, in bytes (BDRV_SECTOR_SIZE).
const sector = 512

// rawSize returns the size of the disk as qemu-img writes it: whole sectors.
func rawSize(virtual int64) int64 { return (virtual + sector - 1) / sector * sector }

// bound returns the largest output in bytes: what the caller allows, or what
// the target can need.
func (o *ConvertOptions) bound(size int64) int64 {
	if o.SizeLimit > 0 {
		return o.SizeLimit
	}
	if o.Target == TargetRaw {
		return size
	}
	// docs/interop/qcow2.txt, for clusters of 64 KiB: 8 bytes of L2 entry and
	// 2 of refcount a cluster, and tables of those (under 1/2^13 and 1/2^28);
	// compressed clusters that do not shrink are stored as they are. Doubled,
	// and room for the tables of a small disk.
	return size + size/4096 + 16<<20
}

// reportProgress returns the consumer of qemu-img's standard output.
func reportProgress(report func(done, total int64), total int64) func([]byte) {
	if report == nil {
		return nil
	}
	p := progress{report: report, total: total, last: -1}
	return p.consume
}
