package confine

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/assay-dev/assay/internal/openfile"
	"golang.org/x/sys/unix"
)

// A launch is a process about to be started: everything that can be made
// ready before the thread it starts from is restricted.
type launch struct {
	spec    Spec
	layers  []string
	program string // free of symbolic links
	needs   needs
	apart   separation
	id      *identity
	group   *cgroup           // nil without control groups
	ruleset *ruleset          // nil without Landlock
	filter  []unix.SockFilter // nil without seccomp
	fds     []int             // of the process, in order
	opened  []int             // of those, the ones to close
	table   []uintptr         // of descriptors, for the start
	handle  pidfd             // of the process, once it is started
}

// newLaunch makes a process ready. It must be closed.
func newLaunch(s Spec, layers []string, stdout, stderr *output) (_ *launch, err error) {
	l := &launch{spec: s, layers: layers, handle: noPidfd}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if l.id, err = newIdentity(s, l.has(LayerUID)); err != nil {
		return nil, err
	}
	if err := l.separate(); err != nil {
		return nil, err
	}
	if l.program, err = filepath.EvalSymlinks(s.Path); err != nil {
		return nil, err
	}
	if l.has(LayerCgroup) {
		if l.group, err = newCgroup(&s); err != nil {
			return nil, fmt.Errorf("cgroup: %w", err)
		}
	}
	if l.has(LayerLandlock) || l.apart == byThread {
		if l.needs, err = needsOf(l.program); err != nil {
			return nil, err
		}
	}
	null, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: os.DevNull, Err: err}
	}
	l.opened = append(l.opened, null)
	l.fds = append(l.fds, null, stdout.write, stderr.write)
	for i, f := range s.Files {
		// A copy, so that the caller closing its file does no harm.
		var fd int
		copied := func(from int) (err error) {
			fd, err = unix.FcntlInt(uintptr(from), unix.F_DUPFD_CLOEXEC, 0)
			return err
		}
		var err error
		if node, ok := l.id.nodes[i]; ok {
			err = copied(node)
		} else {
			err = openfile.Control(f.File, copied)
		}
		if err != nil {
			return nil, fmt.Errorf("descriptor %d: %w", 3+i, err)
		}
		l.opened = append(l.opened, fd)
		l.fds = append(l.fds, fd)
	}
	l.table = onlyThese(l.fds)
	if l.has(LayerLandlock) {
		if err := l.allowFiles(); err != nil {
			return nil, err
		}
	}
	if l.has(LayerSeccomp) {
		var sockets []uint32
		for i, f := range s.Files {
			if f.Access == Connection {
				sockets = append(sockets, uint32(3+i))
			}
		}
		l.filter = filter(launching{
			flags: uint32(l.cloneFlags()) | uint32(unix.SIGCHLD), first: l.apart != together,
			otherUser: l.id.user != nil || len(l.id.keep) > 0, sockets: sockets,
		})
	}
	return l, nil
}

// separate decides how the process gets namespaces, if it is to. In a user
// namespace it would not have the capability that it needs to read a file of
// another user's.
func (l *launch) separate() (err error) {
	if !l.has(LayerNamespaces) {
		return nil
	}
	if l.apart, err = probeNamespaces(); err != nil {
		return fmt.Errorf("namespaces: %w", err)
	}
	if l.apart == byClone && len(l.id.keep) > 0 {
		l.apart = together
		l.layers = slices.DeleteFunc(slices.Clone(l.layers), func(name string) bool { return name == LayerNamespaces })
		if slices.Contains(l.spec.Require, LayerNamespaces) {
			return &LayerError{
				Layer: LayerNamespaces, Optional: true, Reason: "a file that the user may not read is handed over, and no user namespace allows that",
				Hint: "make the file readable for the user",
			}
		}
	}
	return nil
}

// cloneFlags are the flags with which the process is started, but for its
// signal. The Go runtime shares its memory with the child until that has
// executed the program, but not with one in a new user namespace, for which it
// may have to map users meanwhile. We map none, and copying the page tables
// of a large host takes longer than all the rest (BenchmarkRun).
func (l *launch) cloneFlags() uintptr {
	flags := uintptr(unix.CLONE_VFORK | unix.CLONE_VM)
	if l.apart == byClone {
		flags |= cloneSpace
	}
	return flags
}

func (l *launch) has(layer string) bool { return slices.Contains(l.layers, layer) }

// allowFiles makes the ruleset: the program and the files handed over.
func (l *launch) allowFiles() (err error) {
	if l.ruleset, err = newRuleset(); err != nil {
		return err
	}
	if err := l.ruleset.allowNeeds(l.needs); err != nil {
		return err
	}
	for i, f := range l.spec.Files {
		rights := uint64(readFile)
		switch f.Access {
		case ReadWrite:
			rights = writeFile
		case Connection, Pipe: // Landlock's rules are of what has a path
			continue
		}
		if err := l.ruleset.allow(l.fds[3+i], rights); err != nil {
			return fmt.Errorf("descriptor %d: %w", 3+i, err)
		}
	}
	return nil
}

func (l *launch) close() {
	if l.group != nil {
		l.group.remove()
	}
	if l.id != nil {
		l.id.release()
	}
	l.handle.close()
	for _, fd := range l.opened {
		unix.Close(fd)
	}
	if l.ruleset != nil {
		l.ruleset.close()
	}
}

// enter puts the calling thread where the process is to start, and restricts
// it.
func (l *launch) enter() error {
	if l.apart == byThread {
		if err := enterNamespaces(l.needs); err != nil {
			return fmt.Errorf("namespaces: %w", err)
		}
	}
	return l.restrict()
}

// restrict puts the layers that a process inherits on the calling thread,
// which is never to run anything else again.
func (l *launch) restrict() error {
	if l.has(LayerNoNewPrivs) {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("no-new-privs: %w", err)
		}
	}
	if l.ruleset != nil {
		if err := l.ruleset.restrict(); err != nil {
			return err
		}
	}
	if l.has(LayerCapabilities) && l.id.user == nil {
		if err := l.id.dropCapabilities(); err != nil {
			return err
		}
	}
	if l.filter != nil {
		return installFilter(l.filter)
	}
	return nil
}

// start restricts the calling thread and starts the process from it. When it
// returns, the process has its limits and runs.
func (l *launch) start() (pid int, err error) {
	settled := func() {}
	if l.id.user != nil {
		settled = guardDumpable()
	}
	if err := l.enter(); err != nil {
		onOwnThread(settled)
		return 0, err
	}
	// It stops before its first instruction, for what is put on it from the
	// outside.
	stop := l.has(LayerLimits) || l.group != nil
	pid, _, err = syscall.StartProcess(l.program, append([]string{filepath.Base(l.spec.Path)}, l.spec.Args...), &syscall.ProcAttr{
		Dir:   "/",
		Env:   l.spec.Env,
		Files: l.table,
		Sys: &syscall.SysProcAttr{
			Cloneflags:  l.cloneFlags(),
			PidFD:       (*int)(&l.handle),
			Setpgid:     true,
			Pdeathsig:   syscall.SIGKILL,
			Ptrace:      stop,
			Credential:  l.id.user,
			AmbientCaps: l.id.keep,
		},
	})
	if err != nil {
		onOwnThread(settled)
		return 0, err
	}
	// What is left to do is refused on this thread by now.
	var stopErr error
	if stop {
		stopErr = awaitExec(pid)
	}
	onOwnThread(func() {
		settled()
		if l.spec.Counter != nil {
			l.spec.Counter.follow(pid)
		}
		if stop && stopErr == nil {
			stopErr = l.bound(pid)
		}
	})
	if stop && stopErr == nil {
		stopErr = os.NewSyscallError("ptrace detach", unix.PtraceDetach(pid))
	}
	if stopErr != nil {
		l.handle.kill(pid)
		reap(pid)
		return 0, stopErr
	}
	return pid, nil
}

// bound puts on the stopped process what is put on it from the outside.
func (l *launch) bound(pid int) error {
	if l.group != nil {
		if err := l.group.place(pid); err != nil {
			return fmt.Errorf("cgroup: %w", err)
		}
	}
	if l.has(LayerLimits) {
		if err := l.limit(pid); err != nil {
			return fmt.Errorf("limits: %w", err)
		}
	}
	return nil
}

// limit sets the limits of the process, from a thread of its own. A process
// of another user takes limits from those whose *real* ids are that user's
// (prlimit(2)), or with a capability that few hosts have. The effective user
// stays root, so that the thread is no more open to that user than before.
func (l *launch) limit(pid int) error {
	if user := l.id.user; user != nil {
		const keep = ^uintptr(0)
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(user.Gid), keep, keep); errno != 0 {
			return os.NewSyscallError("setresgid", errno)
		}
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(user.Uid), keep, keep); errno != 0 {
			return os.NewSyscallError("setresuid", errno)
		}
	}
	return setLimits(pid, l.spec.Limits, l.id.alone())
}

// onlyThese returns the descriptors for syscall.ProcAttr, and behind them as
// many to be closed as it takes: the Go runtime leaves those open that the
// host itself inherited, or that a C library opened, without close-on-exec.
func onlyThese(fds []int) []uintptr {
	const closed = ^uintptr(0)
	var list []uintptr
	for _, fd := range fds {
		list = append(list, uintptr(fd))
	}
	// Without /proc no tool could open what it is handed either.
	open, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range open {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil || fd < len(list) {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			list = append(list, slices.Repeat([]uintptr{closed}, fd+1-len(list))...)
		}
	}
	return list
}
