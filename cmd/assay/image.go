package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/assay-dev/assay/engine"
)

// errNoImage is matched by errors of things that are no file to read.
var errNoImage = errors.New("not an image")

// opener opens what IMAGE arguments name.
type opener struct {
	stdin    *os.File
	spoolDir string // made when the first stream is opened
}

// open opens an image; "-" is standard input. Files and block devices are
// read in place, pipes as they arrive. The caller closes the file when it is done
// with the source.
func (o opener) open(ctx context.Context, name string) (engine.Source, *os.File, error) {
	if name == "-" {
		return o.source(ctx, o.stdin, "standard input")
	}
	// Asked before it is opened: opening some devices has effects.
	info, err := os.Stat(name)
	if err != nil {
		return nil, nil, unopened(name, err)
	}
	if err := readable(info, name); err != nil {
		return nil, nil, err
	}
	f, err := openContext(ctx, name)
	if err != nil {
		return nil, nil, unopened(name, err)
	}
	source, _, err := o.source(ctx, f, name)
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return source, f, nil
}

func (o opener) source(ctx context.Context, f *os.File, name string) (engine.Source, *os.File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if err := readable(info, name); err != nil {
		return nil, nil, err
	}
	if info.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
		return engine.File(f), f, nil
	}
	if err := os.MkdirAll(o.spoolDir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("folder for temporary copies: %w", err)
	}
	return engine.Stream(interruptible(ctx, f)), f, nil
}

// unopened is an error about a name without the system call that gave it.
func unopened(name string, err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	return fmt.Errorf("%s: %w", name, err)
}

// interruptible is f, but a read that waits ends with the context.
func interruptible(ctx context.Context, f *os.File) io.Reader {
	r, w := io.Pipe()
	context.AfterFunc(ctx, func() { w.CloseWithError(ctx.Err()) })
	go func() {
		_, err := io.Copy(w, f)
		w.CloseWithError(err)
	}()
	return r
}

// readable refuses what cannot hold an image. Character devices are among
// those: a terminal has none, and some never end.
func readable(info fs.FileInfo, name string) error {
	switch mode := info.Mode(); {
	case mode.IsDir():
		return fmt.Errorf("%s is a directory: %w", name, errNoImage)
	case mode&os.ModeCharDevice != 0:
		return fmt.Errorf("%s is a character device: %w", name, errNoImage)
	}
	return nil
}

// openContext is os.Open for names that may be pipes without a writer, where
// opening waits; the wait ends with the context.
func openContext(ctx context.Context, name string) (*os.File, error) {
	type opened struct {
		f   *os.File
		err error
	}
	done := make(chan opened, 1)
	go func() {
		f, err := os.Open(name)
		done <- opened{f, err}
	}()
	select {
	case o := <-done:
		return o.f, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
