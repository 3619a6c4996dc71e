package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/assay-dev/assay/probes/probetest"
	"github.com/spf13/cobra"
)

func newProbeTest(env environment) *cobra.Command {
	kit := probetest.Options{}
	c := &cobra.Command{
		Use:   "test [flags] FILE.wasm VECTOR|DIR...",
		Short: "Run a probe over vectors: images that start with what must be said of them",
		Long: `Test runs a probe over vectors, in every engine and in memories that are not
fresh, and says where the result is not what a vector asks for.

Exit status: 0 all hold, 1 at least one does not, 2 wrong usage or one could
not be tried.`,
		Example: `  assay probe test myformat.wasm testdata`,
		Args:    exactly(cobra.MinimumNArgs(2)),
		RunE: func(c *cobra.Command, args []string) error {
			return withProbe(c, kit, args[0], func(p *probetest.Probe) error { return tryVectors(c, env, p, args[1:]) })
		},
	}
	c.Flags().BoolVar(&kit.Interpret, "interpret", false, "keep the module off the compiler")
	return c
}

// withProbe calls f with the module in a file. A module that is outside the
// profile is an error: check says more about it.
func withProbe(c *cobra.Command, o probetest.Options, name string, f func(*probetest.Probe) error) error {
	wasm, err := readModule(name)
	if err != nil {
		return err
	}
	kit, err := probetest.New(c.Context(), o)
	if err != nil {
		return err
	}
	defer kit.Close(c.Context())
	p, err := kit.Open(wasm)
	if err != nil {
		return hintedError{fmt.Errorf("%s: %w", name, err), "'assay probe check' says what to do about it"}
	}
	return f(p)
}

func tryVectors(c *cobra.Command, env environment, p *probetest.Probe, names []string) error {
	status := exitAccepted
	for _, name := range names {
		vectors, err := openVectors(name)
		if err != nil {
			return err
		}
		for _, v := range vectors {
			wrong, err := p.Try(c.Context(), v)
			if err != nil {
				return fmt.Errorf("%s: %w", v.Comment[0], err)
			}
			if len(wrong) == 0 {
				fmt.Fprintf(env.out, "ok    %s\n", printable(v.Comment[0]))
				continue
			}
			status = exitRejected
			fmt.Fprintf(env.out, "FAIL  %s\n", printable(v.Comment[0]))
			for _, w := range wrong {
				fmt.Fprintf(env.out, "  %s\n", printable(w))
			}
		}
	}
	if status != exitAccepted {
		return statusError(status)
	}
	return nil
}

// openVectors reads the vectors of a folder, or the one in a file; the first
// comment of each is its name.
func openVectors(name string) ([]*probetest.Vector, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return readVectors(name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	v, err := probetest.ParseVector(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	v.Comment = append([]string{filepath.Base(name)}, v.Comment...)
	return []*probetest.Vector{v}, nil
}
