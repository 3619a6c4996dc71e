package confine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestResult(t *testing.T) {
	layers := allLayers()
	needTool(t, layers...)
	for _, c := range []struct {
		name   string
		args   []string
		change func(*Spec)
		want   Result
	}{
		{"success", []string{"read=/dev/null"}, nil, Result{Stdout: []byte("ok\n")}},
		{"status", []string{"complain=why", "exit=7"}, nil, Result{ExitCode: 7, Stdout: []byte("ok\n"), Stderr: []byte("why\n")}},
		{"abort", []string{"abort"}, nil, Result{ExitCode: 2}}, // the Go runtime's way to die
		{"deadline", []string{"stop"}, func(s *Spec) { s.Deadline = 50 * time.Millisecond }, Result{ExitCode: -1, Signal: unix.SIGKILL, Limit: LimitDeadline}},
		{"no progress", []string{"sleep=1h"}, func(s *Spec) { s.Deadline, s.Watchdog = 0, 100*time.Millisecond }, Result{ExitCode: -1, Signal: unix.SIGKILL, Limit: LimitNoProgress}},
		{"memory", []string{"memory=4096"}, nil, Result{Stdout: []byte("ENOMEM\n")}},
		{"descriptors", []string{"files=64"}, nil, Result{Stdout: []byte("EMFILE\n")}},
		{"within the file size", []string{"fill=3,1048576"}, nil, Result{Stdout: []byte("ok\n")}},
		{"no file size", []string{"set=3"}, func(s *Spec) { s.Limits.FileSize = 0 }, Result{Stdout: []byte("EFBIG\n")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := spec(c.args...)
			s.Files = []File{{File: openFile(t, filepath.Join(t.TempDir(), "f"), os.O_CREATE|os.O_RDWR), Access: ReadWrite}}
			if c.change != nil {
				c.change(&s)
			}
			r, err := Run(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			if r.ExitCode != c.want.ExitCode || r.Signal != c.want.Signal || r.Limit != c.want.Limit || string(r.Stdout) != string(c.want.Stdout) {
				t.Errorf("got %+v, stdout %q, stderr %q", r, r.Stdout, r.Stderr)
			}
			if c.want.Stderr != nil && string(r.Stderr) != string(c.want.Stderr) {
				t.Errorf("stderr %q", r.Stderr)
			}
			if !slices.Equal(r.Layers, layers) {
				t.Errorf("layers %q, want %q", r.Layers, layers)
			}
			if r.Wall <= 0 || r.UserTime+r.SystemTime <= 0 {
				t.Errorf("used %v and %v of %v", r.UserTime, r.SystemTime, r.Wall)
			}
		})
	}
}

// TestLimitSignals: a program that does not care is ended by the signal of
// the limit it meets, and the result names it.
func TestLimitSignals(t *testing.T) {
	needTool(t, allLayers()...)
	sh, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Skip(err)
	}
	for _, c := range []struct {
		limit, script string
		signal        syscall.Signal
	}{
		{LimitCPU, "while :; do :; done", unix.SIGXCPU},
		{LimitFileSize, "echo word >&3", unix.SIGXFSZ},
	} {
		s := spec("-c", c.script)
		s.Path = sh
		if filepath.Base(sh) == "busybox" { // many programs in one, by their first argument
			s.Args = slices.Insert(s.Args, 0, "sh")
		}
		s.Files = []File{{File: openFile(t, filepath.Join(t.TempDir(), "f"), os.O_CREATE|os.O_RDWR), Access: ReadWrite}}
		s.Limits.CPU, s.Limits.FileSize = time.Second, 1
		// The first of a pid namespace is immune to signals, but to SIGKILL.
		r, err := run(t.Context(), s, without(allLayers(), LayerNamespaces))
		if err != nil {
			t.Fatal(err)
		}
		if r.Limit != c.limit || r.Signal != c.signal || r.ExitCode != -1 {
			t.Errorf("%s: %+v\n%s", c.limit, r, r.Stderr)
		}
	}
}

// TestBusyIsProgress: the watchdog leaves alone what uses its processor, as
// long as that is within the limit.
func TestBusyIsProgress(t *testing.T) {
	needTool(t, allLayers()...)
	s := spec("spin")
	s.Limits.CPU = time.Second
	s.Deadline, s.Watchdog = 0, 500*time.Millisecond
	r, err := Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if r.Limit != LimitCPU || r.Signal != unix.SIGKILL || r.ExitCode != -1 { // Go ignores SIGXCPU
		t.Errorf("ended by %+v", r)
	}
}

// TestDynamicProgram: the loader and the libraries of a program of the system
// can be read, and nothing else.
func TestDynamicProgram(t *testing.T) {
	needTool(t, allLayers()...)
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Skip(err)
	}
	cat, err = filepath.EvalSymlinks(cat) // BusyBox is one program
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Base(cat) != "cat" {
		t.Skip("cat is ", cat)
	}
	f := openFile(t, filepath.Join(t.TempDir(), "f"), os.O_CREATE|os.O_RDWR)
	if _, err := f.WriteString("content"); err != nil {
		t.Fatal(err)
	}
	s := spec("/dev/fd/3")
	s.Path = cat
	s.Files = []File{{File: f}}
	r, err := Run(t.Context(), s)
	if err != nil || string(r.Stdout) != "content" {
		t.Errorf("%+v, %v\n%s", r, err, r.Stderr)
	}
	s.Args = []string{"/etc/passwd"}
	r, err = Run(t.Context(), s)
	if err != nil || r.ExitCode != 1 || len(r.Stdout) != 0 {
		t.Errorf("%+v, %v\n%s", r, err, r.Stderr)
	}
}

// TestOutput: of much output the end is kept, and all of it is passed on.
func TestOutput(t *testing.T) {
	needTool(t, allLayers()...)
	const size = 1 << 20
	total := 0
	s := spec(fmt.Sprintf("say=%d", size), "complain=done")
	s.Output = func(b []byte) { total += len(b) }
	r, err := Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	said := size + len("ok\nok\n")
	if total != said || len(r.Stdout) != outputKept || !strings.HasSuffix(string(r.Stdout), "x\nok\nok\n") || string(r.Stderr) != "done\n" {
		t.Errorf("%d bytes passed on of %d, %d kept, stderr %q", total, said, len(r.Stdout), r.Stderr)
	}
}

// TestCancel: a run whose context is done ends, with the context's cause, and
// nothing of its group is left; at whatever moment it happens.
func TestCancel(t *testing.T) {
	needTool(t, allLayers()...)
	cause := errors.New("not wanted any more")
	t.Run("group", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		s := spec("pid", "child", "stop")
		var pid, child int
		var said strings.Builder
		s.Output = func(b []byte) {
			said.Write(b)
			if n, _ := fmt.Sscanf(said.String(), "%d ok\n%d ok\n", &pid, &child); n == 2 {
				cancel(cause)
			}
		}
		if _, err := run(ctx, s, forking()); !errors.Is(err, cause) {
			t.Errorf("got %v", err)
		}
		if pid <= 1 || child <= 1 || !gone(pid) {
			t.Errorf("process %d is left, or %d was not started", pid, child)
		}
		awaitGone(child)
	})
	t.Run("any moment", func(t *testing.T) {
		var group sync.WaitGroup
		for i := range 40 {
			ctx, cancel := context.WithCancelCause(t.Context())
			group.Go(func() {
				time.Sleep(time.Duration(i) * 200 * time.Microsecond)
				cancel(cause)
			})
			if _, err := Run(ctx, spec("stop")); !errors.Is(err, cause) {
				t.Errorf("got %v", err)
			}
		}
		group.Wait()
	})
	t.Run("before", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		if _, err := Run(ctx, spec("stop")); !errors.Is(err, cause) {
			t.Errorf("got %v", err)
		}
	})
}

// forking returns the layers under which the tool can start a process.
func forking() []string {
	if os.Geteuid() != 0 {
		return without(allLayers(), LayerNamespaces)
	}
	return allLayers()
}

// leftBehind runs the tool, which starts a process and ends, and returns the
// number of that.
func leftBehind(t *testing.T, action string, layers []string) int {
	t.Helper()
	var child int
	if said := answers(t, spec(action), layers); len(said) != 1 {
		t.Fatalf("it said %q", said)
	} else if _, err := fmt.Sscanf(said[0], "%d ok", &child); err != nil || child <= 1 {
		t.Fatalf("%v: %q", err, said)
	}
	return child
}

// TestLeftBehind: what a process leaves in its group ends with it.
func TestLeftBehind(t *testing.T) {
	needTool(t, allLayers()...)
	awaitGone(leftBehind(t, "child", without(allLayers(), LayerNamespaces)))
	awaitGone(leftBehind(t, "child", forking()))
}

// TestEscaped: a copy that left the group of processes ends with the process
// where there is a pid namespace or a control group, or the user is its own.
// Elsewhere it does not keep a run from ending, although it holds its output
// open, and is confined like the process it was.
func TestEscaped(t *testing.T) {
	needTool(t, allLayers()...)
	together := without(allLayers(), LayerNamespaces)
	if os.Geteuid() == 0 {
		if pid := leftBehind(t, "escape", allLayers()); slices.Contains(allLayers(), LayerNamespaces) && !gone(pid) {
			t.Error("it lives on")
		}
		awaitGone(leftBehind(t, "escape", together))
		together = without(together, LayerUID)
	}
	if slices.Contains(together, LayerCgroup) {
		awaitGone(leftBehind(t, "escape", together))
		together = without(together, LayerCgroup)
	}
	pid := leftBehind(t, "escape", together)
	defer awaitGone(pid)
	defer unix.Kill(pid, unix.SIGKILL)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(status), "\nSeccomp:\t2\n") || !strings.Contains(string(status), "\nNoNewPrivs:\t1\n") {
		t.Errorf("it is not confined:\n%s", status)
	}
}

// TestStarted: the caller is told of the process while that runs.
func TestStarted(t *testing.T) {
	needTool(t, LayerLimits)
	pid := 0
	s := spec("sleep=100ms")
	s.Started = func(p int) {
		if pid = p; gone(p) {
			t.Errorf("process %d does not run", p)
		}
	}
	if _, err := Run(t.Context(), s); err != nil || pid == 0 {
		t.Errorf("told of process %d, error %v", pid, err)
	}
}

func TestNotStarted(t *testing.T) {
	needTool(t, allLayers()...)
	text := openFile(t, filepath.Join(t.TempDir(), "text"), os.O_CREATE|os.O_RDWR)
	text.Chmod(0o755)
	for _, c := range []struct {
		name   string
		change func(*Spec)
		want   error
	}{
		{"missing", func(s *Spec) { s.Path += "x" }, os.ErrNotExist},
		{"a folder", func(s *Spec) { s.Path = filepath.Dir(s.Path) }, nil},
		{"no program", func(s *Spec) { s.Path = text.Name() }, nil},
		{"relative", func(s *Spec) { s.Path = "tool" }, nil},
		{"no limits", func(s *Spec) { s.Limits = Limits{} }, nil},
		{"no end", func(s *Spec) { s.Deadline = 0 }, nil},
		{"no file", func(s *Spec) { s.Files = []File{{}} }, nil},
		{"negative user", func(s *Spec) { s.UID = -1 }, nil},
		{"group without a user", func(s *Spec) { s.GID = 7 }, nil},
		{"range with root", func(s *Spec) { s.Users = UserRange{0, 9} }, nil},
		{"empty range", func(s *Spec) { s.Users = UserRange{First: 9} }, nil},
		{"range without an end", func(s *Spec) { s.Users = UserRange{9, math.MaxInt} }, nil},
		{"a rate of nothing", func(s *Spec) { s.Rates = []DeviceRate{{1, 0}} }, nil},
		{"argument with a NUL", func(s *Spec) { s.Args = []string{"\x00"} }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := spec()
			c.change(&s)
			r, err := Run(t.Context(), s)
			if err == nil || r != nil {
				t.Fatalf("got %+v, %v", r, err)
			}
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// TestMissingLayer: where a layer is missing, a run fails unless best effort
// will do. Root of a user namespace with one user has no nobody to become.
func TestMissingLayer(t *testing.T) {
	needTool(t, LayerUID)
	again(t, "TestInOneUserNamespace", func(a *syscall.SysProcAttr) {
		one := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}}
		a.Cloneflags, a.UidMappings, a.GidMappings = syscall.CLONE_NEWUSER, one, one
	})
}

// TestInOneUserNamespace is the part of TestMissingLayer in the namespace.
func TestInOneUserNamespace(t *testing.T) {
	onlyAgain(t)
	s := spec("uid")
	_, err := Run(t.Context(), s)
	missing, ok := errors.AsType[*LayerError](err)
	if !ok || missing.Layer != LayerUID || missing.Reason == "" || missing.Hint == "" || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
	s.BestEffort = true
	r, err := Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(r.Layers, LayerUID) || !slices.Contains(r.Layers, LayerLandlock) || string(r.Stdout) != "0 0 ok\n" {
		t.Errorf("layers %q, said %q", r.Layers, r.Stdout)
	}
}

func TestLayers(t *testing.T) {
	for i, layer := range Layers() {
		if layer.Name != layerNames[i] {
			t.Errorf("layer %d is %q", i, layer.Name)
		}
		if !layer.Available && layer.Why == "" {
			t.Errorf("%s is missing without a reason", layer.Name)
		}
	}
}
