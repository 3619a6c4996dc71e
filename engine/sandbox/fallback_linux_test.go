package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/assay-dev/assay/hostfuncs"
	wb "github.com/assay-dev/assay/internal/wasmbuild"
)

const noExecEnv = "ASSAY_TEST_NO_EXECUTABLE_MEMORY"

// Where executable memory is refused, as under systemd's
// MemoryDenyWriteExecute, the automatic mode falls back to the interpreter
// with equal results, and the compiler is an error that says so. The refusal
// is for good, so it is done to a process of its own.
func TestFallbackWithoutExecutableMemory(t *testing.T) {
	if os.Getenv(noExecEnv) != "" {
		refusedExecutableMemory(t)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), noExecEnv+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if strings.Contains(string(out), "--- SKIP") {
		t.Skipf("%s", out)
	}
	m := newModule(t, ModeCompiler, fallbackProbe())
	if want := fallbackResult(t, m); !strings.Contains(string(out), want) {
		t.Errorf("the result of the process without executable memory is not %q:\n%s", want, out)
	}
}

// fallbackProbe spends enough for the automatic mode to want the compiler.
func fallbackProbe() *wb.Module { return wb.Probe(countTo(200_000), wb.I32Const, 1) }

func fallbackResult(t *testing.T, m *Module) string {
	t.Helper()
	var out Result
	for range 2 {
		if err := m.Run(t.Context(), header(nil), &out); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf("result: outcome %d, spent %+v", out.Outcome, out.Spent)
}

func refusedExecutableMemory(t *testing.T) {
	err := unix.Prctl(unix.PR_SET_MDWE, unix.PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)
	if errors.Is(err, unix.EINVAL) {
		// Linux before 6.3; CI has a newer one.
		if os.Getenv("CI") != "" {
			t.Fatal("the kernel cannot refuse executable memory")
		}
		t.Skip("the kernel cannot refuse executable memory (PR_SET_MDWE)")
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(t.Context(), Config{Mode: ModeCompiler}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("compiler mode: %v, want an error that wraps errors.ErrUnsupported", err)
	}
	m := newModule(t, ModeAuto, fallbackProbe())
	fmt.Println(fallbackResult(t, m))
	if !m.worthCompiling(hostfuncs.DepthHeader, hostfuncs.HeaderBudget()) {
		t.Error("the compiler was never wanted: the test shows nothing")
	}
	engines := m.sandbox.Engines()
	if engines[0].Usable || engines[0].Used || engines[0].Err == nil || !engines[1].Usable || !engines[1].Used {
		t.Errorf("engines: %+v", engines)
	}
	// A Sandbox that was refused is of no less use than one that never asked.
	other := newModule(t, ModeInterpreter, fallbackProbe())
	if a, b := fallbackResult(t, m), fallbackResult(t, other); !reflect.DeepEqual(a, b) {
		t.Errorf("%s, interpreter %s", a, b)
	}
}
