package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/engine/sandbox"
	"github.com/assay-dev/assay/testdata/images"
)

// A subject is an image that is inspected, and accepted, again and again.
type subject struct {
	images.Case
	eng  *engine.Engine
	path string
	file *os.File
}

// inspections tells, of each format, which accepted image takes longest, and
// compares its inspection, in a process that has run for a while, with the
// parser of the format without a sandbox and with a process of qemu-img.
func (c *comparison) inspections() error {
	eng, err := engine.New(c.ctx, engine.NewConfig().WithSandbox(sandbox.Config{Mode: sandbox.ModeCompiler}))
	if err != nil {
		return err
	}
	defer eng.Close(c.ctx)
	fmt.Fprintln(&c.table, "Inspection of the slowest accepted image of each format, with every probe on board; the median inspection and the mean, which the garbage collector adds to; memory allocated by Inspect and by Vet, in KiB.")
	fmt.Fprintln(&c.table)
	fmt.Fprintln(&c.table, "| format | image | Assay | mean | Inspect | Vet | the probe's parser, natively | `qemu-img info` | Assay / it |")
	fmt.Fprintln(&c.table, "|---|---|---|---|---|---|---|---|---|")
	slowest, err := c.slowest(eng)
	if err != nil {
		return err
	}
	for _, s := range slowest {
		err := c.inspection(s)
		s.file.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	return nil
}

// slowest returns, in the order of formats, the accepted image of each that
// takes longest to inspect.
func (c *comparison) slowest(eng *engine.Engine) ([]*subject, error) {
	type timed struct {
		s *subject
		d time.Duration
	}
	worst := map[string]timed{}
	for _, image := range images.All() {
		if !image.WantAccepted {
			continue
		}
		path, err := c.file(image.Name+".img", image.Build())
		if err != nil {
			return nil, err
		}
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		s := &subject{image, eng, path, f}
		d, _, err := s.time(100)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", image.Name, err)
		}
		before := worst[image.WantFormat]
		if d <= before.d {
			f.Close()
			continue
		}
		if before.s != nil {
			before.s.file.Close()
		}
		worst[image.WantFormat] = timed{s, d}
	}
	var all []*subject
	for _, w := range worst {
		all = append(all, w.s)
	}
	slices.SortFunc(all, func(a, b *subject) int { return cmp.Compare(a.WantFormat, b.WantFormat) })
	return all, nil
}

// inspection adds the row of one image.
func (c *comparison) inspection(s *subject) error {
	var means []time.Duration
	inspect := func() (time.Duration, error) {
		median, mean, err := s.time(1000)
		means = append(means, mean)
		return median, err
	}
	inspected, err := allocated(func() error { return s.inspect(c.ctx) })
	if err != nil {
		return err
	}
	vetted, err := allocated(func() error { return s.vet(c.ctx) })
	if err != nil {
		return err
	}
	native := ""
	if c.native != "" && s.WantFormat != string(engine.Raw) {
		p, err := interleave(c.runs, inspect, c.nativeParser(s.WantFormat, s.path))
		if err != nil {
			return err
		}
		native = short(p.b)
	}
	report, err := s.report(c.ctx)
	if err != nil {
		return err
	}
	info, beside := c.info(report.QemuDriver, s.path)
	p, err := interleave(c.runs, inspect, info)
	if err != nil {
		return err
	}
	if info != nil {
		beside = fmt.Sprintf("%s | %.2g [%.2g, %.2g]", short(p.b), p.ratio, p.low, p.high)
	}
	slices.Sort(means)
	fmt.Fprintf(&c.table, "| %s | %s | %s | %s | %.1f | %.1f | %s | %s |\n", s.WantFormat, s.Name,
		short(p.a), short(means[len(means)/2]), inspected/1024, vetted/1024, native, beside)
	return nil
}

// info is a measure of qemu-img's look at an image, or nil and what stands in
// its place: it refuses what it has no secret for.
func (c *comparison) info(driver, path string) (measure, string) {
	if !c.has("qemu-img") {
		return nil, "|"
	}
	info := c.program("qemu-img", "info", "-f", driver, path)
	if _, err := info(); err != nil {
		return nil, "refused |"
	}
	return info, ""
}

func (s *subject) inspect(ctx context.Context) error {
	_, err := s.report(ctx)
	return err
}

// report inspects the image, which must be accepted.
func (s *subject) report(ctx context.Context) (*engine.Report, error) {
	report, err := s.eng.Inspect(ctx, engine.File(s.file), engine.Claim(engine.Format(s.Claim)))
	if err == nil && !report.Accepted {
		err = errors.New("not accepted")
	}
	return report, err
}

// vet is an inspection at full depth, down to an image ready to convert.
func (s *subject) vet(ctx context.Context) error {
	image, err := s.eng.Vet(ctx, engine.File(s.file), engine.Claim(engine.Format(s.Claim)))
	if err != nil {
		return err
	}
	return image.Close()
}

// time returns the median of some inspections and their mean, after a quarter as
// many that do not count: a process that ran in between has left nothing of ours
// in the processor's caches. The mean has its share of garbage collections, of
// which a program with a heap as small as this one's makes one for each 3 MiB.
func (s *subject) time(times int) (median, mean time.Duration, err error) {
	all := make([]time.Duration, times+times/4)
	var total time.Duration
	for i := range all {
		start := time.Now()
		if err := s.inspect(context.Background()); err != nil {
			return 0, 0, err
		}
		all[i] = time.Since(start)
	}
	all = all[times/4:]
	for _, d := range all {
		total += d
	}
	slices.Sort(all)
	return all[times/2], total / time.Duration(times), nil
}

// allocated returns the bytes that one call of f allocates when it has been
// called before.
func allocated(f func() error) (float64, error) {
	const times = 200
	if err := f(); err != nil {
		return 0, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range times {
		if err := f(); err != nil {
			return 0, err
		}
	}
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc-before.TotalAlloc) / times, nil
}

// nativeParser asks the native program how long one run of a probe takes: it
// prints nanoseconds.
func (c *comparison) nativeParser(probe, path string) measure {
	return func() (time.Duration, error) {
		out, err := c.output(c.native, probe, path, "2000")
		if err != nil {
			return 0, err
		}
		ns, err := strconv.ParseFloat(strings.TrimSpace(out), 64)
		return max(1, time.Duration(ns)), err
	}
}
