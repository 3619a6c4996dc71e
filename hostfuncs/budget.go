package hostfuncs

import "fmt"

// Budget is what one run of a probe may spend. Every field must be positive.
type Budget struct {
	Fuel        int64 `json:"fuel"`         // weighted instructions
	Reads       int64 `json:"reads"`        // calls of read_at
	ReadBytes   int64 `json:"read_bytes"`   // bytes asked of read_at and put into the window
	ReportBytes int64 `json:"report_bytes"` // bytes passed to report
}

// Spent is what one run spent, in the units of Budget.
type Spent = Budget

// HeaderBudget returns the budget of a run at DepthHeader: 4 M weighted fuel,
// 256 reads, 1 MiB read, 64 KiB reported.
func HeaderBudget() Budget {
	return Budget{Fuel: 4_000_000, Reads: 256, ReadBytes: 1 << 20, ReportBytes: 64 << 10}
}

// DeepBudget returns the budget of a run at DepthDeep for an image whose
// mapping tables can take up to metadata bytes, bounded by ceiling bytes of
// metadata. Both must not be negative.
//
// Walks cost up to 47 units of fuel a byte read, most where tables are
// smallest, and read one table at a time, the smallest of which has 512 bytes;
// the budget allows at least four times that (TestDeepBudgetSuffices,
// TestDeepBudgetSufficesForMappedImages).
func DeepBudget(metadata, ceiling int64) Budget {
	m := max(0, min(metadata, ceiling))
	b := HeaderBudget()
	b.Fuel += 256 * m
	b.Reads += m / 128
	b.ReadBytes += 4 * m
	return b
}

// Min returns the smaller of each field of b and o; a zero field of o leaves
// b's as it is.
func (b Budget) Min(o Budget) Budget {
	low := func(x, y int64) int64 {
		if y > 0 && y < x {
			return y
		}
		return x
	}
	return Budget{
		Fuel: low(b.Fuel, o.Fuel), Reads: low(b.Reads, o.Reads),
		ReadBytes: low(b.ReadBytes, o.ReadBytes), ReportBytes: low(b.ReportBytes, o.ReportBytes),
	}
}

// Add returns the sum of each field: what two runs spent together.
func (b Budget) Add(o Budget) Budget {
	return Budget{b.Fuel + o.Fuel, b.Reads + o.Reads, b.ReadBytes + o.ReadBytes, b.ReportBytes + o.ReportBytes}
}

// Resource names one field of a Budget in errors.
type Resource string

// The resources a run can exhaust.
const (
	ResourceFuel   Resource = "fuel"
	ResourceReads  Resource = "reads"
	ResourceBytes  Resource = "read_bytes"
	ResourceReport Resource = "report_bytes"
)

// BudgetError says that a run tried to spend more than its budget.
type BudgetError struct {
	Resource Resource
	Limit    int64
}

// Error implements error.
func (e *BudgetError) Error() string {
	return fmt.Sprintf("%s budget of %d exhausted", e.Resource, e.Limit)
}
