package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/assay-dev/assay/engine"
	"github.com/spf13/cobra"
)

type resizeFlags struct {
	engineFlags
	json, shrink, bestEffort bool
	claim                    formatFlag
	size                     sizeFlag
	progress                 progressFlag
}

func newResize(env environment) *cobra.Command {
	f := resizeFlags{claim: formatFlag{parse: engine.ParseClaim}, progress: "auto"}
	c := &cobra.Command{
		Use:   "resize [flags] --size SIZE IMAGE",
		Short: "Vet an image, and give its disk another size when it is accepted",
		Long: `Resize inspects IMAGE with every mapping table, and only when it is accepted
gives its disk another size. It is the one command that changes its argument,
and does so at once or not at all: IMAGE is what it was, or has the new size.

A raw image is cut or extended in place. Of any other format a confined
qemu-img resizes a copy in the same folder, which is inspected again and then
takes the place of IMAGE, with its owner, mode and extended attributes. On file
systems that share data between files (btrfs, XFS) the copy costs next to
nothing, on others the time and the space of one. Symbolic links, files with
several names and images that another program has open are refused.

qcow2 and qed can be resized besides raw. What is new of the disk is zeros. A
smaller disk loses what was behind its end, and needs --shrink; qed cannot be
made smaller. A disk can be made as large as the tables of IMAGE can map, which
its clusters decide; more is refused before anything is copied.

Exit status: 0 resized, 1 rejected, 2 wrong usage or it could not be done.`,
		Example: `  assay resize --size 20GiB disk.qcow2
  assay resize --claim raw --shrink --size 512MiB disk.img`,
		Args: exactly(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return f.run(c.Context(), env, args[0])
		},
	}
	f.engineFlags.add(c)
	flags := c.Flags()
	flags.BoolVar(&f.json, "json", false, "print the result, or the report of a rejected image, as JSON")
	flags.Var(&f.claim, "claim", "the `FORMAT` that IMAGE is said to be; another one rejects")
	flags.Var(&f.size, "size", "the `SIZE` of the disk, as in 10GiB (required)")
	flags.BoolVar(&f.shrink, "shrink", false, "allow a smaller disk; what was behind its end is gone")
	flags.BoolVar(&f.bestEffort, "best-effort", false, "go on when this system lacks a layer of confinement")
	flags.Var(&f.progress, "progress", "show progress in `MODE` auto (on a terminal), plain (a line now and then) or none")
	_ = c.RegisterFlagCompletionFunc("claim", completeFormats)
	_ = c.RegisterFlagCompletionFunc("progress", cobra.FixedCompletions(progressModes, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (f *resizeFlags) run(ctx context.Context, env environment, name string) error {
	switch {
	case f.size == 0:
		return usageError{errors.New("--size is required: the size of the disk, as in 10GiB")}
	case name == "-":
		return usageError{errors.New("standard input has no file to change")}
	}
	eng, err := f.newEngine(ctx, env)
	if err != nil {
		return err
	}
	defer eng.Close(context.WithoutCancel(ctx))
	p := newPrinter(env, f.json)
	result, err := f.resize(ctx, env, eng, name)
	if err != nil {
		return p.conclude(ctx, name, err)
	}
	return p.resized(result)
}

func (f *resizeFlags) resize(ctx context.Context, env environment, eng *engine.Engine, name string) (*engine.ResizeResult, error) {
	image, err := vet(ctx, env, eng, name, f.claim.format, "--claim")
	if err != nil {
		return nil, err
	}
	defer image.Close()
	options := engine.ResizeOptions{Size: int64(f.size), Shrink: f.shrink, BestEffort: f.bestEffort}
	if shown := newProgress(f.progress, env.err); shown != nil {
		options.Progress = shown.update
		defer shown.finish()
	}
	return eng.Resize(ctx, image.Image, name, options)
}

// resizeMethods say for people how a disk was resized.
var resizeMethods = map[string]string{
	engine.ResizeNothing:  "nothing to do",
	engine.ResizeTruncate: "in place",
	engine.ResizeClone:    "on a clone that took its place",
	engine.ResizeCopy:     "on a copy that took its place",
}

// resized prints the result of a resize.
func (p *printer) resized(r *engine.ResizeResult) error {
	if p.json {
		return p.object(r)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s: %s, %s -> %s, file %s\n", p.paint(green, "RESIZED"), r.Source, r.Format,
		humanSize(r.VirtualSizeBefore), exactSize(r.VirtualSize), humanSize(r.Bytes))
	by := "assay"
	if r.Tool != nil {
		by = r.Tool.Name + " " + r.Tool.Version
	}
	elapsed := time.Duration(r.DurationMicros) * time.Microsecond
	fmt.Fprintf(&b, "  by      %s in %s, %s\n", by, elapsed.Round(time.Millisecond), resizeMethods[r.Method])
	if len(r.Layers) > 0 {
		fmt.Fprintf(&b, "  under   %s\n", strings.Join(r.Layers, ", "))
	}
	_, err := fmt.Fprint(p.out, b.String())
	return err
}
