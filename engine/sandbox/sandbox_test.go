package sandbox

import (
	"bytes"
	"errors"
	"runtime"
	"testing"

	"github.com/assay-dev/assay/hostfuncs"
	wb "github.com/assay-dev/assay/internal/wasmbuild"
)

// engines are the two modes that decide for one of wazero's engines.
var engines = []Mode{ModeCompiler, ModeInterpreter}

// newSandbox opens a sandbox for the length of the test; it skips the test
// where there is no compiler to test.
func newSandbox(t testing.TB, config Config) *Sandbox {
	t.Helper()
	s, err := New(t.Context(), config)
	if errors.Is(err, errors.ErrUnsupported) && (runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64") {
		t.Skipf("wazero has no compiler here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// newModule loads a module that nobody has validated into a sandbox of its own.
func newModule(t testing.TB, mode Mode, m *wb.Module) *Module {
	t.Helper()
	module, err := newSandbox(t, Config{Mode: mode, CompileThirdParty: true}).Load(m.Bytes(), ThirdParty)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// image is bytes as an image.
type image struct{ *bytes.Reader }

func newImage(b []byte) image { return image{bytes.NewReader(b)} }

func (i image) Size() int64 { return i.Reader.Size() }

// header is the input of a run at header depth over content.
func header(content []byte) Input {
	return Input{Image: newImage(content), Head: content, Budget: hostfuncs.HeaderBudget()}
}

func TestNewRefusesUnknownMode(t *testing.T) {
	if _, err := New(t.Context(), Config{Mode: "fast"}); err == nil {
		t.Error("mode fast is accepted")
	}
}

func TestEngines(t *testing.T) {
	for _, c := range []struct {
		mode Mode
		used []bool
	}{{"", []bool{true, true}}, {ModeCompiler, []bool{true, false}}, {ModeInterpreter, []bool{false, true}}} {
		got := newSandbox(t, Config{Mode: c.mode}).Engines()
		if len(got) != 2 || got[0].Mode != ModeCompiler || got[1].Mode != ModeInterpreter {
			t.Fatalf("mode %q: %v", c.mode, got)
		}
		if got[0].Err != nil {
			t.Skipf("no compiler here: %v", got[0].Err)
		}
		for i, e := range got {
			if !e.Usable || e.Used != c.used[i] {
				t.Errorf("mode %q: %+v, want used %v", c.mode, e, c.used[i])
			}
		}
	}
}

// Close frees compiled code: it must wait for runs, and none may start after.
func TestClose(t *testing.T) {
	for _, mode := range engines {
		s, err := New(t.Context(), Config{Mode: mode})
		if err != nil {
			t.Skipf("no compiler here: %v", err)
		}
		blocked := &blockingImage{image: newImage(make([]byte, 512)), entered: make(chan struct{}), leave: make(chan struct{})}
		m, err := s.Load(wb.Probe(wb.I64Const, 0, wb.I32Const, 0, wb.I32Const, 8, wb.Call, wb.FuncReadAt).Bytes(), Shipped)
		if err != nil {
			t.Fatal(err)
		}
		ran, closed := make(chan error), make(chan error)
		go func() {
			var out Result
			err := m.Run(t.Context(), Input{Image: blocked, Budget: hostfuncs.HeaderBudget()}, &out)
			ran <- err
		}()
		<-blocked.entered
		go func() { closed <- s.Close(t.Context()) }()
		select {
		case <-closed:
			t.Error("closed during a run")
		default:
		}
		close(blocked.leave)
		if _, isProbe := errors.AsType[*ProbeError](<-ran); !isProbe { // it returns 8
			t.Errorf("%s: the run did not end as it should", mode)
		}
		if err := <-closed; err != nil {
			t.Errorf("%s: close: %v", mode, err)
		}
		var out Result
		if err := m.Run(t.Context(), header(nil), &out); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: run after close: %v", mode, err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Errorf("%s: second close: %v", mode, err)
		}
	}
}

// blockingImage blocks in ReadAt until it is let go.
type blockingImage struct {
	image
	entered, leave chan struct{}
}

func (i *blockingImage) ReadAt(p []byte, off int64) (int, error) {
	close(i.entered)
	<-i.leave
	return i.image.ReadAt(p, off)
}
