package engine

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/assay-dev/assay/internal/vetted"
	"github.com/assay-dev/assay/native/qemuimg"
)

// CheckOptions says how an image is checked.
type CheckOptions struct {
	// BestEffort, HandOff and RateLimit are as in ConvertOptions.
	BestEffort bool
	HandOff    string
	RateLimit  int64
}

// CheckResult says what a check found (docs/schema/check.json).
type CheckResult struct {
	Schema      int    `json:"schema"`
	Source      string `json:"source"`
	Format      Format `json:"format"`
	VirtualSize int64  `json:"virtual_size"` // of the disk, in bytes
	// Clean says that nothing was found.
	Clean bool `json:"clean"`
	// Corruptions are places where the metadata are wrong, and Leaks clusters
	// that are taken and not used: they cost space, and no data.
	Corruptions int64 `json:"corruptions"`
	Leaks       int64 `json:"leaks"`
	// Messages are what the tool said of them, the last 32 lines at most,
	// escaped.
	Messages []string `json:"messages"`
	// Clusters counts the format's units of allocation; absent where the tool
	// does not count them.
	Clusters *Clusters `json:"clusters,omitempty"`

	DurationMicros int64     `json:"duration_us"`
	Tool           Tool      `json:"tool"`
	Layers         []string  `json:"layers"`      // of confinement, that were active
	SourceMode     string    `json:"source_mode"` // SourcePinned
	HandOff        string    `json:"hand_off"`    // HandOffLease, HandOffNBD or HandOffDescriptor
	Inspected      Inspected `json:"inspected"`   // when it was vetted
	// RateLimit tells of the rate that was held; absent when there was none.
	RateLimit *RateLimit `json:"rate_limit,omitempty"`
}

// Clusters counts an image's units of allocation.
type Clusters struct {
	Total      int64 `json:"total"`
	Allocated  int64 `json:"allocated"`
	Fragmented int64 `json:"fragmented"` // of those allocated, not behind the one before
	Compressed int64 `json:"compressed"` // of those allocated
	// End is where the last cluster in use ends in the file, in bytes; zero
	// where the tool does not say.
	End int64 `json:"end"`
}

// Check has qemu-img, confined, compare the metadata of a vetted image with
// each other. The image is only read: nothing is repaired. What is found is
// in the result and no error.
//
// The errors are those of Convert that are about the source and the tool;
// ErrNotSupported is matched too for a format that qemu-img does not check,
// which is any but qcow2, qed, vdi, vhdx, vmdk and parallels.
func (e *Engine) Check(ctx context.Context, image *Image, o CheckOptions) (*CheckResult, error) {
	start := time.Now()
	result, err := e.check(ctx, image, o)
	if err != nil {
		e.logJob(ctx, "check", image, start, err)
		return nil, err
	}
	result.DurationMicros = time.Since(start).Microseconds()
	e.logJob(ctx, "check", image, start, nil, slog.String("format", string(result.Format)),
		slog.Int64("corruptions", result.Corruptions), slog.Int64("leaks", result.Leaks))
	return result, nil
}

func (e *Engine) check(ctx context.Context, image *Image, o CheckOptions) (*CheckResult, error) {
	job, err := e.held(o.RateLimit)
	if err != nil {
		return nil, fmt.Errorf("engine: check: %w", err)
	}
	defer job.Done()
	var found *qemuimg.CheckResult
	tool, err := e.withTool(ctx, "check", o.BestEffort, o.HandOff, []*Image{image}, func(tool *qemuimg.Tool, images []*vetted.Image) (err error) {
		found, err = tool.Check(ctx, images[0], qemuimg.CheckOptions{HandOff: o.HandOff, Throttle: job})
		return err
	})
	if err != nil {
		return nil, err
	}
	r := image.report
	result := &CheckResult{
		Schema: SchemaVersion, Source: r.Source, Format: r.Format, VirtualSize: r.VirtualSize,
		Clean: found.Clean(), Corruptions: found.Corruptions, Leaks: found.Leaks, Messages: []string{},
		Tool: Tool{"qemu-img", tool.Version().String()}, Layers: found.Layers,
		SourceMode: SourcePinned, HandOff: found.HandOff, Inspected: r.clone().Inspected,
		RateLimit: rateLimit(job, false),
	}
	for _, line := range found.Said {
		result.Messages = append(result.Messages, Escape([]byte(line)))
	}
	if found.TotalClusters > 0 {
		result.Clusters = &Clusters{
			Total: found.TotalClusters, Allocated: found.AllocatedClusters,
			Fragmented: found.FragmentedClusters, Compressed: found.CompressedClusters, End: found.ImageEnd,
		}
	}
	return result, nil
}
