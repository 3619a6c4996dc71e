package confine

import (
	"errors"
	"fmt"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The rights of Landlock (linux/landlock.h), by the version of the interface
// that brought them. Versions 8 and later bring nothing this package uses.
const (
	landlockABI1 = unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1 // execute to make_sym
	landlockABI2 = unix.LANDLOCK_ACCESS_FS_REFER
	landlockABI3 = unix.LANDLOCK_ACCESS_FS_TRUNCATE
	landlockABI5 = unix.LANDLOCK_ACCESS_FS_IOCTL_DEV

	readFile  = unix.LANDLOCK_ACCESS_FS_READ_FILE
	writeFile = readFile | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | landlockABI3 | landlockABI5
	execFile  = readFile | unix.LANDLOCK_ACCESS_FS_EXECUTE
)

// signalsWithinProcess is the kernel's erratum 2: a thread under a signal
// scope may signal the other threads of its process. The Go runtime needs
// that to preempt them.
const signalsWithinProcess = 1 << 1

// landlock is the version and the state of the kernel's Landlock.
type landlock struct {
	abi    int
	errata int
}

// probeLandlock asks the kernel; abi is at least 1 if err is nil.
func probeLandlock() (landlock, error) {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return landlock{}, errno
	}
	// Kernels that do not know the question (before 6.15) have no errata.
	errata, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_ERRATA)
	if errno != 0 {
		errata = 0
	}
	return landlock{abi: int(abi), errata: int(errata)}, nil
}

// files returns the rights to the file system that this version knows.
func (l landlock) files() uint64 {
	rights := uint64(landlockABI1)
	if l.abi >= 2 {
		rights |= landlockABI2
	}
	if l.abi >= 3 {
		rights |= landlockABI3
	}
	if l.abi >= 5 {
		rights |= landlockABI5
	}
	return rights
}

// A ruleset is a Landlock ruleset being put together. It refuses everything
// that the kernel's version can refuse: what is allowed is added.
type ruleset struct {
	fd    int
	files uint64
}

// newRuleset makes a ruleset that allows nothing. It must be closed.
func newRuleset() (*ruleset, error) {
	l, err := probeLandlock()
	if err != nil {
		return nil, fmt.Errorf("landlock: %w", err)
	}
	attr := unix.LandlockRulesetAttr{Handled_access_fs: l.files()}
	if l.abi >= 4 {
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if l.abi >= 6 {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
		if l.errata&signalsWithinProcess != 0 {
			attr.Scoped |= unix.LANDLOCK_SCOPE_SIGNAL
		}
	}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return nil, fmt.Errorf("landlock: create a ruleset: %w", errno)
	}
	return &ruleset{fd: int(fd), files: attr.Handled_access_fs}, nil
}

func (r *ruleset) close() { unix.Close(r.fd) }

// allow allows rights to an open file, or to all files beneath an open
// folder.
func (r *ruleset) allow(fd int, rights uint64) error {
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights & r.files, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(r.fd), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errors.Is(errno, unix.EBADFD) {
		// A file of no mounted file system (a memfd, a pipe): Landlock has
		// no rules for these and refuses none of them.
		return nil
	}
	if errno != 0 {
		return fmt.Errorf("landlock: add a rule: %w", errno)
	}
	return nil
}

// allowPath allows rights to a file or, if it is a folder, to the files
// beneath it. What does not exist needs no rule.
func (r *ruleset) allowPath(path string, rights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("landlock: open %s: %w", path, err)
	}
	defer unix.Close(fd)
	return r.allow(fd, rights)
}

// restrict puts the ruleset on the calling thread, which must have
// no-new-privs. Threads and processes it starts inherit it.
func (r *ruleset) restrict() error {
	if _, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(r.fd), 0, 0); errno != 0 {
		return fmt.Errorf("landlock: restrict: %w", errno)
	}
	return nil
}

// landlockStatus tells whether Landlock can be used here.
func landlockStatus() LayerStatus {
	s := LayerStatus{Name: LayerLandlock}
	l, err := probeLandlock()
	switch {
	case errors.Is(err, unix.ENOSYS):
		s.Why = "the kernel has no Landlock"
		s.Remedy = "use a kernel 5.13 or newer, built with CONFIG_SECURITY_LANDLOCK"
	case errors.Is(err, unix.EOPNOTSUPP):
		s.Why = "Landlock is switched off"
		s.Remedy = "add landlock to the list of the kernel's boot parameter lsm="
	case err != nil:
		s.Why = fmt.Sprintf("landlock: %v", err)
		s.Remedy = "allow the landlock system calls, perhaps in the profile of the container this runs in"
	default:
		s.Available = true
		s.Version = "ABI " + strconv.Itoa(l.abi)
		switch {
		case l.abi < 4:
			s.Why = "files only: TCP is left to seccomp"
			s.Remedy = "a kernel 6.7 or newer adds it"
		case l.abi < 6:
			s.Why = "signals and abstract sockets are left to the other layers"
			s.Remedy = "a kernel 6.12 or newer adds them"
		case l.errata&signalsWithinProcess == 0:
			s.Why = "signals are left to the other layers: this kernel would stop the threads of a process from signalling each other"
			s.Remedy = "a kernel with Landlock erratum 2 fixed (6.15, or a newer stable release) adds them"
		}
	}
	return s
}
