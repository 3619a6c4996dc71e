package confine

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/assay-dev/assay/internal/openfile"
	"golang.org/x/sys/unix"
)

// A cgroup is the control group of one process and all that it starts: a
// folder in each hierarchy.
type cgroup struct {
	folders []groupFolder
	io      *groupFolder // the one with the limits of devices; nil without any
	blkio   *groupFolder // io, where it is of version 1 and none of folders
	held    bool         // the group is held to those limits
}

type groupFolder struct {
	hierarchy
	path string
	// held is the folder, locked: the kernel lets go of the lock when the host
	// ends, however it ends, which tells a group that is used from one that
	// was left behind. A number of the host would not: another process may
	// have it by then, or it may be that of another namespace.
	held *os.File
}

// groupPrefix begins the names of groups. The number of the host, for people,
// and what nobody can guess come behind it.
const groupPrefix = "assay-job-"

// newCgroup makes a group with the limits of a process, and where it can its
// rates. It must be removed.
func newCgroup(s *Spec) (*cgroup, error) {
	hierarchies, err := usableHierarchies()
	if err != nil {
		return nil, err
	}
	limits := s.Limits
	if limits.AddressSpace, err = groupMemory(s); err != nil {
		return nil, err
	}
	g, err := makeCgroup(hierarchies, limits)
	if err == nil && len(s.Rates) > 0 {
		g.held = g.holdTo(s.Rates)
	}
	return g, err
}

// groupMemory returns how much memory a group may use, in bytes: what one
// process may map, and what of its files is memory and nothing else, which the
// kernel counts as the group's that wrote it.
func groupMemory(s *Spec) (int64, error) {
	memory := s.Limits.AddressSpace
	for i, f := range s.Files {
		if f.Access != ReadWrite {
			continue
		}
		var system unix.Statfs_t
		if err := openfile.Control(f.File, func(fd int) error { return unix.Fstatfs(fd, &system) }); err != nil {
			return 0, fmt.Errorf("descriptor %d: %w", 3+i, err)
		}
		switch uint32(system.Type) {
		case unix.TMPFS_MAGIC, unix.RAMFS_MAGIC:
			memory += min(s.Limits.FileSize, math.MaxInt64-memory)
		}
	}
	return memory, nil
}

func makeCgroup(hierarchies []hierarchy, l Limits) (_ *cgroup, err error) {
	g := &cgroup{}
	defer func() {
		if err != nil {
			g.remove()
		}
	}()
	for _, h := range hierarchies {
		f, err := makeFolder(h)
		if err != nil {
			return nil, err
		}
		g.folders = append(g.folders, f)
		for _, controller := range h.controllers {
			if err := f.limit(controller, l); err != nil {
				return nil, err
			}
		}
	}
	return g, nil
}

// makeFolder makes a group in a hierarchy, and holds it.
func makeFolder(h hierarchy) (groupFolder, error) {
	const tries = 100
	for range tries {
		name := fmt.Sprintf("%s%d-%s", groupPrefix, os.Getpid(), strings.ToLower(rand.Text()))
		f := groupFolder{hierarchy: h, path: filepath.Join(h.group, name)}
		if err := os.Mkdir(f.path, 0o700); err != nil {
			return groupFolder{}, err
		}
		// Until it is held, another host may take it for left behind, and then
		// it is gone.
		if f.hold() {
			return f, nil
		}
		unix.Rmdir(f.path)
	}
	return groupFolder{}, errors.New("control groups disappear as they are made")
}

// hold locks the group's folder, and tells whether it is locked and there.
func (f *groupFolder) hold() bool {
	held, err := os.OpenFile(f.path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	if unix.Flock(int(held.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		open, err := held.Stat()
		named, err2 := os.Lstat(f.path)
		if err == nil && err2 == nil && os.SameFile(open, named) {
			f.held = held
			return true
		}
	}
	held.Close()
	return false
}

// limit sets the limit of a controller.
func (f groupFolder) limit(controller string, l Limits) error {
	switch {
	case controller == "pids":
		return f.write("pids.max", strconv.Itoa(cmp.Or(l.Processes, processes)))
	case f.unified:
		// What one process may map, all together may use; the kernel kills
		// them together when they do not get by with it.
		return errors.Join(f.write("memory.max", strconv.FormatInt(l.AddressSpace, 10)), f.write("memory.oom.group", "1"))
	default:
		return f.write("memory.limit_in_bytes", strconv.FormatInt(l.AddressSpace, 10))
	}
}

func (f groupFolder) write(name, value string) error {
	return os.WriteFile(filepath.Join(f.path, name), []byte(value), 0)
}

// all are the folders of the group.
func (g *cgroup) all() []groupFolder {
	if g.blkio == nil {
		return g.folders
	}
	return append(slices.Clip(g.folders), *g.blkio)
}

// place puts a process that has not run yet into the group.
func (g *cgroup) place(pid int) error {
	for _, f := range g.all() {
		if err := f.write("cgroup.procs", strconv.Itoa(pid)); err != nil {
			return err
		}
	}
	return nil
}

// kill kills every process of the group.
func (g *cgroup) kill() {
	for _, f := range g.folders {
		if f.unified && f.write("cgroup.kill", "1") == nil {
			return
		}
	}
	// Older: nothing new can start, and what there is, is killed by number.
	for _, f := range g.folders {
		if f.write("pids.max", "0") == nil || len(g.folders) == 1 {
			f.killMembers()
			return
		}
	}
}

// killMembers kills the processes that the group has now.
func (f groupFolder) killMembers() {
	for _, pid := range f.members() {
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue // it is gone
		}
		// The number may have passed to another process before it was opened,
		// but not since.
		if slices.Contains(f.members(), pid) {
			unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
		}
		unix.Close(fd)
	}
}

// outOfMemory tells whether the kernel killed a process of the group for want
// of memory.
func (g *cgroup) outOfMemory() bool {
	for _, f := range g.folders {
		name := "memory.oom_control"
		if f.unified {
			name = "memory.events"
		}
		text, _ := os.ReadFile(filepath.Join(f.path, name))
		for line := range strings.Lines(string(text)) {
			if count, ok := strings.CutPrefix(line, "oom_kill "); ok && strings.TrimSpace(count) != "0" {
				return true
			}
		}
	}
	return false
}

// members returns the processes of the group.
func (f groupFolder) members() []int {
	var pids []int
	text, _ := os.ReadFile(filepath.Join(f.path, "cgroup.procs"))
	for field := range strings.FieldsSeq(string(text)) {
		// 0 is a process that this host cannot see; kill(0) is not meant.
		if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// removeGrace is how long processes that were killed may take to end; a group
// that still has some is left to the next host.
const removeGrace = time.Second

// remove removes the group, and before that kills what is left in it: most
// often nothing, which shows by that it can be removed.
func (g *cgroup) remove() {
	end := time.Now().Add(removeGrace)
	for _, f := range g.all() {
		for errors.Is(unix.Rmdir(f.path), unix.EBUSY) && time.Now().Before(end) {
			g.kill()
			time.Sleep(time.Millisecond)
		}
		f.held.Close()
	}
}

// sweep removes the groups of hosts that do not run any more.
func sweep(h hierarchy) {
	left, _ := filepath.Glob(filepath.Join(h.group, groupPrefix+"*"))
	for _, path := range left {
		f := groupFolder{hierarchy: h, path: path}
		if !f.hold() {
			continue
		}
		// The jobs themselves died with their host (PR_SET_PDEATHSIG); what
		// they started may not have. A group that has processes yet cannot be
		// removed.
		f.killMembers()
		unix.Rmdir(path)
		f.held.Close()
	}
}

// usable remembers the hierarchies in which a group could be made.
var usable atomic.Pointer[[]hierarchy]

// usableHierarchies returns the hierarchies in which groups can be made. The
// first time it makes one to see, and removes what earlier hosts left.
func usableHierarchies() ([]hierarchy, error) {
	if known := usable.Load(); known != nil {
		return *known, nil
	}
	found, err := findHierarchies()
	if err != nil {
		return nil, err
	}
	g, err := makeCgroup(found, Limits{AddressSpace: 1 << 30})
	if err != nil {
		return nil, err
	}
	g.remove()
	for _, h := range found {
		sweep(h)
	}
	usable.Store(&found)
	return found, nil
}

// cgroupStatus tells whether a process can be given a control group here.
func cgroupStatus() LayerStatus {
	s := LayerStatus{Name: LayerCgroup, Optional: true}
	if why, remedy := noStop(); why != "" {
		s.Why, s.Remedy = "a process cannot be put into a group before its first instruction: "+why, remedy
		return s
	}
	hierarchies, err := usableHierarchies()
	switch {
	case errors.Is(err, errNoController):
		s.Why = err.Error()
		s.Remedy = "have them delegated: with systemd, Delegate=memory pids and DelegateSubgroup="
		return s
	case err != nil:
		s.Why = err.Error()
		s.Remedy = "have a control group delegated to the user that this runs as: with systemd, Delegate=yes"
		return s
	}
	s.Available = true
	var names []string
	for _, h := range hierarchies {
		version := "v1"
		if h.unified {
			version = "v2"
		}
		names = append(names, version+" "+strings.Join(h.controllers, " "))
	}
	s.Version = strings.Join(names, ", ")
	return s
}
