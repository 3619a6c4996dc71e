//go:build amd64 || arm64

package confine

import (
	"math"
	"slices"

	"golang.org/x/sys/unix"
)

// Where the halves of an argument are; both processors are little-endian.
const (
	lowHalf  = 0
	highHalf = 4
)

// namespaces are the flags of clone that make a namespace.
const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWTIME

// anyProcess are the calls that every process may make, whatever their
// arguments: on descriptors it has and on its own memory, threads, signals
// and time. Landlock decides what openat and execve find. Calls that change
// an inode (its mode, owner, times, attributes, or its name) are not here,
// for they work on descriptors that are open for reading.
var anyProcess = []uintptr{
	// Files.
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV,
	unix.SYS_PREAD64, unix.SYS_PWRITE64, unix.SYS_PREADV, unix.SYS_PWRITEV, unix.SYS_PREADV2, unix.SYS_PWRITEV2,
	unix.SYS_LSEEK, unix.SYS_FTRUNCATE, unix.SYS_FALLOCATE, unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNC_FILE_RANGE,
	unix.SYS_COPY_FILE_RANGE, unix.SYS_FADVISE64,
	unix.SYS_OPENAT, unix.SYS_CLOSE, unix.SYS_CLOSE_RANGE, unix.SYS_DUP, unix.SYS_DUP3, unix.SYS_PIPE2,
	unix.SYS_FSTAT, unix.SYS_STATX, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_READLINKAT, unix.SYS_GETDENTS64,
	unix.SYS_FSTATFS, unix.SYS_CHDIR,
	// Waiting.
	unix.SYS_PPOLL, unix.SYS_PSELECT6, unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2,
	unix.SYS_EVENTFD2, unix.SYS_SIGNALFD4, unix.SYS_TIMERFD_CREATE, unix.SYS_TIMERFD_SETTIME, unix.SYS_TIMERFD_GETTIME,
	// Memory.
	unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MPROTECT, unix.SYS_MREMAP, unix.SYS_MADVISE, unix.SYS_BRK,
	// Threads, and the process itself.
	unix.SYS_FUTEX, unix.SYS_SET_ROBUST_LIST, unix.SYS_GET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_SET_TID_ADDRESS, unix.SYS_MEMBARRIER,
	unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_GETCPU,
	unix.SYS_EXECVE, unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_WAIT4, unix.SYS_WAITID, unix.SYS_RESTART_SYSCALL,
	unix.SYS_GETPID, unix.SYS_GETPPID, unix.SYS_GETTID, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID,
	unix.SYS_GETRUSAGE, unix.SYS_UNAME, unix.SYS_SYSINFO, unix.SYS_GETRANDOM,
	// Signals of its own.
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_RT_SIGTIMEDWAIT, unix.SYS_SIGALTSTACK,
	// Time. The Go runtime ends the program when one of its profiling timers
	// (timer_*) cannot be changed.
	unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_NANOSLEEP, unix.SYS_GETTIMEOFDAY,
	unix.SYS_TIMER_CREATE, unix.SYS_TIMER_SETTIME, unix.SYS_TIMER_DELETE,
}

// conditional returns the calls that are safe for some values of an argument.
func conditional(l launching) []rule {
	rules := []rule{
		// Threads, and what the host itself needs to start the process. Any
		// other clone that makes a namespace is refused, and that one fails in
		// a user namespace where no user is mapped (user_namespaces(7)). The
		// arguments of clone3 are in memory, out of a filter's sight: it is
		// not on the list, and C libraries fall back to clone.
		{number: unix.SYS_CLONE, when: []condition{{0, unix.CLONE_THREAD | namespaces, unix.CLONE_THREAD}}},
		{number: unix.SYS_CLONE, when: []condition{{0, math.MaxUint32 &^ unix.CLONE_PIDFD, uint64(l.flags)}}, refusal: unix.EPERM},
		{number: unix.SYS_SETPGID, when: []condition{equals(0, 0), equals(1, 0)}, refusal: unix.EPERM},
		{number: unix.SYS_PRLIMIT64, when: []condition{equals(0, 0)}, refusal: unix.EPERM},
	}
	rules = append(rules, oneOf(unix.SYS_PTRACE, 0, unix.EPERM, unix.PTRACE_TRACEME, unix.PTRACE_DETACH)...)
	// The signal is that of a thread preempted by the Go runtime, which other
	// programs ignore by default. That of a program which aborts itself is
	// refused, as a filter cannot tell whom it is for: not before Linux 6.15
	// does Landlock keep it inside of the process. C libraries then end the
	// program by an instruction that faults.
	rules = append(rules, oneOf(unix.SYS_TGKILL, 2, unix.EPERM, uint32(unix.SIGURG))...)
	// Not F_SETOWN and F_SETSIG: they send signals.
	rules = append(rules, oneOf(unix.SYS_FCNTL, 1, unix.EINVAL,
		unix.F_DUPFD, unix.F_DUPFD_CLOEXEC, unix.F_GETFD, unix.F_SETFD, unix.F_GETFL, unix.F_SETFL,
		unix.F_GETLK, unix.F_SETLK, unix.F_SETLKW, unix.F_OFD_GETLK, unix.F_OFD_SETLK, unix.F_OFD_SETLKW)...)
	// Questions about block devices, and holes in them. The error is that of
	// a descriptor which does not know the request.
	rules = append(rules, oneOf(unix.SYS_IOCTL, 1, unix.ENOTTY,
		unix.BLKGETSIZE64, unix.BLKROGET, unix.BLKSSZGET, unix.BLKPBSZGET, unix.BLKBSZGET, unix.BLKSECTGET, unix.BLKROTATIONAL,
		unix.BLKDISCARD, unix.BLKZEROOUT, unix.TCGETS)...)
	if l.first {
		// The Go runtime takes a parent it cannot see for dead, and sends the
		// process the signal of that. The first of a pid namespace is immune.
		rules = append(rules, rule{number: unix.SYS_KILL, when: []condition{equals(0, 1), equals(1, uint32(unix.SIGKILL))}, refusal: unix.EPERM})
	}
	own := []uint32{unix.PR_SET_PDEATHSIG, unix.PR_SET_NAME, unix.PR_SET_TIMERSLACK}
	if l.otherUser {
		// Once the process has become another user, these can only take
		// rights away.
		own = append(own, unix.PR_SET_KEEPCAPS, unix.PR_CAP_AMBIENT)
		for _, number := range []uintptr{unix.SYS_SETGROUPS, unix.SYS_SETGID, unix.SYS_SETUID, unix.SYS_CAPGET, unix.SYS_CAPSET} {
			rules = append(rules, rule{number: number})
		}
	}
	for _, number := range onSockets {
		rules = append(rules, oneOf(number, 0, unix.EPERM, l.sockets...)...)
	}
	return append(rules, oneOf(unix.SYS_PRCTL, 0, unix.EPERM, own...)...)
}

// onSockets are the calls that a client makes on a connection it has. The
// address that a message may name means nothing to a connected stream.
var onSockets = []uintptr{
	unix.SYS_RECVMSG, unix.SYS_SHUTDOWN, unix.SYS_GETSOCKOPT, unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME, unix.SYS_SENDMSG,
}

// oneOf returns the rules that allow a call with one of some values of an
// argument.
func oneOf(number uintptr, arg int, refusal unix.Errno, values ...uint32) []rule {
	var rules []rule
	for _, v := range values {
		rules = append(rules, rule{number: number, when: []condition{equals(arg, v)}, refusal: refusal})
	}
	return rules
}

// filter returns the filter of a process that is started so.
func filter(l launching) []unix.SockFilter {
	var rules []rule
	for _, number := range slices.Concat(anyProcess, anyProcessHere) {
		rules = append(rules, rule{number: number})
	}
	return assemble(auditArch, append(rules, conditional(l)...))
}
