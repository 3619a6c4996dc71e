package qemuimg

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/assay-dev/assay/internal/pattern"
	"github.com/assay-dev/assay/internal/vetted"
	"github.com/assay-dev/assay/native/confine"
	"github.com/assay-dev/assay/native/throttle"
)

// CompareOptions says how two images are compared.
type CompareOptions struct {
	// Limits are the process's; nil means ConvertLimits of the data that the
	// two can be expected to hold.
	Limits *Limits
	// HandOff is as in ConvertOptions.
	HandOff string
	// Throttle is as in ConvertOptions; the job has one part of a device, also
	// if both images are on it.
	Throttle *throttle.Job
	// Progress is as in ConvertOptions, of the larger disk.
	Progress func(done, total int64)
}

// A CompareResult tells whether two images hold the same disk.
type CompareResult struct {
	HandOff   string        // HandOffLease, HandOffNBD or HandOffDescriptor
	Layers    []string      // of confinement, that were active
	CPU, Wall time.Duration // used

	Identical bool
	// Offset is where the disks first differ, in bytes; -1 when they do not.
	// It is that of the first sector that differs.
	Offset int64
}

// Compare has qemu-img compare the disks of two images, byte by byte. What one
// disk has more than the other counts as the same if it is zeros.
//
// The error is as Convert's, but for what is written.
func (t *Tool) Compare(ctx context.Context, a, b *vetted.Image, o CompareOptions) (*CompareResult, error) {
	if a == nil || b == nil {
		return nil, errors.New("compare: no image")
	}
	larger := max(a.Facts().VirtualSize, b.Facts().VirtualSize)
	var found *CompareResult
	handOff, err := t.reading(ctx, []*vetted.Image{a, b}, o.HandOff, o.Throttle, func(sources []*source, held *held) error {
		var expected int64
		for i, image := range []*vetted.Image{a, b} {
			facts := image.Facts()
			holds := min(data(facts.Driver, sources[i].stored), facts.VirtualSize)
			expected += min(holds, math.MaxInt64-expected)
		}
		limits := ConvertLimits(expected)
		if o.Limits != nil {
			limits = *o.Limits
		}
		result, err := t.runOn(ctx, sources[0], "compare", job{
			args:   []string{"compare", "-p", "--image-opts", sources[0].options, sources[1].options},
			limits: limits,
			output: reportProgress(o.Progress, larger),
			held:   held,
		}, sources[1])
		found, err = compared(result, err, larger)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	found.HandOff = handOff
	return found, nil
}

// exitDiffer is the exit status of "qemu-img compare" for images that differ
// (QEMU's docs/tools/qemu-img.rst); what could not be done has others.
const exitDiffer = 1

// mismatch is how qemu-img says where images differ, on a line that may begin
// with what -p printed.
var mismatch = pattern.Lazy(`(?m)(?:^|\r)Content mismatch at offset (\d{1,19})!$`)

// identical is how it says that they do not.
var identical = pattern.Lazy(`(?m)(?:^|\r)Images are identical\.$`)

// compared reads the answer of a comparison that came to its end; otherwise
// the error is the call's. The status and the words must say the same: the
// process was confined for a reason.
func compared(result *confine.Result, err error, larger int64) (*CompareResult, error) {
	failed, ok := errors.AsType[*ToolError](err)
	if err != nil && (!ok || failed.Limit != "" || failed.ExitCode != exitDiffer) {
		return nil, err
	}
	found := &CompareResult{
		Identical: err == nil, Offset: -1,
		Layers: result.Layers, CPU: result.UserTime + result.SystemTime, Wall: result.Wall,
	}
	where := mismatch().FindSubmatch(result.Stdout)
	switch {
	case found.Identical:
		if where != nil || !identical().Match(result.Stdout) {
			return nil, errors.New("the answer of qemu-img: exit status 0, and not a word that the images are identical")
		}
	case where == nil:
		return nil, err
	default:
		offset, err := strconv.ParseInt(string(where[1]), 10, 64)
		if err != nil || offset >= larger {
			return nil, fmt.Errorf("the answer of qemu-img: a difference at offset %s of %d bytes", where[1], larger)
		}
		found.Offset = offset
	}
	return found, nil
}
