package main

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Of runs that share a record, none loses what another one adds, and none finds
// half of it.
func TestRunsShareARecord(t *testing.T) {
	record := filepath.Join(t.TempDir(), "record.json")
	const runs, slices = 4, 25
	fuzzed := target{pkg: "github.com/assay-dev/assay/engine", name: "FuzzEscape"}
	var all sync.WaitGroup
	for range runs {
		all.Go(func() {
			for range slices {
				if err := addToRecord(record, fuzzed, slice{cpu: time.Second}); err != nil {
					t.Error(err)
				}
				if _, err := readRecord(record); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if cpu, err := onRecord(record, fuzzed); err != nil || cpu != runs*slices*time.Second {
		t.Errorf("%v on record, %v", cpu, err)
	}
	if left, err := os.ReadDir(filepath.Dir(record)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
