package engine

import (
	"context"

	"github.com/assay-dev/assay/internal/buildinfo"
	"github.com/assay-dev/assay/native/blockcopy"
	"github.com/assay-dev/assay/native/qemuimg"
	"github.com/assay-dev/assay/native/throttle"
)

// copies tells whether the engine makes an output itself. A way to hand the
// source over, if one is asked for, is one to a tool; so is how the tool is to
// write.
func copies(image *Image, o ConvertOptions) bool {
	return o.To == Raw && o.HandOff == "" && o.SparseSize == nil && o.Cache == "" && image.vetted.Facts().Driver == string(Raw)
}

// copier copies a raw image to a raw output. It takes the turn of a process,
// as it is as much work.
func (e *Engine) copier(image *Image, job *throttle.Job, o ConvertOptions) *writer {
	write := func(ctx context.Context, to output) (*qemuimg.ConvertResult, error) {
		size := image.vetted.Facts().VirtualSize
		if o.SizeLimit > 0 && qemuimg.RawSize(size) > o.SizeLimit {
			return nil, &qemuimg.ToolError{Tool: self, Op: "copy", ExitCode: -1, Limit: qemuimg.LimitFileSize}
		}
		leave, err := turn(ctx, e.processes)
		if err != nil {
			return nil, err
		}
		defer leave()
		out := to.File()
		copied, err := blockcopy.Copy(ctx, image.vetted, out, blockcopy.Options{
			Cached: o.Stamp, Live: o.Live, Room: !o.NoSpaceCheck, Throttle: job, Progress: o.Progress,
		})
		if err != nil {
			return nil, err
		}
		return &qemuimg.ConvertResult{
			HandOff: HandOffNone, Layers: []string{}, OutputSize: copied.OutputSize, Allocated: copied.Allocated, Counted: true,
		}, nil
	}
	return &writer{tool: Tool{self, buildinfo.Version()}, write: write, close: func() {}}
}

// self is the name of the engine as a tool.
const self = "assay"
