// Compare measures Assay beside the alternatives that a user has, in turn in
// one run, and prints a table in Markdown:
//
//	go run ./benchmarks/compare [-runs N] [-only REGEXP] [-native PROGRAM] [-out FILE]
//
// With -only, the rows whose name matches; the inspections are of one name.
// Absolute times are those of the machine; the ratios are what to look at.
// Medians; in brackets the quartiles of the ratio.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/assay-dev/assay/testdata/images"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("compare: ")
	runs := flag.Int("runs", 15, "how often each pair is measured")
	native := flag.String("native", "", "the probes' parsers compiled natively (cargo build -p native), to compare with")
	only := flag.String("only", "", "measure only the rows whose name this regular expression matches; of the first table, named inspections, all or none")
	out := flag.String("out", "", "also write the table to this file")
	flag.Parse()
	wanted, err := regexp.Compile(*only)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp("", "assay-compare-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	c := &comparison{ctx: ctx, dir: dir, runs: *runs, native: *native, only: wanted}
	err = c.all()
	if ctx.Err() != nil {
		// What takes an hour is of use as far as it came.
		fmt.Fprintln(&c.table, "\nInterrupted: the rows that would follow were not measured.")
	}
	if (err == nil || ctx.Err() != nil) && *out != "" {
		err = errors.Join(err, os.WriteFile(*out, []byte(c.table.String()), 0o644))
	}
	fmt.Print(c.table.String())
	if err != nil {
		os.RemoveAll(dir)
		log.Fatal(err)
	}
}

// comparison is one run of the program.
type comparison struct {
	ctx    context.Context
	dir    string
	runs   int
	native string
	only   *regexp.Regexp
	assay  string // the command, built for this run
	table  strings.Builder
	notes  []string // of what could not be measured
}

func (c *comparison) all() error {
	c.assay = filepath.Join(c.dir, "assay")
	if _, err := c.output("env", "CGO_ENABLED=0", "go", "build", "-trimpath", "-o", c.assay, "./cmd/assay"); err != nil {
		return err
	}
	fmt.Fprintf(&c.table, "# Assay beside the alternatives\n\nMade by `make bench` with %s on %s/%s, %d processors; %d runs of each pair in turn.\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), c.runs)
	if c.wants("inspections") {
		if err := c.inspections(); err != nil {
			return err
		}
	}
	c.table.WriteString("\n| what | Assay | beside it | ratio |\n|---|---|---|---|\n")
	for _, step := range []func() error{c.hostile, c.processes, c.copies, c.deviceCopies, c.stamps, c.conversions} {
		if err := step(); err != nil {
			return err
		}
	}
	for _, note := range c.notes {
		fmt.Fprintf(&c.table, "\n%s\n", note)
	}
	return nil
}

// wants tells whether a row is to be measured.
func (c *comparison) wants(what string) bool { return c.only.MatchString(what) }

// row measures a pair, if it is wanted.
func (c *comparison) row(what, beside string, a, b measure) error {
	if !c.wants(what) {
		return nil
	}
	p, err := interleave(c.runs, a, b)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	fmt.Fprintf(&c.table, "| %s | %s | %s: %s | %.3g [%.3g, %.3g] |\n", what, short(p.a), beside, short(p.b), p.ratio, p.low, p.high)
	return nil
}

// output runs a program and returns what it printed.
func (c *comparison) output(name string, args ...string) (string, error) {
	out, err := exec.CommandContext(c.ctx, name, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return string(out), nil
}

// program is a measure of a whole process.
func (c *comparison) program(name string, args ...string) measure {
	return timed(func() error {
		_, err := c.output(name, args...)
		return err
	})
}

// has tells whether a program is there, and notes when it is not.
func (c *comparison) has(name string) bool {
	_, err := exec.LookPath(name)
	if note := fmt.Sprintf("Not measured: %v.", err); err != nil && !slices.Contains(c.notes, note) {
		c.notes = append(c.notes, note)
	}
	return err == nil
}

func (c *comparison) file(name string, data []byte) (string, error) {
	path := filepath.Join(c.dir, name)
	return path, os.WriteFile(path, data, 0o644)
}

// processes compares one inspection as a command.
func (c *comparison) processes() error {
	if !c.has("qemu-img") {
		return nil
	}
	path, err := c.file("disk.qcow2", images.Qcow2())
	if err != nil {
		return err
	}
	return c.row("`assay inspect` of a qcow2, the whole process", "`qemu-img info`",
		c.program(c.assay, "inspect", path), c.program("qemu-img", "info", "-f", "qcow2", path))
}
