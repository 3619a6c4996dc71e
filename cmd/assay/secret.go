package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/native/luks"
)

// maxSecret is the longest passphrase that is read, in bytes; that of
// cryptsetup.
const maxSecret = 512

// secretFlag is a passphrase, given by the name of a file that holds it: what
// stands in an argument or in the environment others can see.
type secretFlag []byte

// Set reads the file, without the newline that an editor leaves at its end.
func (f *secretFlag) Set(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxSecret+2))
	if err != nil {
		return err
	}
	text = bytes.TrimSuffix(text, []byte("\n"))
	switch {
	case len(text) == 0:
		return fmt.Errorf("%s is empty", name)
	case len(text) > maxSecret:
		return fmt.Errorf("%s is longer than %d bytes", name, maxSecret)
	}
	*f = text
	return nil
}

// String keeps the secret.
func (f *secretFlag) String() string { return "" }
func (f *secretFlag) Type() string   { return "FILE" }

// decrypt inspects an image and, when it is an accepted one that is encrypted
// with LUKS, the disk in it, as one that is claimed to be raw: a disk that is
// an image of another format is what a host must not guess at.
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
	disk, err := luks.Open(ctx, image, image.Report().Size, f.passphrase)
	if err != nil {
		return reports, fmt.Errorf("%s: %w", name, err)
	}
	inner := append(opts, engine.Named(name+" (decrypted)"), engine.Claim(engine.Raw))
	report, err := eng.Inspect(ctx, engine.ReaderAt(disk, disk.Size()), inner...)
	if err != nil {
		return reports, err
	}
	return append(reports, report), nil
}
