package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/native/confine"
	"github.com/assay-dev/assay/native/qemuimg"
	"github.com/spf13/cobra"
)

// check is one thing that the work rests on.
type check struct {
	Name    string `json:"name"`
	For     string `json:"for"` // "inspect" or "convert"
	Present bool   `json:"present"`
	Usable  bool   `json:"usable"`
	Version string `json:"version,omitempty"`
	Why     string `json:"why,omitempty"`    // it is not usable, or weaker than it could be
	Remedy  string `json:"remedy,omitempty"` // what to do about it
	// optional says that the work does without it.
	optional bool
}

// diagnosis is what doctor found.
type diagnosis struct {
	Schema  int     `json:"schema"`
	Inspect bool    `json:"inspect"` // images can be inspected
	Convert bool    `json:"convert"` // and converted with every required layer of confinement
	Checks  []check `json:"checks"`
}

func newDoctor(env environment) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what works on this system, and what to do about the rest",
		Long: `Doctor looks at what inspecting and converting rest on: the sandbox and its
probes, qemu-img, and the layers of confinement that the kernel offers. It
changes nothing.

Exit status: 0 both work, 2 one of them does not.`,
		Args: exactly(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			d := diagnose(c.Context())
			p := newPrinter(env, asJSON)
			if err := p.diagnosis(d); err != nil {
				return err
			}
			if !d.Inspect || !d.Convert {
				return statusError(exitFailed)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	return c
}

// diagnose looks at everything; nothing of what it finds is an error.
func diagnose(ctx context.Context) diagnosis {
	d := diagnosis{Schema: engine.SchemaVersion, Inspect: true, Convert: true}
	d.Checks = append(d.Checks, checkSandbox(ctx)...)
	d.Checks = append(d.Checks, checkQemuImg(ctx)...)
	d.Checks = append(d.Checks, checkLayers()...)
	for _, c := range d.Checks {
		if c.Usable || c.optional {
			continue
		}
		d.Convert = false // what cannot be inspected cannot be converted
		if c.For == "inspect" {
			d.Inspect = false
		}
	}
	return d
}

// checkSandbox tells which engines run probes, and whether the probes are
// those of the lock file.
func checkSandbox(ctx context.Context) []check {
	eng, err := engine.New(ctx, engine.NewConfig())
	if err != nil {
		return []check{{Name: "probes", For: "inspect", Present: true, Why: err.Error()}}
	}
	defer eng.Close(ctx)
	var checks []check
	for _, e := range eng.Sandbox().Engines() {
		c := check{Name: string(e.Mode), For: "inspect", Present: true, Usable: e.Usable, Version: "wazero " + moduleVersion("github.com/tetratelabs/wazero")}
		if !e.Usable {
			c.Why, c.Remedy, c.optional = e.Err.Error(), "none needed: the interpreter gives the same results, slower", true
		}
		checks = append(checks, c)
	}
	var names []string
	for _, m := range eng.Probes() {
		names = append(names, m.Manifest().Name+" "+m.Manifest().Version)
	}
	return append(checks, check{Name: "probes", For: "inspect", Present: true, Usable: true, Version: strings.Join(names, ", ")})
}

// moduleVersion returns the version of a module that this program was built
// with.
func moduleVersion(path string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == path {
				return m.Version
			}
		}
	}
	return "(unknown)"
}

// checkQemuImg asks qemu-img for its version and how it can be given a source,
// under whatever layers there are: what is missing of those is told by
// checkLayers.
func checkQemuImg(ctx context.Context) []check {
	c := check{Name: "qemu-img", For: "convert"}
	tool, err := qemuimg.Find(ctx, qemuimg.Config{BestEffort: true})
	if err != nil {
		_, notFound := errors.AsType[*qemuimg.NotFoundError](err)
		c.Present, c.Why, c.Remedy = !notFound, err.Error(), hintFor(err)
		return []check{c}
	}
	c.Present, c.Usable, c.Version = true, true, fmt.Sprintf("%v (%s)", tool.Version(), tool.Path())
	handOff := check{Name: "hand-off", For: "convert", optional: true}
	ways, err := tool.HandOffs("")
	switch {
	case err != nil:
		handOff.Why = err.Error()
	case slices.Contains(ways, qemuimg.HandOffNBD):
		handOff.Present, handOff.Usable, handOff.Version = true, true, strings.Join(ways, ", or ")
	default:
		handOff.Version = strings.Join(ways, ", or ")
		handOff.Why = "this qemu-img has no nbd driver: what no lease can be had of is given to it by descriptor"
		handOff.Remedy = "use a qemu-img that has it; --hand-off=nbd refuses one that has not"
	}
	return []check{c, handOff}
}

func checkLayers() []check {
	var checks []check
	for _, l := range confine.Layers() {
		checks = append(checks, check{
			Name: l.Name, For: "convert", Present: l.Available, Usable: l.Available,
			Version: l.Version, Why: l.Why, Remedy: l.Remedy, optional: l.Optional,
		})
	}
	return checks
}

// diagnosis prints what doctor found.
func (p *printer) diagnosis(d diagnosis) error {
	if p.json {
		return p.object(d)
	}
	var b strings.Builder
	for _, c := range d.Checks {
		mark := p.paint(green, "ok  ")
		switch {
		case !c.Usable && c.optional:
			mark = p.paint(dim, "--  ")
		case !c.Usable:
			mark = p.paint(red, "no  ")
		case c.Why != "":
			mark = p.paint(yellow, "weak")
		}
		line := fmt.Sprintf("  %s  %-12s  %s", mark, c.Name, printable(joined(c.Version, c.Why)))
		b.WriteString(strings.TrimRight(line, " ") + "\n")
		if c.Remedy != "" {
			fmt.Fprintf(&b, "        %-12s  %s\n", "", p.paint(dim, "-> "+printable(c.Remedy)))
		}
	}
	_, err := fmt.Fprintf(p.out, "%s  inspect\n%s  convert\n%s", p.works(d.Inspect), p.works(d.Convert), b.String())
	return err
}

// joined puts a comma between two texts when there are two.
func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ", " + b
}

func (p *printer) works(ok bool) string {
	if ok {
		return p.paint(green, "WORKS ")
	}
	return p.paint(red, "BROKEN")
}
