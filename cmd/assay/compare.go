package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/assay-dev/assay/engine"
	"github.com/spf13/cobra"
)

type compareFlags struct {
	toolFlags
	claimA, claimB formatFlag
	progress       progressFlag
}

func newCompare(env environment) *cobra.Command {
	f := compareFlags{
		claimA: formatFlag{parse: engine.ParseClaim}, claimB: formatFlag{parse: engine.ParseClaim},
		progress: "auto",
	}
	c := &cobra.Command{
		Use:   "compare [flags] A B",
		Short: "Vet two images, and compare their disks when both are accepted",
		Long: `Compare inspects two images with every mapping table, and only when both are
accepted has a confined qemu-img compare the disks they hold, byte by byte and
whatever their formats. What one disk has more than the other counts as the
same if it is zeros; both sizes are in the result. The images are only read.

An image without a format of its own can only be taken at its word: a raw one
needs --claim-a raw, or --claim-b raw.

Exit status: 0 identical, 1 an image was rejected or the disks differ, 2 wrong
usage or it could not be done.`,
		Example: `  assay compare disk.qcow2 disk.vmdk
  assay compare --claim-a raw /dev/vg/volume disk.qcow2`,
		Args: exactly(cobra.ExactArgs(2)),
		RunE: func(c *cobra.Command, args []string) error {
			return f.run(c.Context(), env, args[0], args[1])
		},
	}
	f.toolFlags.add(c)
	flags := c.Flags()
	flags.Var(&f.claimA, "claim-a", "the `FORMAT` that A is said to be; another one rejects")
	flags.Var(&f.claimB, "claim-b", "the `FORMAT` that B is said to be; another one rejects")
	flags.Var(&f.progress, "progress", "show progress in `MODE` auto (on a terminal), plain (a line now and then) or none")
	_ = c.RegisterFlagCompletionFunc("claim-a", completeFormats)
	_ = c.RegisterFlagCompletionFunc("claim-b", completeFormats)
	_ = c.RegisterFlagCompletionFunc("progress", cobra.FixedCompletions(progressModes, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (f *compareFlags) run(ctx context.Context, env environment, a, b string) error {
	if a == "-" && b == "-" {
		return usageError{errors.New("standard input can be only one of the two images")}
	}
	eng, err := f.newEngine(ctx, env)
	if err != nil {
		return err
	}
	defer eng.Close(context.WithoutCancel(ctx))
	defer eng.Prepare(ctx, f.bestEffort)()
	p := newPrinter(env, f.json)
	imageA, err := vet(ctx, env, eng, a, f.claimA.format, "--claim-a")
	if err != nil {
		return p.conclude(ctx, a, err)
	}
	defer imageA.Close()
	imageB, err := vet(ctx, env, eng, b, f.claimB.format, "--claim-b")
	if err != nil {
		return p.conclude(ctx, b, err)
	}
	defer imageB.Close()
	result, err := f.compare(ctx, env, eng, imageA, imageB)
	if err != nil {
		return p.conclude(ctx, a, err)
	}
	if err := p.compared(result); err != nil {
		return err
	}
	if !result.Identical {
		return statusError(exitRejected)
	}
	return nil
}

func (f *compareFlags) compare(ctx context.Context, env environment, eng *engine.Engine, a, b *vetting) (*engine.CompareResult, error) {
	options := engine.CompareOptions{BestEffort: f.bestEffort, HandOff: f.mode(), RateLimit: f.limitRate.bytesPerSecond()}
	if shown := newProgress(f.progress, env.err); shown != nil {
		options.Progress = shown.update
		defer shown.finish()
	}
	return eng.Compare(ctx, a.Image, b.Image, options)
}

// compared prints the result of a comparison.
func (p *printer) compared(r *engine.CompareResult) error {
	if p.json {
		return p.object(r)
	}
	var b strings.Builder
	if r.Identical {
		fmt.Fprintf(&b, "%s  %s and %s\n", p.paint(green, "IDENTICAL"), r.A.Source, r.B.Source)
	} else {
		fmt.Fprintf(&b, "%s  %s and %s: at offset %d\n", p.paint(red, "DIFFERENT"), r.A.Source, r.B.Source, *r.Offset)
	}
	for _, c := range []engine.Compared{r.A, r.B} {
		fmt.Fprintf(&b, "  image   %s: %s, %s\n", c.Source, c.Format, exactSize(c.VirtualSize))
	}
	b.WriteString(limited(r.RateLimit))
	return p.worked(&b, r.Tool, r.DurationMicros, r.SourceMode, r.HandOff, r.Layers)
}
