package main

import (
	"math"
	"testing"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0B": 0, "1048576B": 1 << 20, "1KiB": 1 << 10, "512MiB": 512 << 20, "10GiB": 10 << 30,
		"3TiB": 3 << 40, "1PiB": 1 << 50, "9223372036854775807B": math.MaxInt64,
	} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "10", "10G", "10GB", "10gib", "GiB", "B", "-1GiB", "+1GiB", "1.5GiB", "1 GiB", "0x10B", "1_0B",
		"8192PiB", "9223372036854775808B", "18446744073709551616B",
	} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q is %d, want an error", text, got)
		}
	}
}

func TestHumanSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1: "1 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 64 << 20: "64 MiB",
		64<<20 + 1: "64.0 MiB", 10 << 30: "10 GiB", math.MaxInt64: "8192.0 PiB",
	} {
		if got := humanSize(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}
