package main

import (
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/assay-dev/assay/hostfuncs"
	"github.com/assay-dev/assay/probes/probetest"
	"github.com/spf13/cobra"
)

func newProbeBench(env environment) *cobra.Command {
	var (
		kit   probetest.Options
		about time.Duration
		deep  bool
	)
	c := &cobra.Command{
		Use:   "bench [flags] FILE.wasm IMAGE|VECTOR...",
		Short: "Measure how long a probe takes over images, and what it spends",
		Long: `Bench runs a probe over each IMAGE, or over the image in a VECTOR, again and
again in an instance of its own, and prints the median of the times and what
of its budget a run spends. Bytes of an IMAGE beyond the first 64 MiB are read
as zeros.`,
		Example: `  assay probe bench myformat.wasm testdata/valid.vector disk.img`,
		Args:    exactly(cobra.MinimumNArgs(2)),
		RunE: func(c *cobra.Command, args []string) error {
			return withProbe(c, kit, args[0], func(p *probetest.Probe) error {
				w := tabwriter.NewWriter(env.out, 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "IMAGE\tENGINE\tMEDIAN\tFUEL\tREADS\tBYTES\tREPORTED")
				for _, name := range args[1:] {
					in, err := openInput(name)
					if err != nil {
						return err
					}
					if deep {
						in.Depth = hostfuncs.DepthDeep
					}
					all, err := p.Measure(c.Context(), in, about)
					if err != nil {
						return fmt.Errorf("%s: %w", name, err)
					}
					for _, m := range all {
						fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\n", printable(filepath.Base(name)), m.Engine,
							m.Median.Round(100*time.Nanosecond), m.Spent.Fuel, m.Spent.Reads, m.Spent.ReadBytes, m.Spent.ReportBytes)
					}
				}
				return w.Flush()
			})
		},
	}
	flags := c.Flags()
	flags.BoolVar(&kit.Interpret, "interpret", false, "keep the module off the compiler")
	flags.BoolVar(&deep, "deep", false, "also walk every mapping table; the figures are those of the walk")
	flags.DurationVar(&about, "time", 200*time.Millisecond, "measure for `TIME` in each engine")
	return c
}

// openInput reads an image, or the one in a vector.
func openInput(name string) (probetest.Input, error) {
	const most = 64 << 20
	if filepath.Ext(name) == probetest.VectorExtension {
		vectors, err := openVectors(name)
		if err != nil {
			return probetest.Input{}, err
		}
		return vectors[0].Input, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return probetest.Input{}, err
	}
	defer f.Close()
	return probetest.ReadInput(f, most)
}
