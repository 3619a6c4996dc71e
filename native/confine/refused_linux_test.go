package confine

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRefused: everything that the package says a process cannot do, it
// cannot.
func TestRefused(t *testing.T) {
	layers := allLayers()
	needTool(t, layers...)
	// In namespaces of its own it finds less: the error is another one.
	together := without(layers, LayerNamespaces)
	dir := t.TempDir()
	other := filepath.Join(dir, "other")
	openFile(t, other, os.O_CREATE|os.O_RDWR)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	host := strconv.Itoa(os.Getpid())

	for _, c := range []struct{ action, want string }{
		{"read=/etc/passwd", "EACCES"},
		{"read=" + other, "EACCES"},
		{"read=/proc/self/status", "EACCES"},
		{"list=/", "EACCES"},
		{"write=/dev/urandom", "EACCES"},
		{"write=" + other, "EACCES"},
		{"create=" + dir + "/new", "EACCES"},
		{"create=/tmp/new", "EACCES"},
		{"exec=/bin/true", "EACCES"},
		{"truncate=" + other, "ENOSYS"},
		{"chmod=" + other, "ENOSYS"},
		{"unlink=" + other, "ENOSYS"},
		{"mkdir=" + dir + "/new", "ENOSYS"},
		{"socket", "ENOSYS"},
		{"unixsocket", "ENOSYS"},
		{"connect=" + port, "ENOSYS"},
		{"kill=" + host, "ENOSYS"},
		{"kill=1", "ENOSYS"},
		{"abrt=" + host, "EPERM"},
		{"attach=" + host, "EPERM"},
		{"prlimit=" + host, "EPERM"},
		{"mount=" + dir, "ENOSYS"},
		{"unshare", "ENOSYS"},
		{fmt.Sprintf("clonens=%#x", unix.CLONE_NEWUSER), "EPERM"},
		{"clone3", "ENOSYS"},
		{"iouring", "ENOSYS"},
		{"bpf", "ENOSYS"},
		{"keyctl", "ENOSYS"},
		{"userfd", "ENOSYS"},
		{"memfd", "ENOSYS"},
		{"setowner", "EINVAL"},
		{"ioctl", "ENOTTY"},
		{"numbered", "EPERM"},
		{"x32", "ENOSYS"},
		// And what it can do, or the rest would prove nothing.
		{"read=/dev/urandom", "ok"},
		{"write=/dev/null", "ok"},
		{"read=" + toolPath, "ok"},
	} {
		t.Run(c.action, func(t *testing.T) {
			if got := answers(t, spec(c.action), together); !slices.Equal(got, []string{c.want}) {
				t.Errorf("got %q, want %s", got, c.want)
			}
			if got := answers(t, spec(c.action), layers); (got[0] == "ok") != (c.want == "ok") {
				t.Errorf("in namespaces: got %q, want %s", got, c.want)
			}
		})
	}
	// Nor can it become root, whatever the filter allows it to ask.
	if got := answers(t, spec("setuid0"), layers); got[0] == "ok" {
		t.Error("it became root")
	}
}

// TestEachLayerAlone: a layer holds without the others, but for
// no-new-privs, which the kernel asks for first.
func TestEachLayerAlone(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other")
	openFile(t, other, os.O_CREATE|os.O_RDWR).Chmod(0o666)
	root := os.Geteuid() == 0
	needTool(t)
	// A process of the same user, to be signalled, and a port where nobody
	// listens.
	victim := exec.Command(toolPath, "stop")
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	defer victim.Wait()
	defer victim.Process.Kill()
	pid := strconv.Itoa(victim.Process.Pid)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	listener.Close()
	for _, c := range []struct {
		layer  string
		action string
		with   string // what the layer makes of it
		bare   string // what happens without
		root   bool   // only there is a difference
	}{
		{LayerLandlock, "read=/etc/passwd", "EACCES", "ok", false},
		{LayerLandlock, "exec=/bin/true", "EACCES", "", false},
		{LayerLandlock, "connect=" + port, "EACCES", "ECONNREFUSED", false},
		{LayerLandlock, "abrt=" + pid, "EPERM", "", false},
		{LayerSeccomp, "socket", "ENOSYS", "ok", false},
		{LayerSeccomp, "memfd", "ENOSYS", "ok", false},
		{LayerSeccomp, "prlimit=" + pid, "EPERM", "ok", false},
		{LayerSeccomp, "abrt=" + pid, "EPERM", "", false},
		{LayerLimits, fmt.Sprintf("limit=%d", unix.RLIMIT_CPU), "20/21 ok", "", false},
		{LayerLimits, fmt.Sprintf("limit=%d", unix.RLIMIT_AS), "4294967296/4294967296 ok", "", false},
		{LayerLimits, fmt.Sprintf("limit=%d", unix.RLIMIT_FSIZE), "1048576/1048576 ok", "", false},
		{LayerLimits, fmt.Sprintf("limit=%d", unix.RLIMIT_CORE), "0/0 ok", "", false},
		{LayerUID, "caps", "0000000000000000 ok", "", true},
		{LayerUID, "setuid0", "EPERM", "ok", true},
		{LayerCapabilities, "caps", "0000000000000000 ok", "", true},
	} {
		t.Run(c.layer+"/"+c.action, func(t *testing.T) {
			if c.root && !root {
				t.Skip("not root")
			}
			needTool(t, c.layer)
			if c.layer == LayerLandlock && !landlockStops(t, c.action) {
				t.Skip("this kernel's Landlock does not know of it")
			}
			s := spec(c.action)
			if got := answers(t, s, []string{LayerNoNewPrivs, c.layer}); got[0] != c.with {
				t.Errorf("with the layer: %q, want %q", got[0], c.with)
			}
			if c.bare == "" {
				return
			}
			if got := answers(t, s, nil); got[0] != c.bare {
				t.Errorf("without it: %q, want %q", got[0], c.bare)
			}
		})
	}
}

// landlockStops tells whether this kernel's Landlock stops an action at all.
func landlockStops(t *testing.T, action string) bool {
	t.Helper()
	l, err := probeLandlock()
	if err != nil {
		t.Fatal(err)
	}
	switch name, _, _ := strings.Cut(action, "="); name {
	case "connect":
		return l.abi >= 4
	case "abrt":
		return l.abi >= 6 && l.errata&signalsWithinProcess != 0
	}
	return true
}

// TestNothingInherited: a process has the descriptors, the environment and
// the folder it was given, also where the host itself was started with more.
func TestNothingInherited(t *testing.T) {
	needTool(t)
	t.Setenv("SECRET", "1")
	f := openFile(t, filepath.Join(t.TempDir(), "f"), os.O_CREATE|os.O_RDWR)
	// One that the host inherited, and would pass on.
	leak, err := unix.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(leak)
	s := spec("fds", "env", "pwd")
	s.Files = []File{{File: f}}
	want := []string{"0 1 2 3 ok", "LC_ALL=C ok", "/ ok"}
	if got := answers(t, s, allLayers()); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestConnection: messages go over a socket that was handed over, and over
// nothing else; it gives no right to make another one.
func TestConnection(t *testing.T) {
	needTool(t, allLayers()...)
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	host, client := os.NewFile(uintptr(fds[0]), "host"), os.NewFile(uintptr(fds[1]), "client")
	defer host.Close()
	defer client.Close()
	if _, err := host.WriteString("welcome"); err != nil {
		t.Fatal(err)
	}
	s := spec("message=3", "message=4", "socket", "unixsocket", "read=/dev/fd/4", "write=/dev/fd/4")
	file := openFile(t, filepath.Join(t.TempDir(), "f"), os.O_CREATE|os.O_RDWR)
	s.Files = []File{{File: client, Access: Connection}, {File: file}}
	want := []string{"welcome ok", "EPERM", "ENOSYS", "ENOSYS", "ok", "EACCES"}
	if got := answers(t, s, allLayers()); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	said := make([]byte, 16)
	if n, err := host.Read(said); err != nil || string(said[:n]) != "hello" {
		t.Errorf("the host was told %q, %v", said[:n], err)
	}
	s.Files = nil
	s.Args = []string{"message=1"}
	if got := answers(t, s, allLayers()); !slices.Equal(got, []string{"ENOSYS"}) {
		t.Errorf("without a socket: %q", got)
	}
}

// TestFiles: a file that was handed over can be opened again, whoever owns
// it and whether or not it has a name, in the way that was allowed; and it is
// its owner's when the process is done.
func TestFiles(t *testing.T) {
	layers := allLayers()
	needTool(t, layers...)
	dir := t.TempDir()
	nameless, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		t.Skip("no nameless files here: ", err)
	}
	memory, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	deleted := openFile(t, filepath.Join(dir, "deleted"), os.O_CREATE|os.O_RDWR)
	if err := os.Remove(deleted.Name()); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]*os.File{
		"private":  openFile(t, filepath.Join(dir, "private"), os.O_CREATE|os.O_RDWR),
		"deleted":  deleted,
		"nameless": os.NewFile(uintptr(nameless), "nameless"),
		"memory":   os.NewFile(uintptr(memory), "memory"),
	} {
		for _, access := range []Access{ReadOnly, ReadWrite} {
			t.Run(fmt.Sprintf("%s/%d", name, access), func(t *testing.T) {
				if name == "memory" && access == ReadOnly {
					t.Skip("Landlock has no rules for files in memory; nobody is handed one")
				}
				s := spec("read=/dev/fd/3", "write=/dev/fd/3")
				s.Files = []File{{File: f, Access: access}}
				want := []string{"ok", "ok"}
				if access == ReadOnly {
					want[1] = "EACCES"
				}
				if got := answers(t, s, layers); !slices.Equal(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
				var st unix.Stat_t
				if err := unix.Fstat(int(f.Fd()), &st); err != nil {
					t.Fatal(err)
				}
				if int(st.Uid) != os.Geteuid() || int(st.Gid) != os.Getegid() {
					t.Errorf("it is now owned by %d:%d", st.Uid, st.Gid)
				}
			})
		}
	}
}

// TestReadCapability: a root host's process that must read somebody's private
// file can do that, and holds no other capability.
func TestReadCapability(t *testing.T) {
	needTool(t, LayerUID)
	capability, ok := readCapability()
	if !ok {
		t.Skip("this root cannot read others' files")
	}
	f := openFile(t, filepath.Join(t.TempDir(), "private"), os.O_CREATE|os.O_RDWR)
	if err := f.Chown(1234, 1234); err != nil {
		t.Fatal(err)
	}
	s := spec("uid", "read=/dev/fd/3", "caps")
	s.UID, s.GID = 4321, 4322
	s.Files = []File{{File: f}}
	caps := fmt.Sprintf("%016x ok", uint64(1)<<capability)
	if got, want := answers(t, s, allLayers()), []string{"4321 4322 ok", "ok", caps}; !slices.Equal(got, want) {
		t.Errorf("as a user: got %q, want %q", got, want)
	}
	asRoot := without(allLayers(), LayerUID)
	if got, want := answers(t, s, asRoot), []string{"0 0 ok", "ok", caps}; !slices.Equal(got, want) {
		t.Errorf("as root: got %q, want %q", got, want)
	}
	s.Files[0].Access = ReadWrite
	if got, want := answers(t, s, allLayers()), []string{"4321 4322 ok", "ok", strings.Repeat("0", 16) + " ok"}; got[0] != want[0] || got[1] != want[1] {
		t.Errorf("a file for writing: got %q, want %q", got, want)
	}
}
