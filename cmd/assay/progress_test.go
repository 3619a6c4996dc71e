package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestProgressLine(t *testing.T) {
	for _, c := range []struct {
		done, total int64
		elapsed     time.Duration
		want        string
	}{
		{0, 1 << 30, 0, "0 B of 1 GiB, 0%"},
		{512 << 20, 1 << 30, 2 * time.Second, "512 MiB of 1 GiB, 50%, 256 MiB/s, 2s left"},
		{1 << 30, 1 << 30, 2 * time.Second, "1 GiB of 1 GiB, 100%, 512 MiB/s"},
		{0, 1 << 30, 2 * time.Second, "0 B of 1 GiB, 0%, 0 B/s"},
		{1 << 62, 1 << 62, 0, "4096 PiB of 4096 PiB, 100%"},
		{10 << 20, 0, time.Second, "10 MiB, 10 MiB/s"},
	} {
		if got := progressLine(c.done, c.total, c.elapsed); got != c.want {
			t.Errorf("%d of %d in %v: %q, want %q", c.done, c.total, c.elapsed, got, c.want)
		}
	}
}

func TestProgressIsQuietInAPipe(t *testing.T) {
	var out strings.Builder
	if p := newProgress("auto", &out); p != nil {
		t.Error("auto shows progress where there is no terminal")
	}
	if p := newProgress("none", &out); p != nil {
		t.Error("none shows progress")
	}
	// finish is deferred also when nothing is shown.
	newProgress("none", &out).finish()
}

func TestPlainProgressIsALineNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		p := newProgress("plain", &out)
		for second := range 12 {
			p.update(int64(second)<<20, 12<<20)
			time.Sleep(time.Second)
		}
		p.finish()
		want := "assay: 0 B of 12 MiB, 0%\n" +
			"assay: 5 MiB of 12 MiB, 41%, 1 MiB/s, 7s left\n" +
			"assay: 10 MiB of 12 MiB, 83%, 1 MiB/s, 2s left\n"
		if out.String() != want {
			t.Errorf("got:\n%swant:\n%s", out.String(), want)
		}
	})
}

func TestTimeLeft(t *testing.T) {
	for seconds, want := range map[float64]string{
		0.2: "1s", 59: "59s", 59.5: "1m0s", 61: "1m1s", 3599: "59m59s", 3600: "1h0m", 86399: "23h59m",
		90000: "1d1h", 1e9: "over 99d", 1e300: "over 99d",
	} {
		if got := timeLeft(seconds); got != want {
			t.Errorf("%g s: %q, want %q", seconds, got, want)
		}
	}
}

// The bar is as long for each share; a line that would wrap goes without.
func TestProgressBarFits(t *testing.T) {
	for _, c := range []struct {
		done, total int64
		full        int
	}{{0, 10, 0}, {5, 10, 12}, {10, 10, 24}, {11, 10, 24}, {-1, 10, 0}} {
		bar := progressBar(c.done, c.total)
		if len(bar) != 24+3 || strings.Count(bar, "#") != c.full {
			t.Errorf("%d of %d: %q", c.done, c.total, bar)
		}
	}
	if bar := progressBar(5, 0); bar != "" {
		t.Errorf("of nothing: %q", bar)
	}
	for columns, want := range map[int]string{9: "[#] line", 8: "line", 5: "line", 4: "lin", 1: "", 0: ""} {
		if got := fit("[#] ", "line", columns); got != want {
			t.Errorf("%d columns: %q, want %q", columns, got, want)
		}
	}
}
