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
		{512 << 20, 1 << 30, 2 * time.Second, "512 MiB of 1 GiB, 50%, 256 MiB/s"},
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
			"assay: 5 MiB of 12 MiB, 41%, 1 MiB/s\n" +
			"assay: 10 MiB of 12 MiB, 83%, 1 MiB/s\n"
		if out.String() != want {
			t.Errorf("got:\n%swant:\n%s", out.String(), want)
		}
	})
}
