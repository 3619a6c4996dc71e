package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/assay-dev/assay/probes/probetest"
	"github.com/spf13/cobra"
)

type probeCheckFlags struct {
	vectors, save string
	kit           probetest.Options
}

func newProbeCheck(env environment) *cobra.Command {
	f := probeCheckFlags{}
	c := &cobra.Command{
		Use:   "check [flags] FILE.wasm...",
		Short: "Check that a probe behaves as a host expects",
		Long: `Check runs a probe over the images of every format, over some thousand damaged
ones of its own, and over the vectors of its author, and says what is to be
fixed: code outside the profile, a trap, a loop, a match with what is not its
own, a result that depends on anything but the image, and more.

The input that shows a problem is saved as a vector, which 'assay probe test'
runs again. docs/probe-workbench.md lists the checks and describes vectors.

Exit status: 0 nothing is to be fixed, 1 something is, 2 wrong usage or it
could not be checked.`,
		Example: `  assay probe check --vectors testdata myformat.wasm`,
		Args:    exactly(cobra.MinimumNArgs(1)),
		RunE:    func(c *cobra.Command, args []string) error { return f.run(c, env, args) },
	}
	flags := c.Flags()
	flags.StringVar(&f.vectors, "vectors", "", "also try the vectors in the folder `DIR`, and damage the images that they expect to match")
	flags.StringVar(&f.save, "save", "probe-failures", "save the inputs that show problems in the folder `DIR`")
	flags.BoolVar(&f.kit.Interpret, "interpret", false, "keep the module off the compiler; that the engines agree is then not checked")
	flags.IntVar(&f.kit.Effort, "effort", 1, "look at `N` times as many damaged images")
	return c
}

func (f *probeCheckFlags) run(c *cobra.Command, env environment, files []string) error {
	if f.kit.Effort < 1 {
		return usageError{fmt.Errorf("--effort is %d, must be at least 1", f.kit.Effort)}
	}
	var vectors []*probetest.Vector
	if f.vectors != "" {
		var err error
		if vectors, err = readVectors(f.vectors); err != nil {
			return err
		}
	}
	kit, err := probetest.New(c.Context(), f.kit)
	if err != nil {
		return err
	}
	defer kit.Close(c.Context())
	status := exitAccepted
	for _, name := range files {
		wasm, err := readModule(name)
		if err != nil {
			return err
		}
		result, err := kit.Check(c.Context(), wasm, vectors...)
		if err != nil {
			return err
		}
		if !result.OK() {
			status = exitRejected
		}
		if err := f.print(env.out, name, result); err != nil {
			return err
		}
	}
	if status != exitAccepted {
		return statusError(status)
	}
	return nil
}

// print prints a result, and saves the inputs that it comes with.
func (f *probeCheckFlags) print(out io.Writer, name string, r *probetest.Result) error {
	verdict := "PASSED"
	if !r.OK() {
		verdict = "FAILED"
	}
	about := ""
	if r.Name != "" {
		about = fmt.Sprintf("%s %s for %s, ", r.Name, r.Version, r.Format)
	}
	fmt.Fprintf(out, "%s  %s: %s%d bytes, %d runs\n", verdict, printable(name), about, r.Size, r.Runs)
	for i, p := range r.Problems {
		fmt.Fprintf(out, "  %-10s  %s\n", p.Check, printable(p.Message))
		fmt.Fprintf(out, "  %-10s  to do: %s\n", "", p.Fix)
		if p.Vector == nil {
			continue
		}
		saved := filepath.Join(f.save, fmt.Sprintf("%s-%s-%d%s", r.Name, p.Check, i+1, probetest.VectorExtension))
		if err := os.MkdirAll(f.save, 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(saved, p.Vector.Encode(), 0o666); err != nil {
			return err
		}
		fmt.Fprintf(out, "  %-10s  input: %s\n", "", printable(saved))
	}
	for _, n := range r.Notes {
		fmt.Fprintf(out, "  %-10s  %s\n", "note", printable(n))
	}
	if r.Most.Fuel > 0 {
		fmt.Fprintf(out, "  %-10s  an image of the format takes up to %d of %d fuel, %d of %d reads, %d of %d bytes\n", "budget",
			r.Most.Fuel, r.Budget.Fuel, r.Most.Reads, r.Budget.Reads, r.Most.ReadBytes, r.Budget.ReadBytes)
	}
	return nil
}

// readModule reads a module. No module that passes is larger than the bound,
// and what is cut does not pass.
func readModule(name string) ([]byte, error) {
	const most = 1 << 20
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// readVectors reads the vectors of a folder; there must be some.
func readVectors(dir string) ([]*probetest.Vector, error) {
	vectors, err := probetest.ReadVectors(os.DirFS(dir))
	if err == nil && len(vectors) == 0 {
		err = fmt.Errorf("%s: no file ends in %s", dir, probetest.VectorExtension)
	}
	return vectors, err
}
