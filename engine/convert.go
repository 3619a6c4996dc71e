package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/assay-dev/assay/internal/vetted"
	"github.com/assay-dev/assay/native/destination"
	"github.com/assay-dev/assay/native/qemuimg"
)

// Destination is where a conversion puts its output. Make it with ToFile.
type Destination struct {
	path string
}

// ToFile names a file. It appears when it is complete, or not at all; its
// folder must exist.
func ToFile(path string) Destination { return Destination{path} }

// ConvertOptions says what to make of an image.
type ConvertOptions struct {
	// To is the format of the output: raw or qcow2 (compat 1.1). Only what
	// the engine can inspect again is written.
	To Format
	// Compress is the compression of a qcow2 output: "", "zlib" or "zstd".
	Compress string
	// Overwrite allows replacing an existing regular file.
	Overwrite bool
	// SizeLimit is the largest output in bytes; zero means what the format
	// can need for the virtual size.
	SizeLimit int64
	// BestEffort runs the tool also where this system lacks a layer of
	// confinement; ConvertResult.Layers says which were there.
	BestEffort bool
	// Progress, if set, is told of bytes of the disk done, and of all, from
	// one goroutine at a time.
	Progress func(done, total int64)
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
	Tool           Tool   `json:"tool"`
	// Layers are the layers of confinement that were active.
	Layers []string `json:"layers"`
	// SourceMode is "pinned": what was vetted was compared before and after.
	SourceMode string `json:"source_mode"`
	// HandOff is how the tool was given the source: "descriptor".
	HandOff   string    `json:"hand_off"`
	Inspected Inspected `json:"inspected"` // of the source, when it was vetted
}

// Tool is the program that did the work.
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

// Convert writes the disk of a vetted image to a new file in another format.
// qemu-img does it, confined; what it wrote is inspected at full depth and
// compared in format and size before it gets its name. The source is never
// changed. On an error nothing is left of the destination.
//
// The errors that a caller can tell apart: ErrNotVetted; ErrNotSupported for
// formats that cannot be written, systems without the means (with a
// *qemuimg.NotFoundError or *confine.LayerError inside); those of package
// destination for names that cannot be used; *SourceChangedError;
// *qemuimg.ToolError; *qemuimg.NoSpaceError; *OutputError.
func (e *Engine) Convert(ctx context.Context, image *Image, to Destination, o ConvertOptions) (*ConvertResult, error) {
	start := time.Now()
	leave, err := e.admit()
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := image.usableBy(e); err != nil {
		return nil, fmt.Errorf("engine: convert: %w", err)
	}
	_, release, err := image.vetted.Acquire()
	if err != nil {
		return nil, fmt.Errorf("engine: convert: %w", notVetted(err))
	}
	defer release()
	if o.To != qemuimg.TargetRaw && o.To != qemuimg.TargetQcow2 {
		return nil, fmt.Errorf("engine: writing format %q: %w; raw and qcow2 can be written", o.To, ErrNotSupported)
	}
	tool, err := e.qemuImg(ctx, o.BestEffort)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	source, closeSource, err := image.onFile(ctx)
	if err != nil {
		return nil, fmt.Errorf("engine: convert: %w", err)
	}
	defer closeSource()
	out, err := destination.Create(to.path, destination.Overwrite(o.Overwrite), image.fileInfo())
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	converted, err := e.runTool(ctx, tool, source, out.File(), o)
	if err == nil {
		err = e.checkOutput(ctx, image.report.VirtualSize, out, o.To)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = out.Commit()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("engine: %w", err), out.Abort())
	}
	r := image.report
	return &ConvertResult{
		Schema: SchemaVersion, Source: r.Source, SourceFormat: r.Format,
		Destination: Escape([]byte(to.path)), Format: o.To, VirtualSize: r.VirtualSize,
		Bytes: converted.OutputSize, AllocatedBytes: converted.Allocated,
		DurationMicros: time.Since(start).Microseconds(),
		Tool:           Tool{"qemu-img", tool.Version().String()},
		Layers:         converted.Layers, SourceMode: "pinned", HandOff: "descriptor",
		Inspected: r.clone().Inspected,
	}, nil
}

// runTool waits for its turn and has the tool convert.
func (e *Engine) runTool(ctx context.Context, tool *qemuimg.Tool, source *vetted.Image, out *os.File, o ConvertOptions) (*qemuimg.ConvertResult, error) {
	leave, err := turn(ctx, e.processes)
	if err != nil {
		return nil, err
	}
	defer leave()
	return tool.Convert(ctx, source, out, qemuimg.ConvertOptions{
		Target: string(o.To), Compress: o.Compress, SizeLimit: o.SizeLimit, Progress: o.Progress,
	})
}

// sectorSize is the unit in which qemu counts the size of a disk, in bytes.
const sectorSize = 512

// checkOutput looks at what the tool wrote as at any untrusted image.
func (e *Engine) checkOutput(ctx context.Context, virtualSize int64, out *destination.File, format Format) error {
	report, err := e.inspect(ctx, File(out.File()), options{name: out.Path(), claim: format, depth: Deep})
	if err != nil {
		return err
	}
	want := (virtualSize + sectorSize - 1) / sectorSize * sectorSize
	reason := ""
	switch {
	case !report.Accepted:
		first := report.FindingsOf(Reject)[0]
		reason = fmt.Sprintf("rejected: %s: %s", first.ID, first.Message)
	case format.judge(report.Format) == claimMismatch:
		reason = fmt.Sprintf("its format is %s, not %s", report.Format, format)
	case report.VirtualSize != want:
		reason = fmt.Sprintf("its disk has %d bytes, not %d", report.VirtualSize, want)
	default:
		return nil
	}
	return &OutputError{Destination: report.Source, Reason: reason, Report: report}
}

// qemuImg returns the tool, found at the first call that needs it.
func (e *Engine) qemuImg(ctx context.Context, bestEffort bool) (*qemuimg.Tool, error) {
	e.toolMu.Lock()
	defer e.toolMu.Unlock()
	if t := e.tools[bestEffort]; t != nil {
		return t, nil
	}
	t, err := qemuimg.Find(ctx, qemuimg.Config{Path: e.config.qemuImg, BestEffort: bestEffort})
	if err == nil {
		e.tools[bestEffort] = t
	}
	return t, err
}

// fileInfo returns what the source is as a file, or nil.
func (i *Image) fileInfo() os.FileInfo {
	if i.source.file == nil {
		return nil
	}
	info, err := i.source.file.Stat()
	if err != nil {
		return nil // Acquire fails for the same reason
	}
	return info
}

// onFile returns the image on an open file that a tool can be handed: its
// own, or a copy whose inspected bytes are those that were vetted.
func (i *Image) onFile(ctx context.Context) (*vetted.Image, func(), error) {
	if i.source.file != nil {
		return i.vetted, func() {}, nil
	}
	spool, err := i.engine.newSpool()
	if err != nil {
		return nil, nil, err
	}
	copied := &copyChecker{i, spool.file}
	if err := spool.copyFrom(ctx, i.source.reader, i.seen.size); err != nil {
		spool.Close()
		return nil, nil, fmt.Errorf("copying the source: %w", err)
	}
	if err := copied.Check(); err != nil {
		spool.Close()
		return nil, nil, err
	}
	image := vetted.New(i.vetted.Facts(), spool.file, copied)
	return image, func() { image.Close(); spool.Close() }, nil
}

// copyChecker compares a copy of a source with what was vetted.
type copyChecker struct {
	image *Image
	file  *os.File
}

// Check implements vetted.Checker.
func (c *copyChecker) Check() error { return c.image.checkAgainst(c.file, c.file) }
