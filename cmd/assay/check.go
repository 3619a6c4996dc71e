package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/assay-dev/assay/engine"
	"github.com/spf13/cobra"
)

type checkFlags struct {
	toolFlags
	claim formatFlag
}

func newCheck(env environment) *cobra.Command {
	f := checkFlags{claim: formatFlag{parse: engine.ParseClaim}}
	c := &cobra.Command{
		Use:   "check [flags] IMAGE",
		Short: "Vet an image, and have qemu-img check it when it is accepted",
		Long: `Check inspects IMAGE with every mapping table, and only when it is accepted
has a confined qemu-img compare the image's metadata with each other: what is
referred to twice, or not counted, and what is taken and not used. IMAGE is
only read; nothing is repaired.

qemu-img checks qcow2, qed, vdi, vhdx, vmdk and parallels. Of another format
there is nothing to check, which is an error.

Exit status: 0 clean, 1 rejected or damaged (leaked clusters, which cost space
and no data, count), 2 wrong usage or it could not be done.`,
		Example: `  assay check disk.qcow2
  assay check --json --claim qcow2 upload.img`,
		Args: exactly(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return f.run(c.Context(), env, args[0])
		},
	}
	f.toolFlags.add(c)
	c.Flags().Var(&f.claim, "claim", "the `FORMAT` that IMAGE is said to be; another one rejects")
	_ = c.RegisterFlagCompletionFunc("claim", completeFormats)
	return c
}

func (f *checkFlags) run(ctx context.Context, env environment, name string) error {
	eng, err := f.newEngine(ctx, env)
	if err != nil {
		return err
	}
	defer eng.Close(context.WithoutCancel(ctx))
	defer eng.Prepare(ctx, f.bestEffort)()
	p := newPrinter(env, f.json)
	result, err := f.check(ctx, env, eng, name)
	if err != nil {
		return p.conclude(ctx, name, err)
	}
	if err := p.checked(result); err != nil {
		return err
	}
	if !result.Clean {
		return statusError(exitRejected)
	}
	return nil
}

func (f *checkFlags) check(ctx context.Context, env environment, eng *engine.Engine, name string) (*engine.CheckResult, error) {
	image, err := vet(ctx, env, eng, name, f.claim.format, "--claim")
	if err != nil {
		return nil, err
	}
	defer image.Close()
	return eng.Check(ctx, image.Image, engine.CheckOptions{BestEffort: f.bestEffort, HandOff: f.mode(), RateLimit: f.limitRate.bytesPerSecond()})
}

// checked prints the result of a check.
func (p *printer) checked(r *engine.CheckResult) error {
	if p.json {
		return p.object(r)
	}
	verdict := p.paint(green, "CLEAN")
	if !r.Clean {
		verdict = p.paint(red, "DAMAGED")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s: %s, %s", verdict, r.Source, r.Format, exactSize(r.VirtualSize))
	if !r.Clean {
		fmt.Fprintf(&b, ", corruptions %d, leaked clusters %d", r.Corruptions, r.Leaks)
	}
	b.WriteByte('\n')
	for _, line := range r.Messages {
		fmt.Fprintf(&b, "  says    %s\n", line)
	}
	if c := r.Clusters; c != nil {
		fmt.Fprintf(&b, "  about   clusters %d, allocated %d, fragmented %d, compressed %d\n", c.Total, c.Allocated, c.Fragmented, c.Compressed)
	}
	b.WriteString(limited(r.RateLimit))
	return p.worked(&b, r.Tool, r.DurationMicros, r.SourceMode, r.HandOff, r.Layers)
}

// worked prints a result, and below it what did the work and how.
func (p *printer) worked(b *strings.Builder, tool engine.Tool, micros int64, mode, handOff string, layers []string) error {
	elapsed := time.Duration(micros) * time.Microsecond
	_, err := fmt.Fprintf(p.out, "%s  by      %s %s in %s\n  source  %s, by %s\n  under   %s\n",
		b, tool.Name, tool.Version, elapsed.Round(time.Millisecond), mode, handOff, strings.Join(layers, ", "))
	return err
}
