// Fuzzrun runs fuzz targets until they have had a given amount of processor
// time, and keeps account of it:
//
//	go run ./probes/probetest/internal/fuzzrun -cpu 20m             every target
//	go run ./probes/probetest/internal/fuzzrun -cpu 20m -target Inspect
//	go run ./probes/probetest/internal/fuzzrun -list
//	go run ./probes/probetest/internal/fuzzrun -report              FUZZING.md
//
// Time is processor time of the target, as the kernel accounts it to the test
// binary and its workers; that of building it does not count, and a busy
// machine takes longer. After every slice the sums in record.json are written,
// so that a run can be ended at any time, and the next goes on from there.
// FUZZING.md is made of record.json.
//
// The corpus that fuzzing builds up is where `go test -fuzz` keeps its own
// (go env GOCACHE), so that runs go on where the last ended. An input that
// fails is left in the package's testdata/fuzz, as `go test -fuzz` does. Fix
// the cause, keep the input under a name that says what it showed (of an
// inspection the image, as a case of testdata/images), and add it to the
// crashers of record.json.
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
	"strings"
	"time"
)

//go:generate go run . -report

func main() {
	log.SetFlags(0)
	log.SetPrefix("fuzzrun: ")
	var (
		cpu      = flag.Duration("cpu", 0, "processor `time` that each target is to have on record")
		slice    = flag.Duration("slice", 2*time.Minute, "`time` after which the record is written")
		pattern  = flag.String("target", "", "run the targets that match `REGEXP` only")
		parallel = flag.Int("parallel", 1, "workers")
		list     = flag.Bool("list", false, "list the targets")
		report   = flag.Bool("report", false, "write FUZZING.md from the record")
	)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *cpu, *slice, *pattern, *parallel, *list, *report); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, cpu, slice time.Duration, pattern string, parallel int, list, report bool) error {
	root, err := goEnv("GOMOD")
	if err != nil {
		return err
	}
	root = filepath.Dir(root)
	record := filepath.Join(root, "probes", "probetest", "internal", "fuzzrun", "record.json")
	if report {
		return writeReport(record, filepath.Join(root, "FUZZING.md"))
	}
	wanted, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	targets, err := findTargets(ctx, root, wanted)
	if err != nil {
		return err
	}
	if list {
		for _, t := range targets {
			fmt.Println(t.pkg, t.name)
		}
		return nil
	}
	if cpu <= 0 {
		return errors.New("say how long to fuzz: -cpu 20m")
	}
	scratch, err := os.MkdirTemp("", "assay-fuzz-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	f := fuzzer{root: root, scratch: scratch, parallel: parallel, slice: slice, record: record}
	if f.cache, err = goEnv("GOCACHE"); err != nil {
		return err
	}
	var failed []error
	for _, t := range targets {
		if err := f.fuzz(ctx, t, cpu); err != nil {
			failed = append(failed, fmt.Errorf("%s %s: %w", t.pkg, t.name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failed...)
}

func goEnv(name string) (string, error) {
	out, err := exec.Command("go", "env", name).Output()
	return strings.TrimSpace(string(out)), err
}

// target is a fuzz function: pkg is its package's import path, dir its folder.
type target struct{ pkg, dir, name string }

// path returns the path of the package below the module.
func (t target) path() string { return strings.TrimPrefix(t.pkg, "github.com/assay-dev/assay/") }

var fuzzFunction = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(\w+ \*testing\.F\)`)

// findTargets returns the fuzz functions of the repository, in the order of
// their packages and names. The Go tool leaves folders named testdata out of
// ./...
func findTargets(ctx context.Context, root string, wanted *regexp.Regexp) ([]target, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-f", "{{.ImportPath}}\t{{.Dir}}", "./...", "./testdata/images/...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("listing packages: %w", err)
	}
	var targets []target
	for line := range strings.Lines(string(out)) {
		pkg, dir, _ := strings.Cut(strings.TrimSpace(line), "\t")
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			for _, match := range fuzzFunction.FindAllSubmatch(text, -1) {
				if name := string(match[1]); wanted.MatchString(name) {
					targets = append(targets, target{pkg, dir, name})
				}
			}
		}
	}
	return targets, nil
}
