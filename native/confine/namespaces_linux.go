package confine

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// A separation is the way in which a process gets namespaces of its own.
type separation int

const (
	// together: it gets none.
	together separation = iota
	// byThread: the thread that starts it enters them first, which takes
	// CAP_SYS_ADMIN, and gives it a root of its own.
	byThread
	// byClone: it is started in them, one of which is a user namespace. No
	// user is mapped in it: the process is who it was on the outside and
	// nobody inside, has no capability in it, and can make no other one.
	byClone
)

// The namespaces of each separation. A mount namespace is of use only to who
// may mount.
const (
	isolated    = unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWNET | unix.CLONE_NEWUTS
	threadSpace = isolated | unix.CLONE_NEWNS
	cloneSpace  = isolated | unix.CLONE_NEWUSER
)

// String names the namespaces of a separation.
func (s separation) String() string {
	switch s {
	case byThread:
		return "mount pid ipc network uts"
	case byClone:
		return "user pid ipc network uts"
	}
	return "none"
}

// separated remembers a separation that worked: to try costs as much as to do.
var separated atomic.Int32

// probeNamespaces tries which separation works here.
func probeNamespaces() (separation, error) {
	if known := separation(separated.Load()); known != together {
		return known, nil
	}
	how, err := byClone, error(nil)
	switch {
	case hasCapability(unix.CAP_SYS_ADMIN):
		how = byThread
		onOwnThread(func() { err = enterNamespaces(needs{}) })
	case os.Geteuid() == 0:
		// It would have to become another user, which no user namespace maps.
		return together, errNotAdmin
	default:
		err = tryClone()
	}
	if err != nil {
		return together, err
	}
	separated.Store(int32(how))
	return how, nil
}

var errNotAdmin = errors.New("root without CAP_SYS_ADMIN")

// tryClone starts a process in namespaces that executes nothing: there is no
// program without a name, and to find that out it has to be started.
func tryClone() error {
	_, _, err := syscall.StartProcess("", []string{""}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{
		Cloneflags: cloneSpace | unix.CLONE_VFORK | unix.CLONE_VM,
	}})
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// enterNamespaces moves the calling thread, which is never to run anything
// else again, into namespaces of its own, where it sees no files but those
// needed. The process it starts is the first of its pid namespace, so that
// all it leaves behind ends with it.
func enterNamespaces(n needs) error {
	if err := unix.Unshare(threadSpace); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	if err := n.enterView(); err != nil {
		return fmt.Errorf("a root of its own: %w", err)
	}
	return nil
}

// namespacesStatus tells whether a process can be given namespaces here.
func namespacesStatus() LayerStatus {
	s := LayerStatus{Name: LayerNamespaces, Optional: true}
	how, err := probeNamespaces()
	switch {
	case err == nil:
		s.Available, s.Version = true, how.String()
	case errors.Is(err, errNotAdmin):
		s.Why = err.Error()
		s.Remedy = "run as an unprivileged user, or grant CAP_SYS_ADMIN"
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EUSERS):
		s.Why = "there may be no more namespaces, or none"
		s.Remedy = "raise the sysctl user.max_user_namespaces, and the others named user.max_*_namespaces"
	case sysctl("kernel/unprivileged_userns_clone") == "0":
		s.Why = "unprivileged user namespaces are switched off: kernel.unprivileged_userns_clone is 0"
		s.Remedy = "set the sysctl kernel.unprivileged_userns_clone to 1"
	case sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1":
		s.Why = "AppArmor restricts unprivileged user namespaces: " + err.Error()
		s.Remedy = "give the program an AppArmor profile that allows userns"
	default:
		s.Why = err.Error()
		s.Remedy = "allow the calls clone, unshare and mount, perhaps in the profile of the container this runs in"
	}
	return s
}

// sysctl returns the value of a kernel setting, or "".
func sysctl(name string) string {
	value, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(value))
}
