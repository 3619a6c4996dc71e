package confine

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// toolPath is the confined program of the tests: testdata/tool, built
// statically, in a folder that any user can enter.
var toolPath string

// Environment variables of the test binary run again.
const (
	toolVariable  = "ASSAY_TEST_TOOL"  // the tool, built already
	againVariable = "ASSAY_TEST_AGAIN" // the test is part of another one
	hostVariable  = "ASSAY_TEST_HOST"  // be a host that starts the tool with these arguments
)

func TestMain(m *testing.M) {
	flag.Parse()
	if toolPath = os.Getenv(toolVariable); toolPath != "" {
		if args := os.Getenv(hostVariable); args != "" {
			beHost(strings.Split(args, " "))
		}
		os.Exit(m.Run())
	}
	os.Exit(withTool(m))
}

func withTool(m *testing.M) int {
	dir, err := os.MkdirTemp("", "confine-test-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "tool"), "./testdata/tool")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	switch out, err := build.CombinedOutput(); {
	case err == nil:
		toolPath = filepath.Join(dir, "tool")
	case errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") == "":
		// needTool skips.
	default:
		fmt.Fprintf(os.Stderr, "build the test tool: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// beHost runs the tool, with its output passed on as it comes.
func beHost(args []string) {
	s := spec(args...)
	s.Output = func(b []byte) { os.Stdout.Write(b) }
	_, err := Run(context.Background(), s)
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// spec describes the tool, with limits that a Go program fits in.
func spec(args ...string) Spec {
	return Spec{
		Path: toolPath, Args: args, Env: []string{"LC_ALL=C"},
		Limits:   Limits{CPU: 20 * time.Second, AddressSpace: 4 << 30, FileSize: 1 << 20, OpenFiles: 64},
		Deadline: time.Minute,
	}
}

// needTool skips the test where the tool could not be built, or this host
// cannot give the layers.
func needTool(t *testing.T, layers ...string) {
	t.Helper()
	if toolPath == "" {
		t.Skip("no go command to build the test tool with")
	}
	for _, layer := range Layers() {
		if slices.Contains(layers, layer.Name) && !layer.Available {
			if os.Getenv("CI") != "" && !layer.Optional {
				t.Fatalf("layer %s: %s", layer.Name, layer.Why)
			}
			t.Skipf("layer %s: %s", layer.Name, layer.Why)
		}
	}
}

// allLayers are those that a run must have on this host.
func allLayers() []string {
	var all []string
	for _, l := range Layers() {
		if l.Available || !l.Optional {
			all = append(all, l.Name)
		}
	}
	return all
}

// without returns the layers but one.
func without(layers []string, layer string) []string {
	return slices.DeleteFunc(slices.Clone(layers), func(l string) bool { return l == layer })
}

// answers runs the tool under these layers and returns what it says of each
// action: "ok", an errno, or what it found.
func answers(t *testing.T, s Spec, layers []string) []string {
	t.Helper()
	r, err := run(t.Context(), s, layers)
	if err != nil {
		t.Fatal(err)
	}
	if r.ExitCode != 0 {
		t.Fatalf("the tool failed: %+v\n%s%s", r, r.Stdout, r.Stderr)
	}
	return strings.Split(strings.TrimSuffix(string(r.Stdout), "\n"), "\n")
}

// openFile opens a file for a test.
func openFile(t *testing.T, path string, flags int) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// gone reports whether no process of this number runs: there is none, or one
// that only waits to be reaped.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(state, "Z")
}

// awaitGone waits for a process to be gone; the test's own timeout ends it.
func awaitGone(pid int) {
	for !gone(pid) {
		time.Sleep(time.Millisecond)
	}
}

// again runs one test in a process of its own, as it is told, and fails if
// that one does not pass.
func again(t *testing.T, name string, how func(*syscall.SysProcAttr)) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+name+"$", "-test.v")
	cmd.Env = append(os.Environ(), toolVariable+"="+toolPath, againVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	how(cmd.SysProcAttr)
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) {
		t.Skip("not to be had here: ", err)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+name) {
		t.Errorf("%v\n%s", err, out)
	}
}

// onlyAgain skips a test that is to be run by again.
func onlyAgain(t *testing.T) {
	t.Helper()
	if os.Getenv(againVariable) == "" {
		t.Skip("a part of another test")
	}
}

// TestAsNobody runs the other tests again, as an unprivileged user.
func TestAsNobody(t *testing.T) {
	needTool(t)
	if os.Geteuid() != 0 {
		t.Skip("not root: the tests run unprivileged already")
	}
	if out := runAsNobody(t, "", "-test.v", "-test.short"); !strings.Contains(out, "--- PASS: TestRefused") {
		t.Errorf("the tests did not run:\n%s", out)
	}
}

// nobodyDir is the folder of tests that runAsNobody runs.
func nobodyDir() string { return filepath.Join(filepath.Dir(toolPath), "nobody") }

// runAsNobody runs tests as an unprivileged user, with a variable in their
// environment, and returns what they said; they must pass.
func runAsNobody(t *testing.T, variable string, args ...string) string {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	copied, temp := filepath.Join(filepath.Dir(toolPath), "confine.test"), nobodyDir()
	if err := errors.Join(os.RemoveAll(copied), os.WriteFile(copied, self, 0o755), os.MkdirAll(temp, 0o700), os.Chown(temp, Nobody, Nobody)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), copied, args...)
	cmd.Dir = temp
	cmd.Env = append(os.Environ(), toolVariable+"="+toolPath, "TMPDIR="+temp, "HOME="+temp, variable)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: Nobody, Gid: Nobody}}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := startAs(cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return out.String()
}

// startAs starts a process as another user, and leaves this one as it is.
func startAs(cmd *exec.Cmd) error {
	defer guardDumpable()()
	return cmd.Start()
}
