package confine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestHostUnrestricted: after many runs, some of them at once, no thread of
// the host is restricted, and it can do what it could.
func TestHostUnrestricted(t *testing.T) {
	needTool(t, allLayers()...)
	// Package os does not guard it as this one does, and another test may have
	// had it start a process as another user.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 10 {
				if r, err := Run(t.Context(), spec("read=/etc/passwd")); err != nil || string(r.Stdout) == "ok\n" {
					t.Errorf("%+v, %v", r, err)
				}
				checkMainThread(t)
			}
		})
	}
	group.Wait()
	// The threads of the runs end a moment after them: wait for it.
	for anyRestricted(t) {
		runtime.Gosched()
	}
	if dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || dumpable != 1 {
		t.Errorf("the host is dumpable: %d, %v", dumpable, err)
	}
	// From many goroutines, so that every thread gets a turn.
	for range 64 {
		group.Go(func() {
			if f, err := os.Open("/etc/passwd"); err != nil {
				t.Error(err)
			} else {
				f.Close()
			}
			if l, err := net.Listen("tcp", "127.0.0.1:0"); err != nil {
				t.Error(err)
			} else {
				l.Close()
			}
			if p, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{}); err != nil {
				t.Error(err)
			} else if state, err := p.Wait(); err != nil || !state.Success() {
				t.Error(state, err)
			}
		})
	}
	group.Wait()
}

// checkMainThread checks that the main thread is not restricted: a run must
// never use it, for it does not end.
func checkMainThread(t *testing.T) {
	t.Helper()
	if status := threadStatus(t, os.Getpid()); restricted(status) {
		t.Errorf("the main thread is restricted:\n%s", status)
	}
}

// restricted reports whether a thread's status shows a trace of a launch.
func restricted(status string) bool {
	return !strings.Contains(status, "\nNoNewPrivs:\t0\n") || !strings.Contains(status, "\nSeccomp:\t0\n") ||
		!strings.Contains(status, fmt.Sprintf("\nUid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d\n", os.Getuid()))
}

func threadStatus(t *testing.T, tid int) string {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/status", tid))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return "\nNoNewPrivs:\t0\n\nSeccomp:\t0\n"
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(status)
}

// TestNothingLeft: hundreds of runs, of every outcome, leave no thread that
// is restricted, no descriptor, no child and no goroutine.
func TestNothingLeft(t *testing.T) {
	needTool(t, allLayers()...)
	runs := 200
	if testing.Short() {
		runs = 30
	}
	one := func(i int) {
		s := spec("read=/dev/null")
		switch i % 4 {
		case 1:
			s.Args = []string{"exit=7"}
		case 2:
			s.Args = []string{"child", "exit=0"}
		case 3:
			s.Path = filepath.Dir(toolPath)
		}
		_, err := Run(t.Context(), s)
		if (err != nil) != (i%4 == 3) {
			t.Errorf("run %d: %v", i, err)
		}
	}
	for i := range 8 {
		one(i) // let the runtime have its own threads
	}
	goroutines, files := runtime.NumGoroutine(), count(t, "/proc/self/fd")
	for i := range runs {
		one(i)
	}
	if now := count(t, "/proc/self/fd"); now != files {
		t.Errorf("%d descriptors, were %d", now, files)
	}
	if _, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
		t.Errorf("children are left: %v", err)
	}
	// Threads and goroutines end a moment after a run does: wait for it.
	for runtime.NumGoroutine() > goroutines || anyRestricted(t) {
		runtime.Gosched()
	}
}

// anyRestricted reports whether any thread is restricted.
func anyRestricted(t *testing.T) bool {
	t.Helper()
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(threads, func(thread os.DirEntry) bool {
		var tid int
		fmt.Sscan(thread.Name(), &tid)
		status := threadStatus(t, tid)
		return strings.Contains(status, "Uid") && restricted(status) || elsewhere(tid)
	})
}

// elsewhere reports whether a thread is in other namespaces than the host.
func elsewhere(tid int) bool {
	for _, kind := range []string{"mnt", "pid_for_children", "ipc", "net", "uts", "user"} {
		of := func(tid int) string {
			name, _ := os.Readlink(fmt.Sprintf("/proc/self/task/%d/ns/%s", tid, kind))
			return name
		}
		if there := of(tid); there != "" && there != of(os.Getpid()) {
			return true
		}
	}
	return false
}

func count(t *testing.T, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestMainThreadSpared: a run from the main goroutine's thread, or any other
// that is locked, uses another one.
func TestMainThreadSpared(t *testing.T) {
	// Ask for threads until the main one has had its turn.
	for range 1000 {
		onOwnThread(func() {
			if unix.Gettid() == unix.Getpid() {
				t.Error("on the main thread")
			}
		})
	}
}

// TestRuntimeUnderFilter: what the Go runtime does on a thread under the
// filter (garbage collection, preemption, profiling timers) still works; were
// it refused, the runtime would end the program.
func TestRuntimeUnderFilter(t *testing.T) {
	needTool(t, allLayers()...)
	if err := pprof.StartCPUProfile(io.Discard); err != nil {
		t.Skip("this test is being profiled: ", err)
	}
	var group sync.WaitGroup
	stop := make(chan struct{})
	group.Go(func() {
		var garbage [][]byte
		for {
			select {
			case <-stop:
				return
			default:
				garbage = append(garbage[:len(garbage)%64], bytes.Clone(make([]byte, 64<<10)))
				runtime.GC()
			}
		}
	})
	var runs sync.WaitGroup
	for range 3 {
		runs.Go(func() {
			for range 10 {
				if _, err := Run(t.Context(), spec("sleep=1ms")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	// Stop while runs are on: their threads have timers to delete.
	pprof.StopCPUProfile()
	runs.Wait()
	close(stop)
	group.Wait()
}

// TestParentDeath: a process does not outlive its host, and the next host
// removes the control group that it left.
func TestParentDeath(t *testing.T) {
	needTool(t, allLayers()...)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	host, err := os.StartProcess("/proc/self/exe", []string{"confine.test"}, &os.ProcAttr{
		Env:   append(os.Environ(), toolVariable+"="+toolPath, hostVariable+"=pid stop"),
		Files: []*os.File{nil, w, os.Stderr},
	})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(r, &pid); err != nil || pid <= 1 {
		t.Fatal(err)
	}
	if gone(pid) {
		t.Error("the process is gone before its host")
	}
	if err := host.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	host.Wait()
	awaitGone(pid)
	hierarchies, _ := findHierarchies() // an error: there are none
	left := groupsOf(t, hierarchies, host.Pid)
	// A process is in its group for a moment after it was killed.
	for end := time.Now().Add(10 * time.Second); len(left) > 0 && time.Now().Before(end); left = groupsOf(t, hierarchies, host.Pid) {
		for _, h := range hierarchies {
			sweep(h)
		}
	}
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
