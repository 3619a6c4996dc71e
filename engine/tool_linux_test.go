package engine

import (
	"context"
	"errors"
	"os/exec"
	"testing"
	"time"

	"github.com/assay-dev/assay/native/qemuimg"
)

func TestPrepare(t *testing.T) {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Skip(err)
	}
	e, err := New(t.Context(), NewConfig())
	if err != nil {
		t.Fatal(err)
	}
	found := func() *qemuimg.Tool {
		e.toolMu.Lock()
		defer e.toolMu.Unlock()
		return e.tools[true]
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if e.Prepare(cancelled, true)(); found() != nil {
		t.Error("found with a context that is done")
	}
	stop := e.Prepare(t.Context(), true)
	for waited := 0; found() == nil; waited++ {
		if waited == 60_000 {
			t.Fatal("nothing found")
		}
		time.Sleep(time.Millisecond)
	}
	stop()
	if tool, err := e.qemuImg(t.Context(), true); tool != found() || err != nil {
		t.Errorf("found again: %v", err)
	}
	e.Prepare(t.Context(), true) // Close waits for it
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.Prepare(t.Context(), true)()
	if _, err := e.Vet(t.Context(), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("error %v, want ErrClosed", err)
	}
}
