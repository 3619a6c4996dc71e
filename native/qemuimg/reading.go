package qemuimg

import (
	"context"
	"errors"
	"fmt"

	"github.com/assay-dev/assay/internal/vetted"
	"github.com/assay-dev/assay/native/throttle"
)

// reading is a call that reads images and writes nothing: each image is
// compared with what was vetted, handed over, and compared again when the
// call is done. All are handed over in the same way, which is returned. A job
// holds the call back, if there is one.
func (t *Tool) reading(ctx context.Context, images []*vetted.Image, handOff string, job *throttle.Job, call func([]*source, *held) error) (string, error) {
	held, ways, err := t.holding(job, handOff)
	if err != nil {
		return "", err
	}
	return inTurn(ways, func(way string) error {
		return t.readingBy(ctx, images, way, func(sources []*source) error { return call(sources, held) })
	})
}

func (t *Tool) readingBy(ctx context.Context, images []*vetted.Image, handOff string, call func([]*source) error) error {
	var works []*vetted.Job
	var sources []*source
	for i, image := range images {
		if image == nil {
			return errors.New("no image")
		}
		facts := image.Facts()
		if facts.Driver == "" || facts.VirtualSize < 0 {
			return fmt.Errorf("the verdict names driver %q and size %d", facts.Driver, facts.VirtualSize)
		}
		work, err := image.Acquire()
		if err != nil {
			return err
		}
		defer work.Release()
		s, err := newSourceAs(firstDescriptor+i, work, handOff, facts, false)
		if err != nil {
			return err
		}
		defer s.close()
		works, sources = append(works, work), append(sources, s)
	}
	err := call(sources)
	if err != nil && ctx.Err() != nil {
		return err
	}
	// Also where it failed: a source that changed is why, if it did.
	for _, work := range works {
		if changed := work.Recheck(); changed != nil {
			return errors.Join(changed, err)
		}
	}
	return err
}
