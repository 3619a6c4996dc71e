package confine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/assay-dev/assay/internal/mountinfo"
	"golang.org/x/sys/unix"
)

// onlyCgroup are the layers of a process that nothing else bounds.
var onlyCgroup = []string{LayerCgroup}

// groupsLeft returns the groups that this host has, in all hierarchies.
func groupsLeft(t *testing.T) []string {
	t.Helper()
	hierarchies, err := findHierarchies()
	if err != nil {
		t.Fatal(err)
	}
	if h := blkio(); h != nil {
		hierarchies = append(hierarchies, *h)
	}
	return groupsOf(t, hierarchies, os.Getpid())
}

// groupsOf returns the groups that the host of a number has or had.
func groupsOf(t *testing.T, hierarchies []hierarchy, host int) []string {
	t.Helper()
	var left []string
	for _, h := range hierarchies {
		groups, err := filepath.Glob(filepath.Join(h.group, fmt.Sprintf("%s%d-*", groupPrefix, host)))
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, groups...)
	}
	return left
}

// TestCgroup: by this layer alone, the processes and the memory of a job are
// bounded together, all that it started ends with it, and no group is left.
func TestCgroup(t *testing.T) {
	needTool(t, LayerCgroup)
	if !slices.Contains(allLayers(), LayerCgroup) {
		t.Skip("no control groups here")
	}
	hierarchies, err := findHierarchies()
	if err != nil {
		t.Fatal(err)
	}
	has := func(controller string) bool {
		return slices.ContainsFunc(hierarchies, func(h hierarchy) bool { return slices.Contains(h.controllers, controller) })
	}
	if has("pids") {
		s := spec("bomb")
		s.Limits.Processes = 40
		got := answers(t, s, onlyCgroup)[0]
		var n int
		if _, err := fmt.Sscanf(got, "%d EAGAIN", &n); err != nil || n < 1 || n > 40 {
			t.Errorf("of processes: %q", got)
		}
	}
	if has("memory") {
		s := spec("use=32", "use=256")
		s.Limits.AddressSpace = 96 << 20
		r, err := run(t.Context(), s, onlyCgroup)
		if err != nil {
			t.Fatal(err)
		}
		if r.Limit != LimitMemory || r.Signal != unix.SIGKILL || string(r.Stdout) != "ok\n" {
			t.Errorf("of memory: %+v, said %q", r, r.Stdout)
		}
	}
	if has("memory") {
		// A file in memory is no memory of the process.
		fd, err := unix.MemfdCreate("output", unix.MFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		inMemory := os.NewFile(uintptr(fd), "output")
		defer inMemory.Close()
		s := spec("data=3,256", "use=256")
		s.Limits.AddressSpace, s.Limits.FileSize = 96<<20, 256<<20
		s.Files = []File{{File: inMemory, Access: ReadWrite}}
		r, err := run(t.Context(), s, onlyCgroup)
		if err != nil {
			t.Fatal(err)
		}
		if r.Limit != LimitMemory || string(r.Stdout) != "ok\n" {
			t.Errorf("of memory, beside a file in it: %+v, said %q", r, r.Stdout)
		}
	}
	awaitGone(leftBehind(t, "escape", onlyCgroup))
	if left := groupsLeft(t); left != nil {
		t.Errorf("left: %q", left)
	}
	// Nor is one left where the process cannot be started.
	s := spec()
	s.Path = filepath.Dir(toolPath)
	if _, err := run(t.Context(), s, onlyCgroup); err == nil {
		t.Error("a folder was run")
	}
	if left := groupsLeft(t); left != nil {
		t.Errorf("left of a start that failed: %q", left)
	}
}

// TestUnifiedCgroup: a group of version 2 takes a process, and ends it. Which
// controllers there are does not matter for that.
func TestUnifiedCgroup(t *testing.T) {
	needTool(t)
	mounts, err := readLines("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	h := hierarchy{unified: true}
	for _, m := range mounts {
		if mount := mountinfo.Parse(m); mount.Kind == "cgroup2" && mount.Root == "/" {
			h.group = mount.Point
		}
	}
	if h.group == "" || unix.Access(h.group, unix.W_OK) != nil {
		t.Skip("no hierarchy of version 2 to write to")
	}
	g, err := makeCgroup([]hierarchy{h}, Limits{})
	if err != nil {
		t.Skip(err)
	}
	victim := exec.Command(toolPath, "stop")
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	if err := g.place(victim.Process.Pid); err != nil {
		t.Error(err)
	}
	if got := g.folders[0].members(); !slices.Equal(got, []int{victim.Process.Pid}) {
		t.Errorf("in the group: %v", got)
	}
	g.kill()
	victim.Wait()
	g.remove()
	if _, err := os.Stat(g.folders[0].path); !os.IsNotExist(err) {
		t.Errorf("the group is left: %v", err)
	}
}

// TestSweep: what a host that is no more left is removed with the processes in
// it, and what a living one uses is not.
func TestSweep(t *testing.T) {
	needTool(t)
	hierarchies, err := usableHierarchies()
	if err != nil {
		t.Skip("no control groups here: ", err)
	}
	victim := exec.Command(toolPath, "stop")
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	h := hierarchies[0]
	group := func() groupFolder {
		f, err := makeFolder(h)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.held.Close(); unix.Rmdir(f.path) })
		return f
	}
	left, used := group(), group()
	if err := left.write("cgroup.procs", fmt.Sprint(victim.Process.Pid)); err != nil {
		t.Fatal(err)
	}
	sweep(h)
	if gone(victim.Process.Pid) {
		t.Fatal("a process of a living host was killed")
	}
	left.held.Close() // as the kernel does when a host ends
	sweep(h)
	victim.Wait()
	sweep(h)
	if _, err := os.Stat(left.path); !os.IsNotExist(err) {
		t.Errorf("the group of a dead host: %v", err)
	}
	if _, err := os.Stat(used.path); err != nil {
		t.Errorf("the group of a living host: %v", err)
	}
}

// TestSweptWhileMade: groups that are made while others remove what is left
// are not.
func TestSweptWhileMade(t *testing.T) {
	needTool(t)
	hierarchies, err := usableHierarchies()
	if err != nil {
		t.Skip("no control groups here: ", err)
	}
	stop := make(chan struct{})
	var sweeping sync.WaitGroup
	sweeping.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				sweep(hierarchies[0])
			}
		}
	})
	for range 50 {
		f, err := makeFolder(hierarchies[0])
		if err != nil {
			t.Error(err)
			break
		}
		sweep(hierarchies[0])
		if err := unix.Rmdir(f.path); err != nil {
			t.Error(err)
		}
		f.held.Close()
	}
	close(stop)
	sweeping.Wait()
}

func TestHierarchies(t *testing.T) {
	unified := t.TempDir()
	for group, given := range map[string]string{"": "cpu memory pids\n", "service": "memory pids\n", "service/leaf": "\n", "user": "pids\n", "user/leaf": ""} {
		dir := filepath.Join(unified, group)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		putFile(t, filepath.Join(dir, "cgroup.subtree_control"), []byte(given), 0o644)
	}
	if err := unix.Setxattr(filepath.Join(unified, "user"), "user.delegate", []byte("1"), 0); err != nil {
		t.Skip("no attributes here: ", err)
	}
	v2 := func(root string) string {
		return "36 25 0:31 " + root + " " + unified + " rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate"
	}
	for _, c := range []struct {
		name, own, mounts string
		want              []hierarchy
	}{
		{"unified, root", "0::/", v2("/"), []hierarchy{{unified, true, []string{"memory", "pids"}}}},
		{"unified, delegated", "0::/service", v2("/"), []hierarchy{{unified + "/service", true, []string{"memory", "pids"}}}},
		{"unified, in use itself", "0::/service/leaf", v2("/"), nil},
		{"unified, in a part of what is delegated", "0::/user/leaf", v2("/"), []hierarchy{{unified + "/user", true, []string{"pids"}}}},
		{"unified, a part mounted", "0::/pod/service", v2("/pod"), []hierarchy{{unified + "/service", true, []string{"memory", "pids"}}}},
		{"unified, another part mounted", "0::/service", v2("/pod"), nil},
		{"unified, outside of the namespace", "0::/../other", v2("/"), nil},
		{"not mounted", "0::/", "22 1 0:20 / /proc rw - proc proc rw", nil},
		{"version 1", "8:pids:/a\n4:cpu,memory:/b\n1:name=systemd:/c\n0::/d",
			"31 30 0:28 / /cg/cpu,memory rw - cgroup cgroup rw,cpu,memory\n38 30 0:35 / /cg/pids rw - cgroup cgroup rw,pids\n39 30 0:36 / /cg/systemd rw - cgroup cgroup rw,name=systemd",
			[]hierarchy{{"/cg/cpu,memory/b", false, []string{"memory"}}, {"/cg/pids/a", false, []string{"pids"}}}},
		{"version 1, mounted twice", "4:memory:/b",
			"31 30 0:28 / /cg/memory rw - cgroup cgroup rw,memory\n32 30 0:28 / /again rw - cgroup cgroup rw,memory", []hierarchy{{"/cg/memory/b", false, []string{"memory"}}}},
		{"a name with a space", "4:memory:/", `31 30 0:28 / /c\040g rw - cgroup cgroup rw,memory`, []hierarchy{{"/c g", false, []string{"memory"}}}},
		{"lines cut short", "4:memory\n0:", "31 30 0:28 / /cg\n- cgroup cgroup rw,memory\n31 30 0:28 / /cg rw - cgroup2", nil},
	} {
		got := hierarchiesOf(strings.Split(c.own, "\n"), strings.Split(c.mounts, "\n"))
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}
