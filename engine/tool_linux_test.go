package engine

import (
	"context"
	"errors"
	"os/exec"
	"testing"

	"github.com/assay-dev/assay/native/qemuimg"
)

// prepared returns what an engine has found when a preparation has ended.
func prepared(t *testing.T, e *Engine, ctx context.Context) *qemuimg.Tool {
	t.Helper()
	stop := e.Prepare(ctx, true)
	e.toolMu.Lock() // the search, if it has begun, has ended
	e.toolMu.Unlock()
	stop()
	return e.tools[true]
}

func TestPrepare(t *testing.T) {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Skip(err)
	}
	e, err := New(t.Context(), NewConfig())
	if err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if tool := prepared(t, e, cancelled); tool != nil {
		t.Errorf("found %v with a context that is done", tool)
	}
	// Nothing waits for a search that is given up, and it leaves no trace.
	e.Prepare(t.Context(), true)()
	var found *qemuimg.Tool
	for found == nil && t.Context().Err() == nil {
		found = prepared(t, e, t.Context())
	}
	if tool, err := e.qemuImg(t.Context(), true); tool != found || err != nil {
		t.Errorf("found %v and then %v, %v", found, tool, err)
	}
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.Prepare(t.Context(), true)()
	if _, err := e.Vet(t.Context(), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("error %v, want ErrClosed", err)
	}
}
