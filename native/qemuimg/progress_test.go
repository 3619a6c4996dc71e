package qemuimg

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestProgress(t *testing.T) {
	for _, c := range []struct {
		printed string
		want    []int64
	}{
		{"", nil},
		{"    (0.00/100%)\r    (25.00/100%)\r    (100.00/100%)\r    (100.00/100%)\n", []int64{0, 250, 1000}},
		{"    (33.33/100%)\r", []int64{333}},
		{"(50.00/100%)", nil}, // no end yet
		{"(50.00/100%)\r(25.00/100%)\r", []int64{500}},
		{"(101/100%)\r(-1/100%)\r(NaN/100%)\r(Inf/100%)\r(/100%)\r(x/100%)\r", nil},
		{strings.Repeat("x", 1000) + "(50.00/100%)\r(75.00/100%)\r", []int64{750}},
		{"warning\n(10.00/100%)\r", []int64{100}},
	} {
		// Whole, and one byte at a time.
		for _, size := range []int{max(1, len(c.printed)), 1} {
			var got []int64
			consume := reportProgress(func(done, total int64) {
				if total != 1000 {
					t.Errorf("total %d", total)
				}
				got = append(got, done)
			}, 1000)
			for piece := range slices.Chunk([]byte(c.printed), size) {
				consume(piece)
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%q by %d: %v, want %v", c.printed, size, got, c.want)
			}
		}
	}
	if reportProgress(nil, 1) != nil {
		t.Error("somebody listens to nothing")
	}
}
