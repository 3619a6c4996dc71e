package qemuimg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/assay-dev/assay/native/confine"
	"github.com/assay-dev/assay/native/throttle"
)

// A RateLimitError says that a rate cannot be held, as qemu-img reads the file
// of a source itself. It matches errors.ErrUnsupported.
type RateLimitError struct {
	HandOff string // HandOffLease or HandOffDescriptor
}

// Error implements error.
func (e *RateLimitError) Error() string {
	return fmt.Sprintf("a rate limit cannot be held with hand-off %s: qemu-img reads the file itself", e.HandOff)
}

// Hint says what to do about it.
func (e *RateLimitError) Hint() string {
	return "have the source served (hand-off nbd; qemu-img needs its nbd driver), or ask for no rate limit"
}

// Is reports whether target is errors.ErrUnsupported.
func (e *RateLimitError) Is(target error) bool { return target == errors.ErrUnsupported }

// A held job is held back by its sources: before a part of one is served,
// there is room for it and for what the tool has written since.
type held struct {
	job     *throttle.Job
	counter *confine.Counter // of what the tool writes; nil when it writes nothing that counts
	// rates are what a control group holds the tool to besides, as one that was
	// taken over can write without reading: looser, as two that hold to the
	// same rate one after the other come to less (BenchmarkRateLimit).
	rates []confine.DeviceRate

	mu   sync.Mutex
	told int64 // bytes written, that the job was told of
}

// holding returns what holds a job back, nil for no job, and the ways to hand
// over its sources, as HandOffs: of a job that is held, one that can be.
func (t *Tool) holding(job *throttle.Job, wanted string) (*held, []string, error) {
	if job == nil {
		ways, err := t.HandOffs(wanted)
		return nil, ways, err
	}
	if err := t.CanHold(wanted); err != nil {
		return nil, nil, err
	}
	return &held{job: job}, []string{HandOffNBD}, nil
}

// looser is how many times the rate a control group allows.
const looser = 2

// writes names the file that the tool is to write to.
func (h *held) writes(output *os.File) {
	h.job.Destination(output)
	h.counter = &confine.Counter{}
	if device, known := throttle.DeviceOf(output); known {
		h.rates = []confine.DeviceRate{{Device: device, BytesPerSecond: looser * h.job.Rate()}}
	}
}

// wait waits before n bytes of a source are served.
func (h *held) wait(ctx context.Context, source *throttle.Source, n int64) error {
	h.tell()
	return source.Wait(ctx, n)
}

// tell tells the job what the tool has written.
func (h *held) tell() {
	if h.counter == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	written, _ := h.counter.Written() // where it is not known, it is 0
	h.job.Wrote(written - h.told)
	h.told = written
}

// waiting tells whether the tool is kept waiting.
func (h *held) waiting() bool { return h.job.Waiting() }

// counted tells whether it was known what the tool wrote.
func (h *held) counted() bool {
	if h == nil || h.counter == nil {
		return false
	}
	_, known := h.counter.Written()
	return known
}
