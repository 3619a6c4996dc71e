package engine_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/native/qemuimg"
	"github.com/assay-dev/assay/native/throttle"
)

// sparseDisk makes a raw disk of which this many bytes are data, and the rest
// holes.
func sparseDisk(t *testing.T, dir string, data int64) string {
	t.Helper()
	path := filepath.Join(dir, "disk")
	if err := os.WriteFile(path, randomDisk(int(data)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 10*data); err != nil {
		t.Fatal(err)
	}
	return path
}

// The result tells the rate, and what was counted: each byte of data that is
// read and written, and no hole. Without a rate it tells nothing.
func TestRateLimitCounts(t *testing.T) {
	needTools(t)
	const data, rate = 3 << 20, 1 << 40
	dir := quickDir(t)
	raw, qcow2 := sparseDisk(t, dir, data), filepath.Join(dir, "qcow2")
	tool(t, "qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, qcow2)
	eng := newEngine(t, engine.NewConfig())
	images := map[string]*engine.Image{
		"raw": vet(t, eng, open(t, raw), engine.Claim("raw")), "qcow2": vet(t, eng, open(t, qcow2)),
	}
	for _, c := range []struct {
		from, to engine.Format
		handOff  string
		overhead int64 // tables, and what was inspected of holes
	}{
		{"raw", "raw", "", 64 << 10}, {"raw", "raw", engine.HandOffNBD, 64 << 10},
		{"raw", "qcow2", "", 1 << 20}, {"qcow2", "raw", "", 1 << 20},
	} {
		name := string(c.from + " to " + c.to + " " + engine.Format(c.handOff))
		o := engine.ConvertOptions{To: c.to, HandOff: c.handOff, Overwrite: true}
		dst := engine.ToFile(filepath.Join(dir, "dst"))
		result, err := eng.Convert(t.Context(), images[string(c.from)], dst, o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if result.RateLimit != nil {
			t.Errorf("%s: without a rate: %+v", name, result.RateLimit)
		}
		o.RateLimit = rate
		if result, err = eng.Convert(t.Context(), images[string(c.from)], dst, o); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		limit := result.RateLimit
		if limit == nil || limit.Written == nil || limit.BytesPerSecond != rate {
			t.Fatalf("%s: %+v", name, limit)
		}
		for what, n := range map[string]int64{"read": limit.Read, "written": *limit.Written} {
			if n < data || n > data+c.overhead {
				t.Errorf("%s: %s %d bytes", name, what, n)
			}
		}
		if c.to == "raw" && !bytes.Equal(readFile(t, filepath.Join(dir, "dst")), readFile(t, raw)) {
			t.Errorf("%s: another disk", name)
		}
	}
	checked, err := eng.Check(t.Context(), images["qcow2"], engine.CheckOptions{RateLimit: rate})
	if err != nil {
		t.Fatal(err)
	}
	compared, err := eng.Compare(t.Context(), images["qcow2"], images["raw"], engine.CompareOptions{RateLimit: rate})
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		limit       *engine.RateLimit
		least, most int64
	}{
		"check": {checked.RateLimit, 4096, 1 << 20}, "compare": {compared.RateLimit, 2 * data, 2*data + 1<<20},
	} {
		if l := c.limit; l == nil || l.BytesPerSecond != rate || l.Written != nil || l.Read < c.least || l.Read > c.most {
			t.Errorf("%s: %+v", what, l)
		}
	}
}

// A rate of its own, of the engine, or of several engines holds a job back,
// whoever does the work; the context ends it, and nothing is left.
func TestRateLimitHolds(t *testing.T) {
	needTools(t)
	dir := quickDir(t)
	raw := sparseDisk(t, dir, 1<<20)
	slow, err := throttle.New(1)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		config *engine.Config
		rate   int64
	}{
		"job":     {engine.NewConfig(), 1},
		"engine":  {engine.NewConfig().WithRateLimit(1), 1 << 40},
		"engines": {engine.NewConfig().WithThrottle(slow), 0},
	} {
		for _, to := range []engine.Format{"raw", "qcow2"} {
			t.Run(name+" to "+string(to), func(t *testing.T) {
				eng := newEngine(t, c.config)
				image := vet(t, eng, open(t, raw), engine.Claim("raw"))
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				defer cancel()
				dst := filepath.Join(dir, "dst")
				_, err := eng.Convert(ctx, image, engine.ToFile(dst), engine.ConvertOptions{To: to, RateLimit: c.rate})
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v", err)
				}
				if _, err := os.Stat(dst); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("left behind: %v", err)
				}
			})
		}
	}
}

// A rate that cannot be held is an error, before a device has lost anything;
// so is one that is none.
func TestRateLimitRefused(t *testing.T) {
	needTools(t)
	dir := quickDir(t)
	raw := sparseDisk(t, dir, 1<<20)
	eng := newEngine(t, engine.NewConfig())
	image := vet(t, eng, open(t, raw), engine.Claim("raw"))
	o := engine.ConvertOptions{To: "raw", HandOff: engine.HandOffDescriptor, RateLimit: 1 << 20}
	t.Run("device", func(t *testing.T) {
		device := loopDevice(t, 10<<20, "512")
		_, err := eng.Convert(t.Context(), image, engine.ToDevice(device), o)
		if !isError[*qemuimg.RateLimitError](err) || !errors.Is(err, engine.ErrNotSupported) {
			t.Errorf("convert: %v", err)
		}
		if data := readFile(t, device); !bytes.Equal(data, bytes.Repeat([]byte{0xff}, 10<<20)) {
			t.Error("the device was written to")
		}
	})
	_, err := eng.Compare(t.Context(), image, image, engine.CompareOptions{HandOff: engine.HandOffDescriptor, RateLimit: 1 << 20})
	if !isError[*qemuimg.RateLimitError](err) {
		t.Errorf("compare: %v", err)
	}
	o.RateLimit = -1
	if _, err := eng.Convert(t.Context(), image, engine.ToFile(filepath.Join(dir, "dst")), o); err == nil || isError[*qemuimg.RateLimitError](err) {
		t.Errorf("a rate below 0: %v", err)
	}
	if eng, err := engine.New(t.Context(), engine.NewConfig().WithRateLimit(-1)); err == nil {
		eng.Close(t.Context())
		t.Error("an engine with a rate below 0")
	}
}
