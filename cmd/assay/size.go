package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/assay-dev/assay/native/qemuimg"
)

// units of a size, largest first. They are the binary ones: a disk is counted
// in those, and "10GB" would leave it open what is meant.
var units = []struct {
	name  string
	bytes int64
}{
	{"PiB", 1 << 50}, {"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1},
}

// parseSize reads a size such as "10GiB" or "1048576B". A unit is required: a
// number alone has meant bytes, sectors and megabytes in other tools.
func parseSize(text string) (int64, error) {
	for _, u := range units {
		digits, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 63)
		if err != nil {
			return 0, fmt.Errorf("size %q: %q is not a whole number", text, digits)
		}
		if int64(n) > math.MaxInt64/u.bytes {
			return 0, fmt.Errorf("size %q is too large", text)
		}
		return int64(n) * u.bytes, nil
	}
	return 0, fmt.Errorf("size %q needs a unit: B, KiB, MiB, GiB, TiB or PiB, as in 10GiB", text)
}

// sizeFlag is a size as a flag.
type sizeFlag int64

func (s *sizeFlag) Set(text string) error {
	n, err := parseSize(text)
	*s = sizeFlag(n)
	return err
}

func (s *sizeFlag) String() string {
	if *s == 0 {
		return ""
	}
	return humanSize(int64(*s))
}

func (s *sizeFlag) Type() string { return "SIZE" }

// sparseFlag is a size as a flag, of which 0 is one too, without a unit.
type sparseFlag struct{ bytes *int64 }

func (s *sparseFlag) Set(text string) error {
	var n int64
	if text != "0" {
		var err error
		if n, err = parseSize(text); err != nil {
			return err
		}
	}
	if n%512 != 0 || n > qemuimg.MaxSparseSize {
		return fmt.Errorf("size %q must be a multiple of 512 B, up to %s", text, humanSize(qemuimg.MaxSparseSize))
	}
	s.bytes = &n
	return nil
}

func (s *sparseFlag) String() string {
	if s.bytes == nil {
		return ""
	}
	return humanSize(*s.bytes)
}

func (s *sparseFlag) Type() string { return "SIZE" }

// humanSize gives a size in the largest unit that keeps at least one digit
// before the point: "1.5 GiB". Sizes that are whole in that unit have no
// point.
func humanSize(n int64) string {
	for _, u := range units {
		if n < u.bytes {
			continue
		}
		if n%u.bytes == 0 {
			return fmt.Sprintf("%d %s", n/u.bytes, u.name)
		}
		return fmt.Sprintf("%.1f %s", float64(n)/float64(u.bytes), u.name)
	}
	return fmt.Sprintf("%d B", n)
}

// exactSize is humanSize with the bytes behind it, unless they are the same.
func exactSize(n int64) string {
	if n < 1<<10 {
		return humanSize(n)
	}
	return fmt.Sprintf("%s (%d bytes)", humanSize(n), n)
}
