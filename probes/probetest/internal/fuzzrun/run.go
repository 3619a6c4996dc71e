package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// fuzzer runs targets.
type fuzzer struct {
	root, scratch, cache, record string
	parallel                     int
	slice                        time.Duration
}

// maxStarved is how many slices in a row may end because the machine was too
// busy for Go's fuzzer.
const maxStarved = 5

// fuzz runs a target, slice by slice, until its processor time is on record or
// an input fails.
func (f *fuzzer) fuzz(ctx context.Context, t target, cpu time.Duration) error {
	spent, err := onRecord(f.record, t)
	if err != nil || spent >= cpu {
		return err
	}
	binary := filepath.Join(f.scratch, strings.ReplaceAll(t.pkg, "/", "_")+".test")
	if _, err := os.Stat(binary); err != nil {
		// -fuzz has the compiler count branches.
		build := exec.CommandContext(ctx, "go", "test", "-c", "-fuzz", ".", "-o", binary, t.pkg)
		build.Dir = f.root
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("building: %w\n%s", err, out)
		}
	}
	for starved := 0; spent < cpu && ctx.Err() == nil; {
		s, output, failure := f.run(ctx, t, binary)
		if err := addToRecord(f.record, t, s); err != nil {
			return err
		}
		spent += s.cpu
		fmt.Printf("%s: %d executions, %d of corpus, %s of %s CPU\n", t.name, s.executions, s.corpus, spent.Round(time.Second), cpu)
		switch {
		case failure == nil:
			starved = 0
		case starved < maxStarved && f.isStarved(t, binary, output):
			starved++
			fmt.Printf("%s: the machine is too busy for the fuzzer, going on\n", t.name)
		default:
			return failure
		}
	}
	return ctx.Err()
}

// slice is what one run of a target came to.
type slice struct {
	executions int64
	corpus     int
	cpu        time.Duration
}

// run runs a target for one slice of wall-clock time. An interrupt is passed
// on by the terminal, and ends the target in order.
func (f *fuzzer) run(ctx context.Context, t target, binary string) (s slice, output []byte, err error) {
	cmd := exec.Command(binary, "-test.run=^$", "-test.fuzz=^"+t.name+"$", "-test.fuzztime="+f.slice.String(),
		// Scripts are short as they are, and shortening them takes most of the
		// time when it is allowed to.
		"-test.fuzzminimizetime=10x",
		fmt.Sprintf("-test.parallel=%d", f.parallel),
		"-test.fuzzcachedir="+filepath.Join(f.cache, "fuzz", t.pkg))
	cmd.Dir = t.dir
	cmd.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", min(runtime.NumCPU(), f.parallel+1)))
	output, err = cmd.CombinedOutput()
	s = parseOutput(output)
	if cmd.ProcessState != nil {
		// Of the process and those it waited for: the workers.
		s.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	if err != nil && ctx.Err() == nil {
		return s, output, fmt.Errorf("%w\n%s", err, output)
	}
	return s, output, nil
}

var progress = regexp.MustCompile(`execs: (\d+) .*\(total: (\d+)\)`)

// parseOutput reads the last line of progress that the target printed.
func parseOutput(output []byte) (s slice) {
	matches := progress.FindAllSubmatch(output, -1)
	if len(matches) > 0 {
		last := matches[len(matches)-1]
		fmt.Sscan(string(last[1]), &s.executions)
		fmt.Sscan(string(last[2]), &s.corpus)
	}
	return s
}

var (
	failingInput = regexp.MustCompile(`Failing input written to (\S+)`)
	failingSeed  = regexp.MustCompile(`failure while testing seed corpus entry: \w+/(\S+)`)
	// errorOfFuzzer is of a run that ends without an input to blame.
	errorOfFuzzer = regexp.MustCompile(`(?m)^\s*(context deadline exceeded|communicating with fuzzing process: .*)$`)
)

// isStarved tells whether a run failed for want of a processor only: Go's
// fuzzer gives up on a worker that is silent for a second. Then it either
// names no input, or one that passes when it is tried alone; of what it wrote
// that is removed.
func (f *fuzzer) isStarved(t target, binary string, output []byte) bool {
	if seed := failingSeed.FindSubmatch(output); seed != nil {
		return passes(t, binary, string(seed[1]))
	}
	if input := failingInput.FindSubmatch(output); input != nil {
		path := string(input[1])
		return passes(t, binary, filepath.Base(path)) && os.Remove(filepath.Join(t.dir, path)) == nil
	}
	return errorOfFuzzer.Match(output)
}

// passes tries one input of a target.
func passes(t target, binary, input string) bool {
	cmd := exec.Command(binary, "-test.run=^"+t.name+"$/^"+regexp.QuoteMeta(input)+"$", "-test.timeout=5m")
	cmd.Dir = t.dir
	return cmd.Run() == nil
}
