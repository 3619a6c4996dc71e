package qemuimg

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/assay-dev/assay/internal/vetted"
	"github.com/assay-dev/assay/native/confine"
)

// resizable are the drivers that can change the size of a disk, whether they
// can make it smaller, and how large it can become, as of qemu-img 7.2; it
// answers for any other "does not support resize". A raw image needs no tool.
var resizable = map[string]struct {
	shrinks  bool
	capacity func(made settings) (int64, string)
}{
	"qcow2": {true, qcow2Capacity},
	"qed":   {false, qedCapacity},
}

// ResizeOptions says how an image is resized.
type ResizeOptions struct {
	// Size is that of the disk afterwards in bytes, whole sectors of 512.
	Size int64
	// Shrink allows a smaller disk than before: what was behind its end is
	// gone.
	Shrink bool
	// Made is how the image was made, in options of qemu-img for its format:
	// those that bound its disk, which are cluster_size, extended_l2 and
	// refcount_bits of a qcow2, and cluster_size and table_size of a QED. What
	// is not there is taken for qemu-img's default.
	Made map[string]string
	// Limits are the process's; nil means QuickLimits.
	Limits *Limits
}

// A ResizeResult tells what a resize did.
type ResizeResult struct {
	Layers    []string      // of confinement, that were active
	CPU, Wall time.Duration // used
}

// A ShrinkError says that a disk would become smaller, and that nobody allowed
// it.
type ShrinkError struct{ Was, Size int64 } // in bytes

// Error implements error.
func (e *ShrinkError) Error() string {
	return fmt.Sprintf("a disk of %d bytes would be cut to %d", e.Was, e.Size)
}

// Hint says what to do about it.
func (e *ShrinkError) Hint() string {
	return "shrink the file systems and partitions on the disk first, then allow it to be cut"
}

// CanResize fails unless an image can be given a disk of this size: with a
// *ShrinkError if it would become smaller and may not, with a *CapacityError if
// it would be larger than the image can hold, as it was made, with an error
// that matches errors.ErrUnsupported for a format of which the tool cannot
// change the size. A raw image is none of the last two, as it needs no tool.
func CanResize(facts vetted.Facts, o ResizeOptions) error {
	format, known := resizable[facts.Driver]
	shrinks := o.Size < facts.VirtualSize
	switch {
	case o.Size <= 0 || o.Size%sector != 0:
		return fmt.Errorf("a size of %d bytes is not a whole number of sectors of %d bytes, and one at least", o.Size, sector)
	case !known && facts.Driver != "raw":
		return fmt.Errorf("%w: qemu-img cannot change the size of %s", errors.ErrUnsupported, facts.Format)
	case shrinks && !o.Shrink:
		return &ShrinkError{Was: facts.VirtualSize, Size: o.Size}
	case shrinks && known && !format.shrinks:
		return fmt.Errorf("%w: qemu-img cannot make %s smaller", errors.ErrUnsupported, facts.Format)
	}
	return checkCapacity(facts.Format, o.Size, format.capacity, o.Made)
}

// Resize has qemu-img change the size of the disk of an image in place: the
// image's file is handed over for writing. A call that failed leaves an image
// that may be damaged, so the file is to be a copy that its owner can do
// without; what it is afterwards is to be inspected.
//
// The error is a *NoSpaceError when the image's file system is full, and
// otherwise as CanResize's and Convert's.
func (t *Tool) Resize(ctx context.Context, image *vetted.Image, o ResizeOptions) (*ResizeResult, error) {
	if image == nil {
		return nil, errors.New("resize: no image")
	}
	facts := image.Facts()
	result, err := t.resize(ctx, image, o)
	if err != nil {
		return nil, fmt.Errorf("resize %s: %w", facts.Format, err)
	}
	return &ResizeResult{Layers: result.Layers, CPU: result.UserTime + result.SystemTime, Wall: result.Wall}, nil
}

func (t *Tool) resize(ctx context.Context, image *vetted.Image, o ResizeOptions) (*confine.Result, error) {
	facts := image.Facts()
	if facts.Driver == "raw" {
		return nil, fmt.Errorf("%w: a raw image is as long as its disk", errors.ErrUnsupported)
	}
	if err := CanResize(facts, o); err != nil {
		return nil, err
	}
	work, err := image.Acquire()
	if err != nil {
		return nil, err
	}
	defer work.Release()
	file := work.File()
	if file == nil {
		return nil, fmt.Errorf("%w: the image is no file", errors.ErrUnsupported)
	}
	limits := QuickLimits()
	if o.Limits != nil {
		limits = *o.Limits
	}
	args := []string{"resize", "-q"}
	if o.Shrink {
		args = append(args, "--shrink")
	}
	args = append(args, "--image-opts",
		fmt.Sprintf("driver=%s,file.driver=file,file.filename=/dev/fd/%d", facts.Driver, firstDescriptor),
		strconv.FormatInt(o.Size, 10))
	result, err := t.run(ctx, "resize", job{
		args:   args,
		files:  []confine.File{{File: file, Access: confine.ReadWrite}},
		limits: limits,
		// The tables grow with the disk: 8 bytes of L1 for each L2 table of 64
		// clusters or more, of 512 bytes or more (docs/interop/qcow2.txt), and
		// for a while the old ones are there too. Doubled, and room for the
		// tables of a small disk.
		fileSize: facts.Size + max(o.Size, facts.VirtualSize)/1024 + 16<<20,
	})
	if failed, ok := errors.AsType[*ToolError](err); ok && failed.Signal == 0 {
		if full := spaceError(file, failed); full != nil {
			return nil, full
		}
		if failed.Limit == LimitFileSize {
			failed.Limit = "" // said of an L1 table beyond the format's bound too
		}
	}
	return result, err
}
