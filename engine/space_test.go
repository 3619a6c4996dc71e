package engine_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/assay-dev/assay/engine"
)

// A volume has whole GiB, and a disk needs as many as it has begun.
func TestFitsVolume(t *testing.T) {
	for _, c := range []struct{ size, volume, needed int64 }{
		{0, 0, 0},
		{1, 0, 1},
		{1 << 30, 1, 1},
		{1<<30 + 1, 1, 2},
		{5<<30 - 1, 4, 5},
		{1 << 30, -1, 1},
		{math.MaxInt64, 1 << 32, 1 << 33},
		{math.MaxInt64, 1 << 33, 1 << 33},
	} {
		err := (&engine.Report{Source: "x", VirtualSize: c.size}).FitsVolume(c.volume)
		small, refused := errors.AsType[*engine.VolumeSizeError](err)
		if refused != (c.volume < c.needed) || refused == (err == nil) {
			t.Errorf("%d bytes into %d GiB: %v", c.size, c.volume, err)
		}
		if refused && (small.Needed() != c.needed || !strings.Contains(err.Error(), "GiB") || small.Hint() == "") {
			t.Errorf("%d bytes into %d GiB: %v", c.size, c.volume, err)
		}
	}
}
