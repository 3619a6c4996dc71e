package qemuimg

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/assay-dev/assay/internal/vetted"
	"github.com/assay-dev/assay/native/confine"
	"github.com/assay-dev/assay/native/throttle"
)

// checkable are the drivers whose format can be checked: those of QEMU that
// implement bdrv_co_check.
var checkable = map[string]bool{"qcow2": true, "qed": true, "vdi": true, "vhdx": true, "vmdk": true, "parallels": true}

// CheckOptions says how an image is checked.
type CheckOptions struct {
	// Limits are the process's; nil means QuickLimits, and with Throttle the
	// deadline of those as a bound on time without progress.
	Limits *Limits
	// HandOff and Throttle are as in ConvertOptions.
	HandOff  string
	Throttle *throttle.Job
}

// A CheckResult tells what a check found. Clusters are the format's units of
// allocation; numbers that qemu-img does not give for a format are zero.
type CheckResult struct {
	HandOff   string        // HandOffLease, HandOffNBD or HandOffDescriptor
	Layers    []string      // of confinement, that were active
	CPU, Wall time.Duration // used

	Corruptions int64 // places where the metadata are wrong
	Leaks       int64 // clusters that are taken and not used

	TotalClusters, AllocatedClusters, FragmentedClusters, CompressedClusters int64
	// ImageEnd is where the last cluster in use ends, in bytes.
	ImageEnd int64

	// Said is what qemu-img said of what it found: its last lines, 32 at
	// most. An image may have had a say in it.
	Said []string
}

// Clean reports whether nothing was found.
func (r *CheckResult) Clean() bool { return r.Corruptions == 0 && r.Leaks == 0 }

// Check has qemu-img compare an image's metadata with each other. Nothing is
// repaired, and the image is only read.
//
// What is found is no error. The error is errors.ErrUnsupported for a format
// that qemu-img does not check, a *ToolError when it failed, met a limit, or
// could not check everything, and otherwise as Convert's.
func (t *Tool) Check(ctx context.Context, image *vetted.Image, o CheckOptions) (*CheckResult, error) {
	if image == nil {
		return nil, errors.New("check: no image")
	}
	facts := image.Facts()
	if !checkable[facts.Driver] {
		return nil, fmt.Errorf("check %s: %w: qemu-img has no check for this format", facts.Format, errors.ErrUnsupported)
	}
	var found *CheckResult
	handOff, err := t.reading(ctx, []*vetted.Image{image}, o.HandOff, o.Throttle, func(sources []*source, held *held) error {
		result, err := t.runOn(ctx, sources[0], "check", job{
			args:   []string{"check", "--output=json", "--image-opts", sources[0].options},
			limits: o.limits(),
			held:   held,
		})
		found, err = checked(result, err)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", facts.Format, err)
	}
	found.HandOff = handOff
	return found, nil
}

// The exit statuses of "qemu-img check" with which it has come to its end
// (QEMU's docs/tools/qemu-img.rst).
const (
	exitConsistent = 0
	exitCorrupt    = 2
	exitLeaks      = 3
)

// checked reads the answer of a check that came to its end; otherwise the
// error is the call's.
func checked(result *confine.Result, err error) (*CheckResult, error) {
	failed, ok := errors.AsType[*ToolError](err)
	if err != nil && (!ok || failed.Limit != "" || failed.ExitCode != exitCorrupt && failed.ExitCode != exitLeaks) {
		return nil, err
	}
	found, err := parseCheck(result.Stdout)
	if err != nil {
		return nil, fmt.Errorf("the answer of qemu-img: %w", err)
	}
	status := exitConsistent
	switch {
	case found.Corruptions > 0:
		status = exitCorrupt
	case found.Leaks > 0:
		status = exitLeaks
	}
	if status != result.ExitCode {
		return nil, fmt.Errorf("the answer of qemu-img: exit status %d with %d corruptions and %d leaks", result.ExitCode, found.Corruptions, found.Leaks)
	}
	found.Layers = result.Layers
	found.CPU, found.Wall = result.UserTime+result.SystemTime, result.Wall
	if !found.Clean() {
		found.Said = lastLines(string(result.Stderr))
	}
	return found, nil
}

// limits are those of the process. Who is kept waiting cannot be told how long
// it takes.
func (o CheckOptions) limits() Limits {
	if o.Limits != nil {
		return *o.Limits
	}
	limits := QuickLimits()
	if o.Throttle != nil {
		limits.Deadline, limits.NoProgress = 0, limits.Deadline
	}
	return limits
}

// parseCheck reads what --output=json prints (ImageCheck in QEMU's
// qapi/block-core.json). The process was confined for a reason: its answer is
// data, and no number in it is taken for one in range.
func parseCheck(text []byte) (*CheckResult, error) {
	var said struct {
		Errors      *int64 `json:"check-errors"` // the one that is always there
		Corruptions int64  `json:"corruptions"`
		Leaks       int64  `json:"leaks"`
		Total       int64  `json:"total-clusters"`
		Allocated   int64  `json:"allocated-clusters"`
		Fragmented  int64  `json:"fragmented-clusters"`
		Compressed  int64  `json:"compressed-clusters"`
		ImageEnd    int64  `json:"image-end-offset"`
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&said); err != nil {
		return nil, fmt.Errorf("no JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON object")
	}
	if said.Errors == nil {
		return nil, errors.New("check-errors is missing")
	}
	if *said.Errors != 0 {
		return nil, fmt.Errorf("%d errors kept it from checking everything", *said.Errors)
	}
	for _, n := range []int64{said.Corruptions, said.Leaks, said.Total, said.Allocated, said.Fragmented, said.Compressed, said.ImageEnd} {
		if n < 0 {
			return nil, fmt.Errorf("a number is %d", n)
		}
	}
	return &CheckResult{
		Corruptions: said.Corruptions, Leaks: said.Leaks,
		TotalClusters: said.Total, AllocatedClusters: said.Allocated,
		FragmentedClusters: said.Fragmented, CompressedClusters: said.Compressed,
		ImageEnd: said.ImageEnd,
	}, nil
}

// linesKept and lineLength bound what is kept of the words of a tool.
const (
	linesKept  = 32
	lineLength = 300
)

// lastLines returns the last lines that say something.
func lastLines(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line[:min(len(line), lineLength)])
		}
	}
	return lines[max(0, len(lines)-linesKept):]
}
