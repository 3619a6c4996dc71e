package engine

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/assay-dev/assay/internal/vetted"
)

// Image is an accepted image with its open source, the only thing the native
// side works on. It cannot be made, copied or edited into acceptance: the
// zero value, a copy, a closed one, one of another engine and one whose
// report was edited are refused with ErrNotVetted. Its methods are safe for
// concurrent use.
type Image struct {
	self   *Image // finds copies
	engine *Engine
	source *openSource
	seen   *blocks
	report *Report
	sum    [sha256.Size]byte // of the report's JSON when it was made

	content *content
	vetted  *vetted.Image
}

// Vet looks at an image at full depth and returns it when the policy accepts
// it; otherwise the error is a *RejectedError with the report. Close the image
// when it is no longer needed, before the file it came from.
func (e *Engine) Vet(ctx context.Context, source Source, opts ...Option) (*Image, error) {
	o, err := newOptions(opts)
	if err != nil {
		return nil, err
	}
	o.depth, o.digest = Deep, true
	leave, err := e.admit()
	if err != nil {
		return nil, err
	}
	defer leave()
	open, err := source.open(ctx, e)
	if err != nil {
		return nil, err
	}
	report, seen, err := e.examine(ctx, open, o)
	if err != nil {
		open.close()
		return nil, err
	}
	if !report.Accepted {
		seen.recycle()
		open.close()
		return nil, &RejectedError{report}
	}
	i := &Image{engine: e, source: open, seen: seen, report: report}
	i.self = i
	i.sum, err = report.sum()
	if err != nil {
		i.seen.recycle()
		open.close()
		return nil, err
	}
	i.content = i.newContent()
	i.vetted = vetted.New(vetted.Facts{
		Format: string(report.Format), Driver: report.QemuDriver, Size: report.Size, VirtualSize: report.VirtualSize,
	}, i.content)
	return i, nil
}

func (r *Report) sum() ([sha256.Size]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("engine: report: %w", err)
	}
	return sha256.Sum256(text), nil
}

// Report returns what was found. Editing it makes the image unusable.
func (i *Image) Report() *Report { return i.report }

// Close ends the image; jobs that use it are waited for. It may be called
// again.
func (i *Image) Close() error {
	if i == nil || i.self != i {
		return ErrNotVetted
	}
	if i.vetted.Close() {
		i.seen.recycle()
		i.source.close()
	}
	return nil
}

// Check tells whether the source still is what was vetted: its size and every
// byte that was looked at. It returns a *SourceChangedError when it is not. A
// conversion asks for more, see ConvertOptions.Live.
func (i *Image) Check() error {
	if i == nil || i.self != i {
		return ErrNotVetted
	}
	release, err := i.vetted.Hold()
	if err != nil {
		return notVetted(err)
	}
	defer release()
	return i.content.check()
}

// usableBy fails unless the image is one that e vetted, with the report it was
// given. Whether it is open shows when it is acquired.
func (i *Image) usableBy(e *Engine) error {
	if i == nil || i.self != i || i.engine != e {
		return ErrNotVetted
	}
	sum, err := i.report.sum()
	if err != nil || sum != i.sum {
		return fmt.Errorf("%w: its report was edited", ErrNotVetted)
	}
	return nil
}

// notVetted makes the one error of images that cannot be used.
func notVetted(err error) error {
	if errors.Is(err, vetted.ErrClosed) {
		return fmt.Errorf("%w: it is closed", ErrNotVetted)
	}
	return err
}
