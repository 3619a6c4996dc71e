package sandbox

import (
	"runtime"
	"testing"
	"time"

	"github.com/assay-dev/assay/hostfuncs"
	wb "github.com/assay-dev/assay/internal/wasmbuild"
)

// keptRun runs a module until one of its instances is kept, and returns that,
// or nil. A pool may forget what it is given, and does in a race test.
func keptRun(t *testing.T, m *Module, in Input) *run {
	t.Helper()
	c, err := m.code(hostfuncs.DepthHeader, in.Budget)
	if err != nil {
		t.Fatal(err)
	}
	var out Result
	for range 50 {
		_ = m.Run(t.Context(), in, &out)
		if r, ok := c.kept.Get().(*run); ok {
			return r
		}
	}
	return nil
}

// Only shipped modules keep their instances, and only of runs that succeeded.
func TestInstancesAreKept(t *testing.T) {
	for _, mode := range engines {
		s := newSandbox(t, Config{Mode: mode, CompileThirdParty: true})
		for _, c := range []struct {
			name  string
			trust Trust
			last  any
			want  bool
		}{{"shipped", Shipped, wb.Nop, true}, {"third-party", ThirdParty, wb.Nop, false}, {"trap", Shipped, wb.Unreachable, false}} {
			m, err := s.Load(hashing(c.last).Bytes(), c.trust)
			if err != nil {
				t.Fatal(err)
			}
			r := keptRun(t, m, header(nil))
			if (r != nil) != c.want {
				t.Errorf("%s, %s: kept is %t, want %t", mode, c.name, r != nil, c.want)
			}
			if r != nil && r.module.IsClosed() {
				t.Errorf("%s, %s: the instance that is kept is closed", mode, c.name)
			}
			if r, ok := s.runs[1].Get().(*run); ok && r.module != nil {
				t.Errorf("%s, %s: a run without its module has an instance", mode, c.name)
			}
		}
	}
}

// What the garbage collector takes out of the pools is closed: wazero would
// hold it, and its memory, as long as the sandbox lives.
func TestForgottenInstancesAreClosed(t *testing.T) {
	for _, mode := range engines {
		m, err := newSandbox(t, Config{Mode: mode}).Load(hashing().Bytes(), Shipped)
		if err != nil {
			t.Fatal(err)
		}
		forgotten := keptRun(t, m, header(nil)).module
		for deadline := time.Now().Add(time.Minute); !forgotten.IsClosed(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: an instance that nobody can use is open", mode)
			}
			runtime.GC()
		}
	}
}
