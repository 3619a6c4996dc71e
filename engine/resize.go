package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/assay-dev/assay/internal/vetted"
	"github.com/assay-dev/assay/native/blockcopy"
	"github.com/assay-dev/assay/native/destination"
	"github.com/assay-dev/assay/native/qemuimg"
	"github.com/assay-dev/assay/native/stamp"
)

// ResizeOptions says what size a disk is given.
type ResizeOptions struct {
	// Size is that of the disk afterwards in bytes, whole sectors of 512.
	Size int64
	// Shrink allows a smaller disk than before: what was behind its end is
	// gone. Without it that is a *qemuimg.ShrinkError.
	Shrink bool
	// BestEffort is as in ConvertOptions.
	BestEffort bool
	// Progress, if set, is told of bytes of the file copied, and of all, where
	// it must be copied; from one goroutine.
	Progress func(done, total int64)
}

// ResizeResult says what a resize did (docs/schema/resize.json).
type ResizeResult struct {
	Schema            int    `json:"schema"`
	Source            string `json:"source"`
	Format            Format `json:"format"`
	VirtualSize       int64  `json:"virtual_size"`        // of the disk now, in bytes
	VirtualSizeBefore int64  `json:"virtual_size_before"` // and before
	Bytes             int64  `json:"bytes"`               // length of the file now
	// Method is one of ResizeNothing and so on.
	Method         string `json:"method"`
	DurationMicros int64  `json:"duration_us"`
	// Tool and Layers are absent where no tool was needed.
	Tool      *Tool     `json:"tool,omitempty"`
	Layers    []string  `json:"layers,omitempty"` // of confinement, that were active
	Inspected Inspected `json:"inspected"`        // of the image, when it was vetted
}

// The values of ResizeResult.Method.
const (
	// ResizeNothing: the disk had that size.
	ResizeNothing = "nothing"
	// ResizeTruncate: a raw file was cut or extended, in place.
	ResizeTruncate = "truncate"
	// ResizeClone and ResizeCopy: the file was replaced by a resized clone,
	// which shares the data with it, or copy of it.
	ResizeClone = "clone"
	ResizeCopy  = "copy"
)

// Resize gives the disk of a vetted image another size. It is the one call
// that changes its source: the image was vetted from the regular file at path
// (File), and path names the resized image afterwards; this Image is of no
// more use. What is new of the disk is zeros.
//
// The change happens at once or not at all. A raw file is cut or extended by
// one system call. For any other format qemu-img, confined, works on a copy in
// the same folder; it is inspected at full depth, given the owner, the mode
// and the extended attributes of the file, and then takes its name. Where the
// file system can share data between files (btrfs, XFS) that costs next to
// nothing; elsewhere the time and the space of a copy. A file with several
// names is refused. Meanwhile the file is locked as qemu locks images.
//
// The errors that a caller can tell apart are those of Convert, *OutputError
// also for a size that the policy rejects, and *qemuimg.CapacityError for one
// that is more than the image can hold, both before anything is copied, and
// *qemuimg.ShrinkError. qcow2 and qed can be resized, the latter only to a
// larger disk.
func (e *Engine) Resize(ctx context.Context, image *Image, path string, o ResizeOptions) (*ResizeResult, error) {
	start := time.Now()
	result, err := e.resize(ctx, image, path, o)
	if err != nil {
		err = fmt.Errorf("engine: resize: %w", err)
		e.logJob(ctx, "resize", image, start, err)
		return nil, err
	}
	result.DurationMicros = time.Since(start).Microseconds()
	e.logJob(ctx, "resize", image, start, nil, slog.String("format", string(result.Format)), slog.String("method", result.Method),
		slog.Int64("virtual_size", result.VirtualSize), slog.Int64("virtual_size_before", result.VirtualSizeBefore))
	return result, nil
}

func (e *Engine) resize(ctx context.Context, image *Image, path string, o ResizeOptions) (*ResizeResult, error) {
	leave, err := e.admit()
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := image.usableBy(e); err != nil {
		return nil, err
	}
	release, err := image.vetted.Hold()
	if err != nil {
		return nil, notVetted(err)
	}
	defer release()
	facts := image.vetted.Facts()
	if err := qemuimg.CanResize(facts, o.tool(image.report)); err != nil {
		return nil, err
	}
	original, err := image.original(path)
	if err != nil {
		return nil, err
	}
	defer original.Close()
	if err := qemuimg.LockForResize(original); err != nil {
		return nil, fmt.Errorf("%s: %w", image.report.Source, err)
	}
	work, err := image.vetted.Acquire()
	if err != nil {
		return nil, err
	}
	defer work.Release()
	r := image.report
	result := &ResizeResult{
		Schema: SchemaVersion, Source: r.Source, Format: r.Format, Inspected: r.clone().Inspected,
		VirtualSize: o.Size, VirtualSizeBefore: r.VirtualSize, Bytes: r.Size,
	}
	switch {
	case o.Size == r.VirtualSize:
		result.Method = ResizeNothing
		return result, nil
	case facts.Driver == "raw":
		return result, e.truncate(ctx, image, original, o, result)
	}
	return result, e.replace(ctx, image, work, original, path, o, result)
}

// tool returns the options as the tool has them, for an image of this report.
func (o *ResizeOptions) tool(r *Report) qemuimg.ResizeOptions {
	made := map[string]string{}
	number := func(option, property string, unit uint64) {
		if value, known := r.Properties[property].(uint64); known && unit > 0 {
			made[option] = strconv.FormatUint(value/unit, 10)
		}
	}
	switch r.Format {
	case "qcow2":
		number("cluster_size", "qcow2.cluster_size", 1)
		number("refcount_bits", "qcow2.refcount_bits", 1)
		if extended, _ := r.Properties["qcow2.extended_l2"].(bool); extended {
			made["extended_l2"] = "on"
		}
	case "qed":
		cluster, _ := r.Properties["qed.cluster_size"].(uint64)
		number("cluster_size", "qed.cluster_size", 1)
		number("table_size", "qed.table_bytes", cluster)
	}
	return qemuimg.ResizeOptions{Size: o.Size, Shrink: o.Shrink, Made: made}
}

// original opens the regular file that an image was vetted from, by its name
// and for writing.
func (i *Image) original(path string) (*os.File, error) {
	was := i.fileInfo()
	if was == nil || !was.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w: it is no regular file", i.report.Source, ErrNotSupported)
	}
	if err := i.isAt(path, was); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	now, err := f.Stat()
	if err == nil && !os.SameFile(was, now) {
		err = i.moved(path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// isAt fails unless a path names the image's file itself.
func (i *Image) isAt(path string, was os.FileInfo) error {
	now, err := os.Lstat(path)
	switch {
	case err != nil:
		return err
	case now.Mode()&os.ModeSymlink != 0:
		return &destination.SymlinkError{Path: path}
	case !os.SameFile(was, now):
		return i.moved(path)
	}
	return nil
}

func (i *Image) moved(path string) error {
	return &SourceChangedError{Source: i.report.Source, Offset: -1, What: fmt.Sprintf("%s is another file", Escape([]byte(path)))}
}

// truncate gives a raw file another length. How the image would look then is
// inspected before.
func (e *Engine) truncate(ctx context.Context, image *Image, original *os.File, o ResizeOptions, result *ResizeResult) error {
	source := ReaderAt(extended{original, image.report.Size}, o.Size)
	report, err := e.inspect(ctx, source, options{name: image.report.Source, claim: image.report.Claim, depth: Deep})
	if err != nil {
		return err
	}
	if err := image.staysA(report, o.Size); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := original.Truncate(o.Size); err != nil {
		return qemuimg.TypeNoSpace(original, err)
	}
	if err := original.Sync(); err != nil {
		return fmt.Errorf("it has its new size, and was not written to disk: %w", err)
	}
	result.Method, result.Bytes = ResizeTruncate, o.Size
	if err := stamp.Remove(original); err != nil {
		return fmt.Errorf("it has its new size, and the stamp of its old content: %w", err)
	}
	return nil
}

// staysA fails unless a report is that of the image with another size.
func (i *Image) staysA(report *Report, size int64) error {
	reason := ""
	switch {
	case !report.Accepted:
		reason = report.rejection()
	case report.Format != i.report.Format:
		reason = fmt.Sprintf("its format is %s, not %s", report.Format, i.report.Format)
	case report.VirtualSize != size:
		reason = fmt.Sprintf("its disk has %d bytes, not %d", report.VirtualSize, size)
	default:
		return nil
	}
	return &OutputError{Destination: report.Source, Reason: reason, Report: report}
}

// extended is a file with zeros behind its end.
type extended struct {
	io.ReaderAt
	size int64
}

// ReadAt implements io.ReaderAt.
func (x extended) ReadAt(p []byte, off int64) (int, error) {
	held := p[:min(int64(len(p)), max(0, x.size-off))]
	if n, err := x.ReaderAt.ReadAt(held, off); n < len(held) {
		return n, err
	}
	clear(p[len(held):])
	return len(p), nil
}

// allowsSize fails when the policy rejects a disk of the size: what the
// inspection of a copy would tell, before it is made.
func (e *Engine) allowsSize(image *Image, size int64) error {
	j := judgement{policy: &e.config.policy, out: &Report{}}
	j.virtualSize(size, nil)
	if len(j.out.FindingsOf(Reject)) == 0 {
		return nil
	}
	return &OutputError{Destination: image.report.Source, Reason: j.out.rejection()}
}

// replace puts a resized copy in the place of the file.
func (e *Engine) replace(ctx context.Context, image *Image, work *vetted.Job, original *os.File, path string, o ResizeOptions, result *ResizeResult) error {
	if err := e.allowsSize(image, o.Size); err != nil {
		return err
	}
	tool, err := e.qemuImg(ctx, o.BestEffort)
	if err != nil {
		return err
	}
	was, err := original.Stat()
	if err != nil {
		return err
	}
	out, err := destination.Create(path, destination.Replace, nil)
	if err != nil {
		return err
	}
	method, resized, err := e.resizedCopy(ctx, image, tool, original, out, o)
	if err == nil {
		// The tool made it, and its image was hostile.
		var report *Report
		report, err = e.inspect(ctx, File(out.File()), options{name: image.report.Source, claim: image.report.Claim, depth: Deep})
		if err == nil {
			err = image.staysA(report, o.Size)
		}
	}
	if err == nil {
		err = out.File().Chmod(was.Mode())
	}
	if err == nil {
		err = errors.Join(work.Recheck(), image.isAt(path, was), ctx.Err())
	}
	if err == nil {
		var now os.FileInfo
		if now, err = out.File().Stat(); err == nil {
			result.Bytes = now.Size()
			err = out.Commit()
		}
	}
	if err != nil {
		return errors.Join(err, out.Abort())
	}
	result.Method, result.Layers = method, resized.Layers
	result.Tool = &Tool{"qemu-img", tool.Version().String()}
	return nil
}

// resizedCopy makes out a copy of the image's file, by the method returned,
// and has the tool resize it.
func (e *Engine) resizedCopy(ctx context.Context, image *Image, tool *qemuimg.Tool, original *os.File, out *destination.File, o ResizeOptions) (method string, _ *qemuimg.ResizeResult, err error) {
	// What cannot be done is to show before the work.
	if err := out.TakeAfter(original, stamp.Attribute); err != nil {
		return "", nil, err
	}
	if err := out.File().Chmod(0o600); err != nil { // the tool's own, whatever the mode
		return "", nil, err
	}
	leave, err := turn(ctx, e.processes)
	if err != nil {
		return "", nil, err
	}
	defer leave()
	// The bytes of the file are copied as those of a raw disk. They are
	// compared below, and the lock on the file is ours.
	facts := image.vetted.Facts()
	file := vetted.New(vetted.Facts{Format: facts.Format, Driver: string(Raw), Size: facts.Size, VirtualSize: facts.Size}, image.content)
	defer file.Close()
	job, err := e.held(0)
	if err != nil {
		return "", nil, err
	}
	defer job.Done()
	copied, err := blockcopy.Copy(ctx, file, out.File(), blockcopy.Options{Live: true, Room: true, Throttle: job, Progress: o.Progress})
	if err == nil {
		err = out.File().Truncate(facts.Size) // not whole sectors, as of a raw disk
	}
	if err != nil {
		return "", nil, err
	}
	if method = ResizeCopy; copied.Cloned {
		method = ResizeClone
	}
	private := vetted.New(facts, image.content.on(out.File()))
	defer private.Close()
	resized, err := tool.Resize(ctx, private, o.tool(image.report))
	return method, resized, err
}
