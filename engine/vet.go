package engine

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

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
	vetted *vetted.Image
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
	i.vetted = vetted.New(vetted.Facts{
		Format: string(report.Format), Driver: report.QemuDriver, Size: report.Size, VirtualSize: report.VirtualSize,
	}, open.file, sourceChecker{i})
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
// byte that was looked at. It returns a *SourceChangedError when it is not.
func (i *Image) Check() error {
	if i == nil || i.self != i {
		return ErrNotVetted
	}
	_, release, err := i.vetted.Acquire() // which checks
	if err != nil {
		return notVetted(err)
	}
	release()
	return nil
}

// sourceChecker compares an image's own source with what was vetted.
type sourceChecker struct{ image *Image }

// Check implements vetted.Checker.
func (c sourceChecker) Check() error {
	return c.image.checkAgainst(c.image.source.reader, c.image.source.file)
}

// checkAgainst compares what was vetted with the bytes of reader, which, when
// it is one, is file.
func (i *Image) checkAgainst(reader io.ReaderAt, file *os.File) error {
	if file != nil {
		now, err := fileSize(file)
		if err != nil {
			return fmt.Errorf("engine: %s: %w", i.report.Source, err)
		}
		if now != i.seen.size {
			return &SourceChangedError{
				Source: i.report.Source, Offset: -1,
				What: fmt.Sprintf("its size was %d bytes and is %d", i.seen.size, now),
			}
		}
	}
	if err := i.seen.check(reader); err != nil {
		return sourceError(i.report.Source, err)
	}
	return nil
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
