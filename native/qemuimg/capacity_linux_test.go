package qemuimg

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
)

// TestCapacity: what a target is said to hold, the real tool makes, and of a
// sector more it says no; where that is not so, it is said why.
func TestCapacity(t *testing.T) {
	tool := realTool(t)
	for _, c := range some([]struct {
		o            ConvertOptions
		limit        int64
		holds, fails bool // whether the tool is asked for the limit, and beyond
	}{
		{ConvertOptions{Target: TargetVHD}, 2040 << 30, true, true},
		{ConvertOptions{Target: TargetVHD, Subformat: "fixed"}, 2040 << 30, true, true},
		{ConvertOptions{Target: TargetVHDX}, 64 << 40, true, true},
		// It writes out the map of 2 GiB.
		{ConvertOptions{Target: TargetVDI}, 0x1fffff8000000, false, true},
		// It makes files that have no room for what they may come to hold.
		{ConvertOptions{Target: TargetVMDK}, 2 << 40, true, false},
		{ConvertOptions{Target: TargetQcow2, Options: settings{"cluster_size": "4096", "refcount_bits": "64"}}, 2 << 40, true, false},
		{ConvertOptions{Target: TargetQcow2}, 2 << 50, true, true},
		{ConvertOptions{Target: TargetQcow2, Options: settings{"cluster_size": "4k"}}, 8 << 40, true, true},
		{ConvertOptions{Target: TargetQcow2, Options: settings{"cluster_size": "16k", "extended_l2": "on"}}, 64 << 40, true, true},
		{ConvertOptions{Target: TargetQcow2, Options: settings{"cluster_size": "2M", "refcount_bits": "1"}}, 1 << 61, false, true},
	}) {
		t.Run(fmt.Sprint(c.o.Target, c.o.Subformat, c.o.Options), func(t *testing.T) {
			if err := c.o.CheckTarget(c.limit); err != nil {
				t.Error(err)
			}
			err := c.o.CheckTarget(c.limit + 1)
			tooLarge, ok := errors.AsType[*CapacityError](err)
			if !ok || tooLarge.Limit != c.limit || tooLarge.Size != c.limit+1 || !errors.Is(err, errors.ErrUnsupported) || tooLarge.Hint() == "" {
				t.Fatalf("got %v", err)
			}
			to, err := c.o.target(tool.Version())
			if err != nil {
				t.Fatal(err)
			}
			create := func(size int64) error {
				said, err := combined(tool.Path(), "create", "-q", "-f", to.driver, "-o", to.creation(&c.o), filepath.Join(t.TempDir(), "x"), fmt.Sprint(size))
				if err != nil {
					return fmt.Errorf("%w: %s", err, said)
				}
				return nil
			}
			if c.holds {
				if err := create(c.limit); err != nil {
					t.Error("at the limit: ", err)
				}
			}
			if c.fails && create(c.limit+sector) == nil {
				t.Error("the tool makes a larger one")
			}
		})
	}
	if err := (&ConvertOptions{Target: TargetRaw}).CheckTarget(1<<63 - 512); err != nil {
		t.Error(err)
	}
}
