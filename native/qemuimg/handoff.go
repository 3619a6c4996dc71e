package qemuimg

import (
	"errors"
	"fmt"
	"slices"

	"github.com/assay-dev/assay/native/lease"
)

// The ways in which qemu-img gets a source.
const (
	// HandOffLease hands over the open file, which nobody can write to
	// meanwhile (package lease): a writer is kept waiting, and the tool ended
	// before it may go on. The file is a regular one on a local file system that
	// users other than its owner may read, and nobody has it open for writing.
	HandOffLease = "lease"
	// HandOffNBD serves the source over a connection: what was inspected is
	// read as it was inspected, and no image is opened.
	HandOffNBD = "nbd"
	// HandOffDescriptor hands over the open file. What was inspected is
	// compared before and after.
	HandOffDescriptor = "descriptor"
)

// HandOffs returns the ways in which a source can be handed over, the one to be
// tried first first: the one asked for, or for an empty one HandOffLease, and
// for sources that cannot be had so the best that this qemu-img can do. It
// fails, with an error that matches errors.ErrUnsupported, for one that this
// qemu-img cannot do.
func (t *Tool) HandOffs(wanted string) ([]string, error) {
	switch wanted {
	case "":
		if t.nbd {
			return []string{HandOffLease, HandOffNBD}, nil
		}
		return []string{HandOffLease, HandOffDescriptor}, nil
	case HandOffNBD:
		if !t.nbd {
			return nil, fmt.Errorf("hand-off %s: %w: this qemu-img (%s) has no driver for it", wanted, errors.ErrUnsupported, t.path)
		}
	case HandOffLease, HandOffDescriptor:
	default:
		return nil, fmt.Errorf("hand-off %q: %w", wanted, errors.ErrUnsupported)
	}
	return []string{wanted}, nil
}

// inTurn calls f with one way after the other, until one is not for want of a
// lease that it fails. It returns that way.
func inTurn(ways []string, f func(way string) error) (string, error) {
	for {
		err := f(ways[0])
		if _, ok := errors.AsType[*lease.Error](err); !ok || len(ways) == 1 {
			return ways[0], err
		}
		ways = ways[1:]
	}
}

// CanHold fails with a *RateLimitError where a call with this hand-off could
// not be held back to a rate: what is read of a source is seen only where it is
// served. Otherwise the error is that of HandOffs.
func (t *Tool) CanHold(wanted string) error {
	ways, err := t.HandOffs(wanted)
	if err == nil && !slices.Contains(ways, HandOffNBD) {
		err = &RateLimitError{HandOff: ways[0]}
	}
	return err
}
