package engine

import (
	"context"

	"github.com/assay-dev/assay/native/qemuimg"
)

// Prepare begins to look for qemu-img, and returns at once: what Convert,
// Check, Compare and Resize do first of all, in an engine where none has done
// it yet, is then done beside the vetting of their image. bestEffort is what
// they will be called with. An error is theirs to return, as they look again.
// The function it returns gives the search up if it goes on, and waits for its
// end, which Close does too.
func (e *Engine) Prepare(ctx context.Context, bestEffort bool) (stop func()) {
	leave, err := e.admit()
	if err != nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer leave()
		_, _ = e.qemuImg(ctx, bestEffort)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// qemuImg returns the tool, found at the first call that needs it.
func (e *Engine) qemuImg(ctx context.Context, bestEffort bool) (*qemuimg.Tool, error) {
	e.toolMu.Lock()
	defer e.toolMu.Unlock()
	if t := e.tools[bestEffort]; t != nil {
		return t, nil
	}
	t, err := qemuimg.Find(ctx, qemuimg.Config{Path: e.config.qemuImg, BestEffort: bestEffort, Require: e.config.layers})
	if err == nil {
		e.tools[bestEffort] = t
	}
	return t, err
}
