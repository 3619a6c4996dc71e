// Compare measures Assay beside the alternatives that a user has, in turn in
// one run, and prints a table in Markdown:
//
//	go run ./benchmarks/compare [-runs N] [-native PROGRAM] [-out FILE]
//
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
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/engine/sandbox"
	"github.com/assay-dev/assay/testdata/images"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("compare: ")
	runs := flag.Int("runs", 15, "how often each pair is measured")
	native := flag.String("native", "", "the probes' parsers compiled natively (cargo build -p native), to compare with")
	out := flag.String("out", "", "also write the table to this file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp("", "assay-compare-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	c := &comparison{ctx: ctx, dir: dir, runs: *runs, native: *native}
	err = c.all()
	if err == nil && *out != "" {
		err = os.WriteFile(*out, []byte(c.table.String()), 0o644)
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
	assay  string // the command, built for this run
	table  strings.Builder
}

func (c *comparison) all() error {
	c.assay = filepath.Join(c.dir, "assay")
	if _, err := c.output("go", "build", "-trimpath", "-o", c.assay, "./cmd/assay"); err != nil {
		return err
	}
	fmt.Fprintf(&c.table, "# Assay beside the alternatives\n\nMade by `make bench` with %s on %s/%s, %d processors; %d runs of each pair in turn.\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), c.runs)
	c.table.WriteString("| what | Assay | beside it | ratio |\n|---|---|---|---|\n")
	for _, step := range []func() error{c.inspections, c.hostile, c.processes, c.conversions} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) row(what, beside string, a, b measure) error {
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

// has tells whether a program is there, and notes in the table when not.
func (c *comparison) has(name string) bool {
	_, err := exec.LookPath(name)
	if err != nil {
		fmt.Fprintf(&c.table, "| (not measured: %v) | | | |\n", err)
	}
	return err == nil
}

func (c *comparison) file(name string, data []byte) (string, error) {
	path := filepath.Join(c.dir, name)
	return path, os.WriteFile(path, data, 0o644)
}

// subjects are the images that are inspected.
var subjects = []struct {
	name, driver string
	claim        engine.Format
	data         []byte
}{
	{"qcow2", "qcow2", "qcow2", images.Qcow2(images.Clusters(16), images.FeatureNames())},
	{"gpt", "raw", "raw", images.GPT(512)},
	{"mbr", "raw", "raw", images.MBR(1<<20, images.Partition{Type: 0x83, Start: 8, Count: 64})},
	{"raw", "raw", "raw", images.Random(1<<20, 1)},
}

// inspections compares an inspection in a process that has run for a while
// with the same parsers without a sandbox, and with a process of qemu-img.
func (c *comparison) inspections() error {
	eng, err := engine.New(c.ctx, engine.NewConfig().WithSandbox(sandbox.Config{Mode: sandbox.ModeCompiler}))
	if err != nil {
		return err
	}
	defer eng.Close(c.ctx)
	for _, s := range subjects {
		path, err := c.file(s.name+".img", s.data)
		if err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		once := func() error {
			report, err := eng.Inspect(c.ctx, engine.File(f), engine.Claim(s.claim))
			if err != nil || !report.Accepted {
				return errors.Join(err, errors.New("not accepted"))
			}
			return nil
		}
		inspect := func() (time.Duration, error) {
			const times = 500
			start := time.Now()
			for range times {
				if err := once(); err != nil {
					return 0, err
				}
			}
			return time.Since(start) / times, nil
		}
		if err := c.allocations("inspect "+s.name+", memory allocated", once); err != nil {
			return err
		}
		if c.native != "" && s.name != "raw" {
			if err := c.row("inspect "+s.name+", steady state", "the same parser natively", inspect, c.nativeParser(s.name, path)); err != nil {
				return err
			}
		}
		if c.has("qemu-img") {
			if err := c.row("inspect "+s.name+", steady state", "`qemu-img info`", inspect, c.program("qemu-img", "info", "-f", s.driver, path)); err != nil {
				return err
			}
		}
	}
	return nil
}

// allocations adds a row with what one call of f allocates when it has been
// called before.
func (c *comparison) allocations(what string, f func() error) error {
	const times = 500
	if err := f(); err != nil {
		return err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range times {
		if err := f(); err != nil {
			return err
		}
	}
	runtime.ReadMemStats(&after)
	fmt.Fprintf(&c.table, "| %s | %d bytes in %d objects | | |\n", what,
		(after.TotalAlloc-before.TotalAlloc)/times, (after.Mallocs-before.Mallocs)/times)
	return nil
}

// nativeParser asks the native program how long one run of a probe takes: it
// prints nanoseconds.
func (c *comparison) nativeParser(probe, path string) measure {
	return func() (time.Duration, error) {
		out, err := c.output(c.native, probe, path, "20000")
		if err != nil {
			return 0, err
		}
		ns, err := strconv.ParseFloat(strings.TrimSpace(out), 64)
		return time.Duration(ns), err
	}
}

// processes compares one inspection as a command.
func (c *comparison) processes() error {
	if !c.has("qemu-img") {
		return nil
	}
	path := filepath.Join(c.dir, "qcow2.img")
	return c.row("`assay inspect` of a qcow2, the whole process", "`qemu-img info`",
		c.program(c.assay, "inspect", path), c.program("qemu-img", "info", "-f", "qcow2", path))
}
