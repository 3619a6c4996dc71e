//go:build amd64 || arm64

package confine

import (
	"errors"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A lack is a kernel, or a container, that does not give what a layer is made
// of: calls that are refused, and with what.
type lack struct {
	name    string
	layer   string // that is missing
	also    string // what rests on the same, or ""
	calls   []rule // refused when their conditions hold
	refusal unix.Errno
	why     string // part of what is told
}

// newNamespace refuses a call that would make any namespace.
func newNamespace(number uintptr) []rule {
	var rules []rule
	for _, flag := range []uint64{
		unix.CLONE_NEWNS, unix.CLONE_NEWUTS, unix.CLONE_NEWIPC, unix.CLONE_NEWUSER, unix.CLONE_NEWPID, unix.CLONE_NEWNET,
	} {
		rules = append(rules, rule{number: number, when: []condition{{0, flag, flag}}})
	}
	return rules
}

var lacks = []lack{
	{"kernel without Landlock", LayerLandlock, "", []rule{{number: unix.SYS_LANDLOCK_CREATE_RULESET}}, unix.ENOSYS, "no Landlock"},
	{"Landlock off", LayerLandlock, "", []rule{{number: unix.SYS_LANDLOCK_CREATE_RULESET}}, unix.EOPNOTSUPP, "switched off"},
	{"profile without Landlock", LayerLandlock, "", []rule{{number: unix.SYS_LANDLOCK_CREATE_RULESET}}, unix.EPERM, "operation not permitted"},
	{"profile without ptrace", LayerLimits, LayerCgroup, []rule{{number: unix.SYS_PTRACE}}, unix.EPERM, "ptrace: operation not permitted"},
	{"kernel without filters", LayerSeccomp, "", []rule{{number: unix.SYS_SECCOMP}}, unix.ENOSYS, "no seccomp filters"},
	{"container without namespaces", LayerNamespaces, "", slices.Concat(newNamespace(unix.SYS_CLONE), newNamespace(unix.SYS_UNSHARE)), unix.EPERM, "operation not permitted"},
	{"no more namespaces", LayerNamespaces, "", slices.Concat(newNamespace(unix.SYS_CLONE), newNamespace(unix.SYS_UNSHARE)), unix.ENOSPC, "no more namespaces"},
	{"control groups of another's", LayerCgroup, "", madeGroup, unix.EACCES, "permission denied"},
	{"control groups mounted for reading", LayerCgroup, "", madeGroup, unix.EROFS, "read-only file system"},
	{"container without mounts", LayerNamespaces, "", slices.Concat(newNamespace(unix.SYS_CLONE), []rule{{number: unix.SYS_MOUNT}}), unix.EACCES, "permission denied"},
}

// madeGroup is the call that makes a control group, by its mode.
var madeGroup = []rule{{number: unix.SYS_MKDIRAT, when: []condition{equals(2, 0o700)}}}

// TestUnavailable: where a layer cannot be had, that is told with a reason and
// a remedy. A process is then not run if the layer is not optional, or if it
// is required; and under best effort, or without the requirement, it is run
// under all the others. As root and, by TestAsNobody, as an unprivileged user.
func TestUnavailable(t *testing.T) {
	needTool(t, allLayers()...)
	for i, l := range lacks {
		t.Run(l.name, func(t *testing.T) {
			if !slices.Contains(allLayers(), l.layer) {
				t.Skip("missing here anyway")
			}
			t.Setenv(lackVariable, strconv.Itoa(i))
			again(t, "TestWithLack", func(*syscall.SysProcAttr) {})
		})
	}
}

// lackVariable names the lack of the test binary run again.
const lackVariable = "ASSAY_TEST_LACK"

// TestWithLack is the part of TestUnavailable under the lack: it takes the
// calls from the whole of this process before anything uses them.
func TestWithLack(t *testing.T) {
	onlyAgain(t)
	n, err := strconv.Atoi(os.Getenv(lackVariable))
	if err != nil {
		t.Fatal(err)
	}
	l := lacks[n]
	before := allLayers()
	separated.Store(int32(together)) // what worked, will no more
	usable.Store(nil)
	l.impose(t)

	for _, status := range Layers() {
		if missing := status.Name == l.layer || status.Name == l.also; status.Available == missing && slices.Contains(before, status.Name) {
			t.Errorf("%+v", status)
		} else if missing && (!strings.Contains(status.Why, l.why) || status.Remedy == "" || status.Version != "") {
			t.Errorf("told as %+v", status)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	s := spec("connect=" + strconv.Itoa(listener.Addr().(*net.TCPAddr).Port))
	_, err = Run(t.Context(), s)
	switch {
	case l.optional() && err != nil:
		t.Error(err)
	case !l.optional():
		l.check(t, err)
	}
	s.Require = []string{l.layer}
	_, err = Run(t.Context(), s)
	l.check(t, err)
	s.BestEffort = true
	_, err = Run(t.Context(), s)
	l.check(t, err)
	s.Require = nil
	r, err := Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if want := without(without(before, l.layer), l.also); !slices.Equal(r.Layers, want) {
		t.Errorf("layers %q, want %q", r.Layers, want)
	}
	if string(r.Stdout) == "ok\n" {
		t.Error("the layers that were left did not hold")
	}
}

func (l lack) optional() bool { return l.layer == LayerNamespaces || l.layer == LayerCgroup }

// check checks that a process was not run, for want of the layer.
func (l lack) check(t *testing.T, err error) {
	t.Helper()
	missing, ok := errors.AsType[*LayerError](err)
	if !ok || missing.Layer != l.layer || missing.Optional != l.optional() || missing.Hint == "" || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}

// impose takes the calls from every thread of this process.
func (l lack) impose(t *testing.T) {
	t.Helper()
	var p program
	p.load(dataNumber)
	for _, r := range l.calls {
		p.ifEqual(r.number, func() {
			p.ifAll(r.when, func() { p.refuse(l.refusal) })
			p.load(dataNumber)
		})
	}
	p.allow()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	prog := unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog))); errno != 0 {
		t.Fatal(errno)
	}
}
