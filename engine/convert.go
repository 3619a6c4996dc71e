package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/assay-dev/assay/internal/vetted"
	"github.com/assay-dev/assay/native/qemuimg"
	"github.com/assay-dev/assay/native/throttle"
)

// ConvertOptions says what to make of an image.
type ConvertOptions struct {
	// To is the format of the output, one of Outputs.
	To Format
	// Subformat is the variant of it, or empty for the first that
	// OutputSubformats names: dynamic or fixed of VHD and VHDX, dynamic or
	// static of VDI, monolithicSparse or streamOptimized of VMDK.
	Subformat string
	// Compress is the compression of a qcow2 output: "", "zlib" or "zstd".
	Compress string
	// Options are those of the format that OutputOptions names, with qemu-img's
	// names and values: "cluster_size", "preallocation" and others.
	Options map[string]string
	// Overwrite allows replacing an existing regular file.
	Overwrite bool
	// KeepTail leaves what is on a device behind the disk as it is; otherwise
	// it is zeroed.
	KeepTail bool
	// Encryption is that of a LUKS output, which needs it, and of no other.
	Encryption qemuimg.Encryption
	// SparseSize is the shortest run of zeros in bytes that an output leaves
	// out, a multiple of 512 up to qemuimg.MaxSparseSize; 0 stores all zeros, and nil is 4
	// KiB. It is the tool's, which is used for raw to raw too where it is set.
	SparseSize *int64
	// Cache is how the tool, also for raw to raw, writes the output, one of
	// qemuimg.CacheModes; empty is the best for what the output is. One that
	// the output cannot do fails with ErrNotSupported.
	Cache string
	// NoSpaceCheck begins also where the file system of the output has no more
	// room than it can need at most. What it will need is known when it is
	// done: zeros that the source stores are not, and compression saves.
	NoSpaceCheck bool
	// SizeLimit is the largest output in bytes; zero means what the format
	// can need for the virtual size.
	SizeLimit int64
	// BestEffort runs the tool also where this system lacks a layer of
	// confinement that is not optional; ConvertResult.Layers says which were
	// there.
	BestEffort bool
	// HandOff is how the tool gets the source: HandOffLease, HandOffNBD,
	// HandOffDescriptor, or empty for the first of these that can be, and for no
	// tool where none is needed: the engine copies raw to raw itself. One that
	// cannot be fails with ErrNotSupported, and HandOffLease with a *lease.Error
	// also when another program opens the source for writing meanwhile. Empty,
	// the work begins again then, with the next.
	HandOff string
	// Live takes a raw source as it is while other programs may write to it:
	// locks are not looked at, and the output is of no one moment. For any
	// other format it is refused with ErrNotSupported. Otherwise a source that
	// is written to, or locked for writing, after it was vetted and before the
	// tool is done fails the conversion.
	Live bool
	// RateLimit bounds how fast this conversion reads, and how fast it writes,
	// each device, in bytes per second, as Config.WithRateLimit does for all of
	// an engine; both hold. Zero bounds nothing.
	RateLimit int64
	// Progress, if set, is told of bytes of the disk done, and of all, from
	// one goroutine at a time. Where the work begins again, so do they.
	Progress func(done, total int64)
	// Stamp gives the output a stamp (package native/stamp), which takes a
	// second look at all of it. StampKey, if not nil, seals the stamp.
	Stamp    bool
	StampKey []byte
}

// ConvertResult says what a conversion did.
type ConvertResult struct {
	Schema         int    `json:"schema"`
	Source         string `json:"source"`
	SourceFormat   Format `json:"source_format"`
	Destination    string `json:"destination"`
	Format         Format `json:"format"`
	VirtualSize    int64  `json:"virtual_size"`    // of the disk, in bytes
	Bytes          int64  `json:"bytes"`           // length of the output
	AllocatedBytes int64  `json:"allocated_bytes"` // of it, stored and not holes
	DurationMicros int64  `json:"duration_us"`     // all of it, the inspection of the output included
	// BytesPerSecond is the virtual size over all of that time.
	BytesPerSecond int64 `json:"bytes_per_second"`
	Tool           Tool  `json:"tool"`
	// Layers are the layers of confinement that were active; none where no
	// process was.
	Layers []string `json:"layers"`
	// SourceMode is "pinned": the tool saw what was vetted, and the source did
	// not change meanwhile; or "live", see ConvertOptions.
	SourceMode string `json:"source_mode"`
	// HandOff is how the tool was given the source: HandOffLease, HandOffNBD,
	// HandOffDescriptor, or HandOffNone where there was no tool.
	HandOff   string    `json:"hand_off"`
	Inspected Inspected `json:"inspected"` // of the source, when it was vetted
	// Stamp tells what became of the stamp; absent when none was asked for.
	Stamp *StampResult `json:"stamp,omitempty"`
	// RateLimit tells of the rate that was held; absent when there was none.
	RateLimit *RateLimit `json:"rate_limit,omitempty"`
}

// The ways in which a tool gets a source.
const (
	// HandOffLease hands over the open file, which nobody can write to
	// meanwhile: who wants to is kept waiting until the tool has been ended. It
	// is for regular files on a local file system that users other than their
	// owner may read, and that nobody has open for writing.
	HandOffLease = qemuimg.HandOffLease
	// HandOffNBD serves it: the tool opens no image, and reads what was
	// inspected as it was inspected.
	HandOffNBD = qemuimg.HandOffNBD
	// HandOffDescriptor hands over the open file; what was inspected is
	// compared before and after.
	HandOffDescriptor = qemuimg.HandOffDescriptor
	// HandOffNone is in results only: the engine copied the source itself.
	HandOffNone = "none"
)

// The values of ConvertResult.SourceMode.
const (
	SourcePinned = "pinned"
	SourceLive   = "live"
)

// Tool is the program that did the work: "qemu-img", or "assay" for the engine
// itself.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// OutputError says that the tool said it succeeded, and its output is not
// what was asked for. Nothing of it was kept.
type OutputError struct {
	Destination string
	Reason      string
	Report      *Report // of the output; nil when it could not be looked at
}

// Error implements error.
func (e *OutputError) Error() string {
	return fmt.Sprintf("%s: the output is not what was asked for: %s", e.Destination, e.Reason)
}

// Convert writes the disk of a vetted image to a new file in another format, or
// to a block device.
// qemu-img does it, confined, or from raw to raw package blockcopy, without a
// process; what was written is inspected at full depth and compared in format
// and size before it gets its name. The source is never changed. On an error
// nothing is left of the destination.
//
// The errors that a caller can tell apart: ErrNotVetted; ErrNotSupported for
// formats that cannot be written, systems without the means (with a
// *qemuimg.NotFoundError, *confine.LayerError, *qemuimg.CipherError or
// *qemuimg.CacheError inside); *EncryptedError; those of package
// destination for names that cannot be used; *SourceChangedError;
// *qemuimg.LockedError when another program writes to the source;
// *qemuimg.CapacityError when the disk is too large for the format, and
// *qemuimg.RateLimitError, both before anything is written;
// *qemuimg.ToolError; *qemuimg.NoSpaceError; *OutputError.
func (e *Engine) Convert(ctx context.Context, image *Image, to Destination, o ConvertOptions) (*ConvertResult, error) {
	start := time.Now()
	result, err := e.convert(ctx, image, to, o)
	if err != nil {
		e.logJob(ctx, "convert", image, start, err)
		return nil, err
	}
	elapsed := time.Since(start)
	result.DurationMicros, result.BytesPerSecond = elapsed.Microseconds(), perSecond(result.VirtualSize, elapsed)
	e.logJob(ctx, "convert", image, start, nil, slog.String("destination", result.Destination), slog.String("format", string(result.Format)),
		slog.Int64("virtual_size", result.VirtualSize), slog.Int64("bytes", result.Bytes), rate(result.VirtualSize, start))
	return result, nil
}

func (e *Engine) convert(ctx context.Context, image *Image, to Destination, o ConvertOptions) (*ConvertResult, error) {
	leave, err := e.admit()
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := image.usableBy(e); err != nil {
		return nil, fmt.Errorf("engine: convert: %w", err)
	}
	release, err := image.vetted.Hold()
	if err != nil {
		return nil, fmt.Errorf("engine: convert: %w", notVetted(err))
	}
	defer release()
	if err := o.checkStamp(); err != nil {
		return nil, fmt.Errorf("engine: convert: %w", err)
	}
	asked := o.tool()
	size := qemuimg.RawSize(image.report.VirtualSize)
	if err := asked.CheckTarget(size); err != nil {
		return nil, fmt.Errorf("engine: convert: %w", err)
	}
	if err := o.checkEncrypted(image.report); err != nil {
		return nil, fmt.Errorf("engine: convert: %w", err)
	}
	unlock, err := image.lockOuter(o.Live)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	defer unlock()
	job, err := e.held(o.RateLimit)
	if err != nil {
		return nil, fmt.Errorf("engine: convert: %w", err)
	}
	defer job.Done()
	writer, err := e.writer(ctx, image, job, o)
	if err != nil {
		return nil, fmt.Errorf("engine: convert: %w", err)
	}
	defer writer.close()
	out, err := to.open(size, image, o)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	var converted *qemuimg.ConvertResult
	if writer.overZeros {
		err = out.Clear(ctx)
	}
	if err == nil {
		converted, err = writer.write(ctx, out)
	}
	var stamped *StampResult
	if err == nil {
		stamped, err = e.finish(ctx, image, size, out, job, o)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = out.Commit(ctx)
	}
	if err != nil {
		err = qemuimg.TypeNoSpace(out.File(), err)
		return nil, errors.Join(fmt.Errorf("engine: %w", err), out.Abort())
	}
	if device, ok := out.(*deviceOutput); ok {
		converted.OutputSize, converted.Allocated = device.size, device.size
	}
	limit := rateLimit(job, converted.Counted)
	if limit != nil {
		limit.Cgroup = converted.RateHeld
	}
	mode := SourcePinned
	if o.Live {
		mode = SourceLive
	}
	r := image.report
	return &ConvertResult{
		Schema: SchemaVersion, Source: r.Source, SourceFormat: r.Format,
		Destination: Escape([]byte(to.path)), Format: o.To, VirtualSize: r.VirtualSize,
		Bytes: converted.OutputSize, AllocatedBytes: converted.Allocated,
		Tool:   writer.tool,
		Layers: converted.Layers, SourceMode: mode, HandOff: converted.HandOff,
		Inspected: r.clone().Inspected, Stamp: stamped, RateLimit: limit,
	}, nil
}

// A writer writes an output. It must be closed.
type writer struct {
	tool Tool
	// overZeros says that it leaves zeros out.
	overZeros bool
	write     func(ctx context.Context, out output) (*qemuimg.ConvertResult, error)
	close     func()
}

// writer returns what makes the output that is asked for: the engine itself
// where it can, else qemu-img.
func (e *Engine) writer(ctx context.Context, image *Image, job *throttle.Job, o ConvertOptions) (*writer, error) {
	if copies(image, o) {
		return e.copier(image, job, o), nil
	}
	tool, err := e.qemuImg(ctx, o.BestEffort)
	if err != nil {
		return nil, err
	}
	if err := canHold(job, tool, o.HandOff); err != nil {
		return nil, err
	}
	source, closeSource, err := image.handedBy(ctx, tool, o.HandOff)
	if err != nil {
		return nil, err
	}
	return &writer{
		tool:      Tool{"qemu-img", tool.Version().String()},
		overZeros: true,
		write: func(ctx context.Context, out output) (*qemuimg.ConvertResult, error) {
			return e.runTool(ctx, tool, source, out, job, o)
		},
		close: closeSource,
	}, nil
}

// runTool waits for its turn and has the tool convert.
func (e *Engine) runTool(ctx context.Context, tool *qemuimg.Tool, source *vetted.Image, out output, job *throttle.Job, o ConvertOptions) (*qemuimg.ConvertResult, error) {
	leave, err := turn(ctx, e.processes)
	if err != nil {
		return nil, err
	}
	defer leave()
	asked := o.tool()
	asked.Throttle, asked.Name = job, filepath.Base(out.Path())
	return tool.Convert(ctx, source, out.File(), asked)
}

// tool returns the options as the tool has them.
func (o *ConvertOptions) tool() qemuimg.ConvertOptions {
	return qemuimg.ConvertOptions{
		Target: string(o.To), Subformat: o.Subformat, Compress: o.Compress, Options: o.Options,
		Encryption: o.Encryption, SparseSize: o.SparseSize, Cache: o.Cache, NoSpaceCheck: o.NoSpaceCheck,
		SizeLimit: o.SizeLimit, Progress: o.Progress, HandOff: o.HandOff, Live: o.Live,
	}
}

// finish checks what was written and stamps it. Meanwhile it gets to disk, from
// the page cache where it is read: Commit, which syncs again, finds little left
// to do.
func (e *Engine) finish(ctx context.Context, image *Image, size int64, out output, job *throttle.Job, o ConvertOptions) (*StampResult, error) {
	synced := make(chan error, 1)
	file := out.File()
	go func() { synced <- file.Sync() }()
	var stamped *StampResult
	err := e.checkOutput(ctx, size, out, o)
	if err == nil {
		stamped, err = e.stamp(ctx, image, file, job, o)
	}
	return stamped, errors.Join(err, <-synced)
}

// checkOutput looks at what the tool wrote as at any untrusted image. want is
// the size of the disk in bytes.
func (e *Engine) checkOutput(ctx context.Context, want int64, out output, o ConvertOptions) error {
	report, err := e.inspect(ctx, out.Source(), options{name: out.Path(), claim: o.To, depth: Deep})
	if err != nil {
		return err
	}
	reason := ""
	switch {
	case !report.Accepted:
		reason = report.rejection()
	case o.To.judge(report.Format) == claimMismatch:
		reason = fmt.Sprintf("its format is %s, not %s", report.Format, o.To)
	case diskSize(report, o.To) != want:
		reason = fmt.Sprintf("its disk has %d bytes, not %d", diskSize(report, o.To), want)
	case o.To == luksFormat:
		reason = encryptedUnlike(report, o.Encryption)
	}
	if reason == "" {
		return nil
	}
	return &OutputError{Destination: report.Source, Reason: reason, Report: report}
}

// fileInfo returns what the source, or what it is inside of, is as a file, or
// nil.
func (i *Image) fileInfo() os.FileInfo {
	file := i.outermost().source.file
	if file == nil {
		return nil
	}
	info, err := file.Stat()
	if err != nil {
		return nil // Acquire fails for the same reason
	}
	return info
}

// handedBy returns the image as the tool can be handed it in the wanted way:
// itself; or, where that takes a file and the source is none, a copy whose
// inspected bytes are those that were vetted.
func (i *Image) handedBy(ctx context.Context, tool *qemuimg.Tool, wanted string) (*vetted.Image, func(), error) {
	ways, err := tool.HandOffs(wanted)
	if err != nil {
		return nil, nil, err
	}
	if i.source.file != nil || !slices.Contains(ways, HandOffDescriptor) {
		return i.vetted, func() {}, nil
	}
	if i.source.outer != nil {
		return nil, nil, fmt.Errorf("hand-off %s: %w: what is inside of %s is copied to no file", HandOffDescriptor, ErrNotSupported, i.source.outer.report.Source)
	}
	spool, err := i.engine.newSpool()
	if err != nil {
		return nil, nil, err
	}
	if err := spool.copyFrom(ctx, i.source.reader, i.seen.size); err != nil {
		spool.Close()
		return nil, nil, fmt.Errorf("copying the source: %w", err)
	}
	image := vetted.New(i.vetted.Facts(), i.content.on(spool.file)) // compared when it is used
	return image, func() { image.Close(); spool.Close() }, nil
}
