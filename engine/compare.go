package engine

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/assay-dev/assay/internal/vetted"
	"github.com/assay-dev/assay/native/qemuimg"
)

// CompareOptions says how two images are compared.
type CompareOptions struct {
	// BestEffort, HandOff and RateLimit are as in ConvertOptions; the hand-off
	// is that of both images, and the rate that of both together where they are
	// on one device.
	BestEffort bool
	HandOff    string
	RateLimit  int64
	// Progress, if set, is told of bytes of the larger disk done, and of all,
	// from one goroutine at a time.
	Progress func(done, total int64)
}

// CompareResult says whether two images hold the same disk
// (docs/schema/compare.json).
type CompareResult struct {
	Schema    int      `json:"schema"`
	A         Compared `json:"a"`
	B         Compared `json:"b"`
	Identical bool     `json:"identical"`
	// Offset is where the disks first differ, in bytes: the sector's begin.
	Offset *int64 `json:"offset,omitempty"`

	DurationMicros int64    `json:"duration_us"`
	Tool           Tool     `json:"tool"`
	Layers         []string `json:"layers"`      // of confinement, that were active
	SourceMode     string   `json:"source_mode"` // SourcePinned
	HandOff        string   `json:"hand_off"`    // HandOffLease, HandOffNBD or HandOffDescriptor
	// RateLimit tells of the rate that was held; absent when there was none.
	RateLimit *RateLimit `json:"rate_limit,omitempty"`
}

// Compared is one of two images that were compared.
type Compared struct {
	Source      string    `json:"source"`
	Format      Format    `json:"format"`
	VirtualSize int64     `json:"virtual_size"` // of the disk, in bytes
	Inspected   Inspected `json:"inspected"`    // when it was vetted
}

// Compare has qemu-img, confined, compare the disks of two vetted images byte
// by byte, whatever their formats. What one disk has more than the other
// counts as the same if it is zeros. A difference is no error.
//
// The errors are those of Convert that are about the source and the tool.
func (e *Engine) Compare(ctx context.Context, a, b *Image, o CompareOptions) (*CompareResult, error) {
	start := time.Now()
	result, err := e.compare(ctx, a, b, o)
	if err != nil {
		e.logJob(ctx, "compare", a, start, err)
		return nil, err
	}
	result.DurationMicros = time.Since(start).Microseconds()
	e.logJob(ctx, "compare", a, start, nil, slog.String("with", result.B.Source), slog.Bool("identical", result.Identical),
		slog.Int64("virtual_size", result.A.VirtualSize))
	return result, nil
}

func (e *Engine) compare(ctx context.Context, a, b *Image, o CompareOptions) (*CompareResult, error) {
	job, err := e.held(o.RateLimit)
	if err != nil {
		return nil, fmt.Errorf("engine: compare: %w", err)
	}
	defer job.Done()
	var found *qemuimg.CompareResult
	tool, err := e.withTool(ctx, "compare", o.BestEffort, o.HandOff, []*Image{a, b}, func(tool *qemuimg.Tool, images []*vetted.Image) (err error) {
		found, err = tool.Compare(ctx, images[0], images[1], qemuimg.CompareOptions{HandOff: o.HandOff, Throttle: job, Progress: o.Progress})
		return err
	})
	if err != nil {
		return nil, err
	}
	result := &CompareResult{
		Schema: SchemaVersion, A: a.compared(), B: b.compared(), Identical: found.Identical,
		Tool: Tool{"qemu-img", tool.Version().String()}, Layers: found.Layers,
		SourceMode: SourcePinned, HandOff: found.HandOff, RateLimit: rateLimit(job, false),
	}
	if !found.Identical {
		result.Offset = &found.Offset
	}
	return result, nil
}

// compared says which image this is.
func (i *Image) compared() Compared {
	r := i.report
	return Compared{Source: r.Source, Format: r.Format, VirtualSize: r.VirtualSize, Inspected: r.clone().Inspected}
}
