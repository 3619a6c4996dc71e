package confine

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/assay-dev/assay/internal/mountinfo"
	"golang.org/x/sys/unix"
)

// A hierarchy is a tree of control groups, with the group of this host in it.
type hierarchy struct {
	group       string   // the folder of the host's group
	unified     bool     // of version 2
	controllers []string // that a group made in it has, of those wanted
}

// wantedControllers are those that bound what a job does not own alone.
var wantedControllers = []string{"memory", "pids"}

// findHierarchies returns the hierarchies that have a wanted controller for
// the groups made in the host's own.
func findHierarchies() ([]hierarchy, error) {
	own, err := readLines("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	mounts, err := readLines("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	if found := hierarchiesOf(own, mounts); len(found) > 0 {
		return found, nil
	}
	return nil, errNoController
}

// hierarchiesOf returns the hierarchies by the lines of /proc/self/cgroup and
// /proc/self/mountinfo.
func hierarchiesOf(own, mounts []string) []hierarchy {
	var found []hierarchy
	for _, m := range mounts {
		mount := mountinfo.Parse(m)
		h := hierarchy{unified: mount.Kind == "cgroup2"}
		switch mount.Kind {
		case "cgroup2":
		case "cgroup":
			h.controllers = wantedOf(strings.Split(mount.Options, ","))
		default:
			continue
		}
		if !h.unified && len(h.controllers) == 0 || slices.ContainsFunc(found, h.same) {
			continue
		}
		var ok bool
		if h.group, ok = h.ownFolder(own, mount); !ok {
			continue
		}
		if h.unified {
			h.controllers = givenBy(h.group)
			if parent := filepath.Dir(h.group); len(h.controllers) == 0 && delegated(parent) {
				h.group, h.controllers = parent, givenBy(parent)
			}
		}
		if len(h.controllers) > 0 {
			found = append(found, h)
		}
	}
	return found
}

var errNoController = errors.New("groups made in the host's own have neither memory nor pids as a controller")

// givenBy returns which controllers a group of version 2 gives to those in it
// (cgroups(7)): none, while processes are in it.
func givenBy(group string) []string {
	given, err := os.ReadFile(filepath.Join(group, "cgroup.subtree_control"))
	if err != nil {
		return nil
	}
	return wantedOf(strings.Fields(string(given)))
}

// delegated tells whether systemd has left a group to the service in it
// (systemd.io/CGROUP_DELEGATION: the attribute is "1"), and has that give what
// it has to groups inside. With DelegateSubgroup= the service's own processes
// are in one of those.
func delegated(group string) bool {
	var value [2]byte
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		if n, err := unix.Getxattr(group, name, value[:]); err == nil && string(value[:n]) == "1" {
			if len(givenBy(group)) == 0 {
				// What cannot be given is not, and is seen when it is read.
				for _, controller := range append([]string{"io"}, wantedControllers...) {
					_ = os.WriteFile(filepath.Join(group, "cgroup.subtree_control"), []byte("+"+controller), 0)
				}
			}
			return true
		}
	}
	return false
}

// same tells whether two mounts are of one hierarchy.
func (h hierarchy) same(o hierarchy) bool {
	return h.unified == o.unified && (h.unified || slices.Equal(h.controllers, o.controllers))
}

func wantedOf(names []string) []string {
	var wanted []string
	for _, name := range wantedControllers {
		if slices.Contains(names, name) {
			wanted = append(wanted, name)
		}
	}
	return wanted
}

// ownFolder returns the folder of the host's group below a mount of the
// hierarchy, if the mount shows it.
func (h hierarchy) ownFolder(own []string, m mountinfo.Mount) (string, bool) {
	group, ok := h.ownGroup(own)
	if !ok {
		return "", false
	}
	below, err := filepath.Rel(m.Root, group)
	if err != nil || below == ".." || strings.HasPrefix(below, "../") {
		return "", false
	}
	return filepath.Join(m.Point, below), true
}

// ownGroup returns the host's group of the hierarchy, by /proc/self/cgroup
// (cgroups(7): lines of number, controllers and group; "0::" of version 2).
func (h hierarchy) ownGroup(lines []string) (string, bool) {
	for _, line := range lines {
		_, rest, _ := strings.Cut(line, ":")
		controllers, group, found := strings.Cut(rest, ":")
		if !found {
			continue
		}
		if h.unified && controllers == "" || !h.unified && slices.Contains(strings.Split(controllers, ","), h.controllers[0]) {
			return group, true
		}
	}
	return "", false
}

func readLines(name string) ([]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var lines []string
	scan := bufio.NewScanner(f)
	for scan.Scan() {
		lines = append(lines, scan.Text())
	}
	if err := scan.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return lines, nil
}
