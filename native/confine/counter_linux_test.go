package confine

import (
	"testing"
	"time"
)

// What a process wrote is known while it runs, to its last byte when it has
// ended, and by its account alone.
func TestCounter(t *testing.T) {
	needTool(t, allLayers()...)
	const line = 64 // is written at a time, and is counted when it was
	const size = 1<<20 + int64(len("ok\n"))
	s := spec("say=1048576")
	s.Counter = &Counter{}
	if n, known := s.Counter.Written(); n != 0 || known {
		t.Errorf("before it runs: %d, known %v", n, known)
	}
	if _, err := Run(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if n, known := s.Counter.Written(); !known || n != size {
		t.Errorf("it wrote %d, known %v", n, known)
	}
	s.Counter = &Counter{}
	heard := int64(0)
	s.Output = func(p []byte) {
		heard += int64(len(p))
		if n, known := s.Counter.Written(); !known || n+line < heard {
			t.Errorf("of %d bytes heard of, it wrote %d, known %v", heard, n, known)
		}
	}
	if _, err := Run(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if heard != size {
		t.Errorf("heard of %d bytes", heard)
	}
}

// A process that the host keeps waiting is not ended for it; once it is not
// kept waiting any more, its time begins.
func TestHeldIsNoStall(t *testing.T) {
	needTool(t, allLayers()...)
	s := spec("sleep=1h")
	s.Deadline, s.Watchdog = 0, 80*time.Millisecond // a look every 10 ms
	looks := 0
	s.Held = func() bool { looks++; return looks <= 30 }
	r, err := Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if r.Limit != LimitNoProgress || looks < 31 {
		t.Errorf("ended by %q after %d looks", r.Limit, looks)
	}
}
