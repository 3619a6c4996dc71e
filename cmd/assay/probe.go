package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/engine/sandbox"
	"github.com/assay-dev/assay/hostfuncs"
	"github.com/spf13/cobra"
)

func newProbe(env environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "probe",
		Short: "Show the probes, which read the formats, and help to write one",
		Args:  exactly(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		newProbeList(env), newProbeShow(env),
		newProbeNew(env), newProbeCheck(env), newProbeTest(env), newProbeBench(env),
	)
	return c
}

func newProbeList(env environment) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the probes",
		Args:  exactly(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return withProbes(c.Context(), func(modules []*sandbox.Module) error {
				w := tabwriter.NewWriter(env.out, 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "NAME\tVERSION\tFORMAT\tBYTES\tSHA256")
				for _, m := range modules {
					manifest := m.Manifest()
					fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", manifest.Name, manifest.Version, manifest.Format, m.Size(), m.SHA256())
				}
				return w.Flush()
			})
		},
	}
}

func newProbeShow(env environment) *cobra.Command {
	return &cobra.Command{
		Use:   "show NAME",
		Short: "Show what a probe looks for and what it can report",
		Args:  exactly(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return withProbes(c.Context(), func(modules []*sandbox.Module) error {
				i := slices.IndexFunc(modules, func(m *sandbox.Module) bool { return m.Manifest().Name == args[0] })
				if i < 0 {
					return usageError{fmt.Errorf("no probe is called %q; there are: %s", args[0], probeNames(modules))}
				}
				return showProbe(env.out, modules[i])
			})
		},
	}
}

// withProbes calls f with the probes of an engine of the default
// configuration.
func withProbes(ctx context.Context, f func([]*sandbox.Module) error) error {
	eng, err := engine.New(ctx, engine.NewConfig())
	if err != nil {
		return err
	}
	defer eng.Close(context.WithoutCancel(ctx))
	return f(eng.Probes())
}

func probeNames(modules []*sandbox.Module) string {
	var names []string
	for _, m := range modules {
		names = append(names, m.Manifest().Name)
	}
	return strings.Join(names, ", ")
}

// showProbe prints a probe's manifest and the rows of the table that it may
// report.
func showProbe(out io.Writer, m *sandbox.Module) error {
	manifest := m.Manifest()
	budget := hostfuncs.HeaderBudget().Min(manifest.Budget)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "name\t%s %s\n", manifest.Name, manifest.Version)
	fmt.Fprintf(w, "format\t%s\n", manifest.Format)
	fmt.Fprintf(w, "module\t%d bytes, ABI %d, SHA-256 %s\n", m.Size(), manifest.ABI, m.SHA256())
	fmt.Fprintf(w, "window\tthe first %d bytes\n", manifest.Window)
	fmt.Fprintf(w, "budget\t%d fuel, %d reads, %d bytes read, %d bytes reported (deep: by the size of the tables)\n",
		budget.Fuel, budget.Reads, budget.ReadBytes, budget.ReportBytes)
	if manifest.Always {
		fmt.Fprintln(w, "runs on\tevery image")
	}
	for _, s := range manifest.Signatures {
		text, err := json.Marshal(s)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "runs on\t%s\n", text)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out, "\nIt can report:")
	for _, e := range hostfuncs.Table() {
		if e.Key == 0 || e.Format() != "" && e.Format() != manifest.Format {
			continue
		}
		kind := e.Kind.String()
		if e.Class != "" {
			kind += " " + string(e.Class)
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", e.Name, kind, e.Doc)
	}
	return w.Flush()
}
