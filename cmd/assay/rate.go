package main

import (
	"fmt"
	"time"

	"github.com/assay-dev/assay/engine"
	"github.com/spf13/cobra"
)

// rateFlag is a rate in bytes per second as a flag: a size. Zero is none.
type rateFlag struct{ sizeFlag }

func (r *rateFlag) Set(text string) error {
	if err := r.sizeFlag.Set(text); err != nil {
		return err
	}
	if r.sizeFlag == 0 {
		return fmt.Errorf("rate %q: nothing would ever be done", text)
	}
	return nil
}

func (r *rateFlag) add(c *cobra.Command) {
	c.Flags().Var(r, "limit-rate", "read no more than `SIZE` a second of a device, and write no more, as in 50MiB")
}

// bytesPerSecond is the rate as the engine has it.
func (r *rateFlag) bytesPerSecond() int64 { return int64(r.sizeFlag) }

// limited is what is said of a rate that was held, as a line or nothing.
func limited(r *engine.RateLimit) string {
	if r == nil {
		return ""
	}
	wrote := ""
	if r.Written != nil {
		wrote = ", wrote " + humanSize(*r.Written)
	}
	waited := time.Duration(r.WaitedMicros) * time.Microsecond
	return fmt.Sprintf("  rate    %s/s: read %s%s, waited %s\n", humanSize(r.BytesPerSecond), humanSize(r.Read), wrote, waited.Round(time.Millisecond))
}
