package confine

import (
	"errors"
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

// onlyNamespaces are the layers of a process that nothing else keeps from
// what namespaces are to keep it from.
var onlyNamespaces = []string{LayerNamespaces}

// TestNamespaces: a process has a namespace of each kind of its own, and what
// that is good for, by this layer alone.
func TestNamespaces(t *testing.T) {
	needTool(t, LayerNamespaces)
	root := os.Geteuid() == 0
	kinds := []string{"pid", "ipc", "net", "uts"}
	if root {
		kinds = append(kinds, "mnt")
	} else {
		kinds = append(kinds, "user")
	}
	for _, kind := range kinds {
		host, err := os.Readlink("/proc/self/ns/" + kind)
		if err != nil {
			t.Fatal(err)
		}
		got := answers(t, spec("ns="+kind), onlyNamespaces)[0]
		if !strings.HasPrefix(got, kind+":[") || !strings.HasSuffix(got, "] ok") || strings.HasPrefix(got, host) {
			t.Errorf("namespace %s, the host's %s", got, host)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	connect := "connect=" + strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	victim := exec.Command(toolPath, "stop")
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	defer victim.Wait()
	defer victim.Process.Kill()
	pid := strconv.Itoa(victim.Process.Pid)
	file := filepath.Join(t.TempDir(), "file")
	openFile(t, file, os.O_CREATE|os.O_RDWR)
	for _, c := range []struct {
		action, with, bare string
		root               bool // only there is a difference
	}{
		{"own", "1 ok", "", false},
		{connect, "ENETUNREACH", "ok", false},
		{"abrt=" + pid, "ESRCH", "", false},
		{"attach=" + pid, "ESRCH", "", false},
		{"prlimit=" + pid, "ESRCH", "ok", false},
		{"read=" + file, "ENOENT", "ok", true},
		{"read=/etc/passwd", "ENOENT", "ok", true},
		{"list=/sys", "ENOENT", "ok", true},
		{"exec=/bin/true", "ENOENT", "", true},
		{"create=/tmp/new", "EROFS", "", true},
		{"create=" + toolPath + ".new", "EROFS", "", true},
		{"chmod=" + toolPath, "EROFS", "", true},
		{"read=/proc/kmsg", "ENOENT", "", true},
		// And what it needs.
		{"read=" + toolPath, "ok", "ok", true},
		{"read=/dev/urandom", "ok", "ok", true},
		{"write=/dev/null", "ok", "ok", true},
	} {
		if c.root && !root {
			continue
		}
		if got := answers(t, spec(c.action), onlyNamespaces)[0]; got != c.with {
			t.Errorf("%s: got %q, want %s", c.action, got, c.with)
		}
		if c.bare == "" {
			continue
		}
		if got := answers(t, spec(c.action), nil)[0]; got != c.bare {
			t.Errorf("%s without the layer: got %q, want %s", c.action, got, c.bare)
		}
	}
}

// TestNoMoreNamespaces: a process in namespaces of its own can make no other
// ones, not by the very call that made its own, nor start any process where
// that is the only one the filter permits.
func TestNoMoreNamespaces(t *testing.T) {
	needTool(t, allLayers()...)
	if !slices.Contains(allLayers(), LayerNamespaces) {
		t.Skip("no namespaces here")
	}
	layers := allLayers()
	for _, flags := range []uintptr{cloneSpace, threadSpace, unix.CLONE_NEWUSER, unix.CLONE_NEWNET, unix.CLONE_NEWPID} {
		for _, more := range []uintptr{0, unix.CLONE_VFORK | unix.CLONE_VM} {
			if got := answers(t, spec(fmt.Sprintf("clonens=%#x", flags|more)), layers)[0]; got != "EPERM" {
				t.Errorf("clone %#x: %s", flags|more, got)
			}
		}
	}
	if os.Geteuid() == 0 {
		return
	}
	if got := answers(t, spec("child"), layers)[0]; !strings.HasSuffix(got, "EPERM") {
		t.Errorf("it started a process: %s", got)
	}
	// The kernel alone says no, too: it is no accident of the filter.
	if got := answers(t, spec(fmt.Sprintf("clonens=%#x", unix.CLONE_NEWUSER)), onlyNamespaces)[0]; got != "EPERM" {
		t.Errorf("without the filter: %s", got)
	}
}

// TestCannotLeaveNamespaces: nothing outside of the view has a name, not by
// way of another process either.
func TestCannotLeaveNamespaces(t *testing.T) {
	needTool(t, LayerNamespaces)
	if os.Geteuid() != 0 {
		t.Skip("only root can give a process a root of its own")
	}
	for _, action := range []string{
		"read=../../../../etc/passwd", "read=/proc/1/root/etc/passwd", fmt.Sprintf("read=/proc/%d/root/etc/passwd", os.Getpid()),
		"read=/proc/self/root/etc/passwd", "read=/proc/self/cwd/etc/passwd", "read=/dev/fd/0/../etc/passwd",
	} {
		// As another user: root could do anything here, but for that.
		if got := answers(t, spec(action), []string{LayerUID, LayerNamespaces})[0]; got == "ok" {
			t.Errorf("%s: %s", action, got)
		}
	}
}

// TestHandedOverInNamespaces: a file is opened again in the way allowed,
// though the host's name of it is gone; this layer stops no way of it.
func TestHandedOverInNamespaces(t *testing.T) {
	needTool(t, LayerNamespaces)
	s := spec("read=/dev/fd/3", "write=/dev/fd/4", "set=4")
	dir := t.TempDir()
	s.Files = []File{
		{File: openFile(t, filepath.Join(dir, "in"), os.O_CREATE|os.O_RDWR)},
		{File: openFile(t, filepath.Join(dir, "out"), os.O_CREATE|os.O_RDWR), Access: ReadWrite},
	}
	if got := answers(t, s, onlyNamespaces); !slices.Equal(got, []string{"ok", "ok", "ok"}) {
		t.Errorf("got %q", got)
	}
}

// TestRequire: an optional layer that is missing is an error to who requires
// it, also under best effort; it is none to others.
func TestRequire(t *testing.T) {
	s := spec()
	s.Require = []string{"no-such-layer"}
	if _, err := Run(t.Context(), s); err == nil {
		t.Error("a layer that is none was required, and run without")
	}
	var missing string
	for _, l := range Layers() {
		if !l.Available && l.Optional {
			missing = l.Name
		}
	}
	if missing == "" {
		t.Skip("every layer is there")
	}
	needTool(t)
	for _, s.BestEffort = range []bool{false, true} {
		s.Require = []string{missing}
		_, err := Run(t.Context(), s)
		if layer, ok := errors.AsType[*LayerError](err); !ok || layer.Layer != missing || layer.Hint == "" {
			t.Errorf("best effort %v: %v", s.BestEffort, err)
		}
		s.Require = nil
		if r, err := Run(t.Context(), s); err != nil || slices.Contains(r.Layers, missing) {
			t.Errorf("not required, best effort %v: %+v, %v", s.BestEffort, r, err)
		}
	}
}
