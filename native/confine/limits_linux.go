package confine

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// threadStack is the soft limit of the stack, in bytes, which C libraries
// take as the size of every thread's. The usual 8 MiB is most of what
// qemu-img needs of its address space.
const threadStack = 1 << 20

// A bound is one resource limit.
type bound struct {
	name       string
	resource   int
	soft, hard uint64
}

// processes is the default of Limits.Processes: qemu-img's pool of threads
// holds at most 64 (thread-pool-max).
const processes = 128

// bounds returns the resource limits of a process. The soft limit of CPU
// time ends it by SIGXCPU, which tells the cause; the hard one, a second
// later, by SIGKILL.
func (l Limits) bounds() []bound {
	cpu := uint64((l.CPU + time.Second - 1) / time.Second)
	as, size, files := uint64(l.AddressSpace), uint64(l.FileSize), uint64(l.OpenFiles)
	return []bound{
		{"cpu", unix.RLIMIT_CPU, cpu, cpu + 1},
		{"address space", unix.RLIMIT_AS, as, as},
		{"file size", unix.RLIMIT_FSIZE, size, size},
		{"open files", unix.RLIMIT_NOFILE, files, files},
		{"stack", unix.RLIMIT_STACK, threadStack, unix.RLIM_INFINITY},
		{"core", unix.RLIMIT_CORE, 0, 0},
	}
}

// setLimits sets the limits of a process; alone says that nothing else runs
// as its user. Limits that it already has are only ever lowered.
func setLimits(pid int, l Limits, alone bool) error {
	bounds := l.bounds()
	if alone {
		n := uint64(cmp.Or(l.Processes, processes))
		bounds = append(bounds, bound{"processes", unix.RLIMIT_NPROC, n, n})
	}
	for _, b := range bounds {
		var old unix.Rlimit
		if err := unix.Prlimit(pid, b.resource, nil, &old); err != nil {
			return fmt.Errorf("read the %s limit: %w", b.name, err)
		}
		limit := unix.Rlimit{Cur: min(b.soft, old.Max), Max: min(b.hard, old.Max)}
		if err := unix.Prlimit(pid, b.resource, &limit, nil); err != nil {
			return fmt.Errorf("set the %s limit: %w", b.name, err)
		}
	}
	return nil
}

// awaitExec waits until a process that was started traced has stopped, after
// its exec and before its first instruction. The calling thread must be the
// one that started it, and stay so until detach.
func awaitExec(pid int) error {
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(pid, &status, 0, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return os.NewSyscallError("wait4", err)
		}
		if !status.Stopped() {
			return fmt.Errorf("ended before it began, wait status %#x", uint32(status))
		}
		return nil
	}
}

// limitsStatus tells whether limits can be set here.
func limitsStatus() LayerStatus {
	s := LayerStatus{Name: LayerLimits, Available: true}
	if why, remedy := noStop(); why != "" {
		s.Available = false
		s.Why, s.Remedy = "a process cannot be stopped before its first instruction: "+why, remedy
	}
	return s
}

// noStop says why a process cannot be stopped before its first instruction,
// and what to do about it; or nothing.
func noStop() (why, remedy string) {
	// Process 0 is none: a kernel that lets us ask says so. There is nothing
	// to be asked for of a process that is not traced but this.
	if err := unix.PtraceDetach(0); !errors.Is(err, unix.ESRCH) {
		return fmt.Sprintf("ptrace: %v", err), "allow the system call ptrace, perhaps in the profile of the container or service this runs in"
	}
	// Yama (Documentation/admin-guide/LSM/Yama.rst) refuses PTRACE_TRACEME
	// from scope 2 on, unless the parent has CAP_SYS_PTRACE, and always at 3.
	switch scope := sysctl("kernel/yama/ptrace_scope"); {
	case scope == "3", scope == "2" && !hasCapability(unix.CAP_SYS_PTRACE):
		return "kernel.yama.ptrace_scope is " + scope, "set kernel.yama.ptrace_scope to 1"
	}
	return "", ""
}

// onOwnThread runs f on a thread that runs nothing else, neither before nor
// after: the thread ends when f returns. What f does to its thread reaches
// nothing but f and the processes it starts, for the Go runtime never clones
// a locked thread.
func onOwnThread(f func()) {
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The main thread does not end when its goroutine does, and is
			// what /proc shows of the process. Occupy it, so that f gets
			// another one.
			defer runtime.UnlockOSThread()
			onOwnThread(f)
			close(done)
			return
		}
		defer close(done)
		f()
	}()
	<-done
}
