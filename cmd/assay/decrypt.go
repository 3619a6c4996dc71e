package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/native/luks"
)

// inside returns the disk in an accepted LUKS image as a source, and how to
// look at it: as one that is claimed to be raw, for a disk that is an image of
// another format is what a host must not guess at.
func inside(ctx context.Context, image *engine.Image, name string, passphrase []byte) (engine.Source, []engine.Option, error) {
	disk, err := luks.Open(ctx, image, image.Report().Size, passphrase)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return engine.Inside(image, disk, disk.Size()), []engine.Option{engine.Named(name + " (decrypted)"), engine.Claim(engine.Raw)}, nil
}

// decrypt inspects an image and, when it is an accepted one that is encrypted
// with LUKS, the disk in it.
func (f *inspectFlags) decrypt(ctx context.Context, eng *engine.Engine, source engine.Source, name string, opts []engine.Option) ([]*engine.Report, error) {
	image, err := eng.Vet(ctx, source, opts...)
	if rejected, ok := errors.AsType[*engine.RejectedError](err); ok {
		return []*engine.Report{rejected.Report}, nil
	}
	if err != nil {
		return nil, err
	}
	defer image.Close()
	reports := []*engine.Report{image.Report()}
	if image.Report().Format != "luks" {
		return reports, nil
	}
	disk, inner, err := inside(ctx, image, name, f.passphrase.text)
	if err != nil {
		return reports, err
	}
	report, err := eng.Inspect(ctx, disk, append(opts, inner...)...)
	if err != nil {
		return reports, err
	}
	return append(reports, report), nil
}

// decrypted vets the disk in an accepted LUKS image. The caller closes it
// before the image.
func decrypted(ctx context.Context, env environment, eng *engine.Engine, image *engine.Image, name string, passphrase []byte) (*engine.Image, error) {
	if format := image.Report().Format; format != "luks" {
		return nil, hintedError{
			fmt.Errorf("%s: its format is %s, and nothing in it is decrypted", name, format),
			"leave out --decrypt, which is for images that are encrypted with LUKS",
		}
	}
	disk, opts, err := inside(ctx, image, name, passphrase)
	if err != nil {
		return nil, err
	}
	inner, err := eng.Vet(ctx, disk, opts...)
	if err != nil {
		return nil, err
	}
	printWarnings(env, name+" (decrypted)", inner.Report())
	return inner, nil
}
