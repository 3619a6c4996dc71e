package hostfuncs

import (
	"math"
	"testing"
)

func TestBudgetMin(t *testing.T) {
	b := Budget{Fuel: 10, Reads: 10, ReadBytes: 10, ReportBytes: 10}
	for _, c := range []struct{ other, want Budget }{
		{Budget{}, b},
		{Budget{5, 5, 5, 5}, Budget{5, 5, 5, 5}},
		{Budget{20, 20, 20, 20}, b},
		{Budget{0, 5, 20, 10}, Budget{10, 5, 10, 10}},
	} {
		if got := b.Min(c.other); got != c.want {
			t.Errorf("min of %+v: %+v, want %+v", c.other, got, c.want)
		}
	}
}

func TestBudgetAdd(t *testing.T) {
	if got, want := (Budget{1, 2, 3, 4}).Add(Budget{10, 20, 30, 40}), (Budget{11, 22, 33, 44}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// A deep budget is never below that of a header run, grows with the metadata
// and stops at the ceiling.
func TestDeepBudget(t *testing.T) {
	if got := DeepBudget(0, 1<<30); got != HeaderBudget() {
		t.Errorf("without metadata: %+v", got)
	}
	if got := DeepBudget(-1, 1<<30); got != HeaderBudget() {
		t.Errorf("negative metadata: %+v", got)
	}
	last := HeaderBudget()
	for _, metadata := range []int64{4 << 10, 1 << 20, 64 << 20} {
		got := DeepBudget(metadata, 64<<20)
		if got.Min(last) != last || got == last {
			t.Errorf("%d of metadata: %+v is not more than %+v", metadata, got, last)
		}
		if walk := (Budget{15 * metadata, metadata / 4096, metadata, 1}); walk.Min(got) != walk {
			t.Errorf("%d of metadata: %+v does not cover a walk of %+v", metadata, got, walk)
		}
		last = got
	}
	if got := DeepBudget(math.MaxInt64, 64<<20); got != last {
		t.Errorf("above the ceiling: %+v, want %+v", got, last)
	}
}
