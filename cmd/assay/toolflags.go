package main

import (
	"context"
	"errors"

	"github.com/assay-dev/assay/engine"
	"github.com/spf13/cobra"
)

// toolFlags are the flags of commands that give a vetted image to a confined
// tool.
type toolFlags struct {
	engineFlags
	json, bestEffort bool
	handOff          handOffFlag
	limitRate        rateFlag
}

func (f *toolFlags) add(c *cobra.Command) {
	f.engineFlags.add(c)
	f.handOff = "auto"
	flags := c.Flags()
	flags.BoolVar(&f.json, "json", false, "print the result, or the report of a rejected image, as JSON")
	flags.BoolVar(&f.bestEffort, "best-effort", false, "go on when this system lacks a layer of confinement")
	flags.Var(&f.handOff, "hand-off", "give images to qemu-img in `MODE` lease (open, and nobody can write to them), nbd (served; it opens none), descriptor or auto (the first that can be)")
	f.limitRate.add(c)
	_ = c.RegisterFlagCompletionFunc("hand-off", cobra.FixedCompletions(handOffs, cobra.ShellCompDirectiveNoFileComp))
}

// mode is the hand-off as the engine names it.
func (f *toolFlags) mode() string {
	if f.handOff == "auto" {
		return ""
	}
	return string(f.handOff)
}

// conclude prints how work ended that did not end well, and returns the
// status of the command: a rejection is reported, anything else an error.
func (p *printer) conclude(ctx context.Context, source string, err error) error {
	if rejected, ok := errors.AsType[*engine.RejectedError](err); ok {
		if err := p.report(rejected.Report); err != nil {
			return err
		}
		return statusError(exitRejected)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	p.failure(source, err)
	return statusError(exitFailed)
}
