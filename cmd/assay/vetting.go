package main

import (
	"context"
	"fmt"
	"os"

	"github.com/assay-dev/assay/engine"
)

// A vetting is an image that a command works on, once it was accepted.
type vetting struct {
	*engine.Image
	file *os.File
}

// vet opens and vets an image, and prints what it warns of. A raw image must
// be claimed to be one. The caller closes what it is given.
func vet(ctx context.Context, env environment, eng *engine.Engine, name string, claim engine.Format, flag string) (*vetting, error) {
	source, file, err := opener{env.in, env.spoolDir}.open(ctx, name)
	if err != nil {
		return nil, err
	}
	image, err := eng.Vet(ctx, source, engine.Named(name), engine.Claim(claim))
	if err != nil {
		file.Close()
		return nil, err
	}
	if image.Report().Format == engine.Raw && claim == "" {
		image.Close()
		file.Close()
		return nil, hintedError{
			fmt.Errorf("%s: no known format, and raw is not assumed", name),
			fmt.Sprintf("if it is a raw disk, say so: %s raw", flag),
		}
	}
	printWarnings(env, name, image.Report())
	return &vetting{image, file}, nil
}

// printWarnings prints what a report of an accepted image warns of.
func printWarnings(env environment, name string, r *engine.Report) {
	for _, w := range r.FindingsOf(engine.Warn) {
		printWarning(env.err, fmt.Sprintf("%s: %s [%s]", name, w.Message, w.ID))
	}
}

func (v *vetting) Close() {
	v.Image.Close()
	v.file.Close()
}
