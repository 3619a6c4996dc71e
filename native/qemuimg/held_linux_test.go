package qemuimg

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/assay-dev/assay/native/throttle"
)

func heldJob(t *testing.T, rate int64) *throttle.Job {
	t.Helper()
	limit, err := throttle.New(rate)
	if err != nil {
		t.Fatal(err)
	}
	job := throttle.NewJob(limit)
	t.Cleanup(job.Done)
	return job
}

// A tool that is ended while it is kept waiting is not waited for.
func TestHeldToolIsEnded(t *testing.T) {
	tool := realTool(t)
	limits := QuickLimits()
	limits.Deadline = 200 * time.Millisecond
	job := heldJob(t, 1)
	_, err := tool.Convert(t.Context(), accepted(t, open(t, newImage(t, "-f", "qcow2"), os.O_RDONLY), "qcow2", diskSize), newOutput(t), ConvertOptions{
		Target: TargetRaw, Limits: &limits, Throttle: job,
	})
	if failed, ok := errors.AsType[*ToolError](err); !ok || failed.Limit != LimitDeadline {
		t.Errorf("error %v", err)
	}
	if job.Waiting() {
		t.Error("something still waits")
	}
}

// What is kept waiting has no deadline, as long as it gets somewhere when it is
// not; limits that were asked for hold.
func TestCheckLimits(t *testing.T) {
	quick, other := QuickLimits(), Limits{CPU: 1, AddressSpace: 2, Deadline: 3}
	job := heldJob(t, 1)
	patient := quick
	patient.Deadline, patient.NoProgress = 0, quick.Deadline
	for _, c := range []struct {
		o    CheckOptions
		want Limits
	}{
		{CheckOptions{}, quick}, {CheckOptions{Throttle: job}, patient},
		{CheckOptions{Limits: &other}, other}, {CheckOptions{Limits: &other, Throttle: job}, other},
	} {
		if got := c.o.limits(); got != c.want {
			t.Errorf("%+v: %+v, want %+v", c.o, got, c.want)
		}
	}
}
