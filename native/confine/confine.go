// Package confine runs one process with as little of the host as its job
// needs: the descriptors it is handed, its own program and libraries, and a
// bounded amount of time, memory and output.
//
// What it protects: the host from a native tool that a crafted image has
// taken over. The process runs under a stack of layers, each of which holds
// alone:
//
//   - limits: CPU time, address space, file size, descriptors, no core file.
//     They are set between the exec and the first instruction.
//   - no-new-privs: no program it executes gains a privilege.
//   - capabilities: it holds none, but the one to read a file it was handed
//     that its user could not open.
//   - uid (hosts that run as root): it runs as an unprivileged user, and as
//     one that nothing else runs as.
//   - namespaces (where the host may make them): it has no network, sees no
//     process but its own, and what it leaves behind ends with it; where the
//     host runs as root, it also has a root folder that holds nothing but its
//     program and libraries.
//   - landlock: it opens no file but those named above, and no TCP socket.
//   - seccomp: it makes no system call but those on a list; no sockets but
//     one it was handed, no namespaces, no tracing, no changes to inodes.
//   - cgroup (where control groups are delegated to the host): the memory and
//     the number of processes of it and all that it starts are bounded, and
//     they end together.
//
// The layers are put on the child alone, by way of a thread of the host that
// ends with it. The host keeps every right it had: it can still open any file
// and socket, start processes without confinement, and use the package from
// many goroutines at once.
//
// A layer that the host cannot give is an error, unless Spec.BestEffort says
// otherwise, or the layer is optional: one that ordinary hosts and containers
// do not permit, and without which each of the others still holds. Spec.Require
// makes it an error too. Result.Layers says which were there.
//
// What it does not promise: it is no virtual machine, and a kernel bug that a
// permitted system call reaches is a way out. The limits are of each process,
// and a tool that was taken over can start copies of itself; they stay as
// confined as it is, and the group they are in is killed when the tool ends.
// One that leaves the group lives on where there are no namespaces, the user
// is not its own, and there is no control group. Disk bandwidth is
// bounded only where Spec asks for it and control groups can.
//
// Confinement is a matter of Linux (kernel 5.13 or newer with Landlock). On
// other systems Run fails with an error that matches errors.ErrUnsupported.
package confine

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// The names of the layers, in the order in which Layers and Result list them.
const (
	LayerLimits       = "limits"
	LayerNoNewPrivs   = "no-new-privs"
	LayerCapabilities = "capabilities"
	LayerUID          = "uid"
	LayerNamespaces   = "namespaces"
	LayerLandlock     = "landlock"
	LayerSeccomp      = "seccomp"
	LayerCgroup       = "cgroup"
)

// LayerNames returns the names of all layers, on every system.
func LayerNames() []string { return slices.Clone(layerNames) }

var layerNames = []string{
	LayerLimits, LayerNoNewPrivs, LayerCapabilities, LayerUID, LayerNamespaces,
	LayerLandlock, LayerSeccomp, LayerCgroup,
}

// Nobody is the user and the group of a process that a root host starts where
// the range of users does not exist (a user namespace maps fewer): the
// overflow ids of Linux, which own nothing.
const Nobody = 65534

// The range of users that a root host takes one of for each process, if Spec
// names no other: 16 Mi ids above those that /etc/subuid (login.defs(5)) and
// systemd (systemd.io/UIDS-GIDS) hand out.
const (
	FirstUser = 0x7000_0000 // 1 879 048 192
	UserCount = 1 << 24
)

// A UserRange is a range of ids, of users and of groups. The zero value is
// the default range, UserCount ids from FirstUser on.
type UserRange struct {
	First, Count int
}

// Access says how the process may open a file it was handed again, by the
// name /dev/fd/N.
type Access int

const (
	// ReadOnly allows reading.
	ReadOnly Access = iota
	// ReadWrite allows reading, writing and truncating.
	ReadWrite
	// Connection is a connected socket: it is not opened again, and messages
	// are sent and received over it. No other one can be made.
	Connection
	// Pipe is the end of a pipe that is read from. It can be opened again where
	// its mode lets the process's user.
	Pipe
)

// A File is an open file that the process is handed.
type File struct {
	File   *os.File
	Access Access
}

// Limits is what the process may use. Every limit but FileSize must be
// positive.
type Limits struct {
	// CPU is processor time, user and system, of all threads; rounded up to a
	// second.
	CPU time.Duration
	// AddressSpace is virtual memory in bytes. A control group bounds by it what
	// all its processes use together, besides what they write to files that are
	// in memory (tmpfs), which FileSize bounds.
	AddressSpace int64
	// FileSize is the largest offset in bytes at which it may write to a
	// file; zero means that it may write to none.
	FileSize int64
	// OpenFiles is the number of descriptors.
	OpenFiles int
	// Processes is the number of processes and threads together; zero means
	// 128. It is set where the process's user is its own, for the kernel
	// counts them by user, and where there is a control group.
	Processes int
}

// A DeviceRate is how fast a process and all that it starts may read a block
// device, and how fast they may write it.
type DeviceRate struct {
	Device         uint64 // its number (stat(2), st_rdev): of a whole disk, no partition
	BytesPerSecond int64
}

// A Spec describes a process and what it may do.
type Spec struct {
	// Path is the program, an absolute path. It may be read and executed, and
	// the libraries it needs may be read.
	Path string
	// Args are its arguments, without the program's name.
	Args []string
	// Env is its whole environment; nothing is inherited.
	Env []string
	// Files become the descriptors 3, 4 and so on. Standard input is empty.
	Files []File

	Limits Limits
	// Rates are held by the control group, where there is one and its kernel
	// has such limits for the devices; Result.RatesHeld tells. With version 1
	// of control groups they bound what passes the page cache, and what the
	// process syncs.
	Rates []DeviceRate
	// Deadline is the wall-clock time after which the process is killed, and
	// Watchdog the time without progress: no processor time used, and nothing
	// read or written. Zero means never, for one of the two.
	Deadline time.Duration
	Watchdog time.Duration

	// Started, if set, is told the number of the process when it runs. Once Run
	// has returned the number may be that of another.
	Started func(pid int)
	// Held, if set, tells whether the host keeps the process waiting, as for a
	// rate that is not to be exceeded. The watchdog does not count such time.
	Held func() bool
	// Counter, if set, counts what the process writes.
	Counter *Counter

	// Output, if set, gets standard output as it arrives, besides
	// Result.Stdout. It is called from one goroutine; what it is given is
	// only valid during the call.
	Output func([]byte)

	// Users is the range of which the process gets a user and group of its
	// own where the host runs as root: one that nothing else runs as, so that
	// processes can do nothing to each other either. A file handed over for
	// writing is that user's while the process runs.
	Users UserRange
	// UID and GID, if UID is set, are a user and group to run as instead,
	// which processes may share.
	UID, GID int

	// BestEffort runs the process also where a layer is not available.
	BestEffort bool
	// Require names layers without which the process is not run, whatever
	// BestEffort says: those that are optional, above all.
	Require []string
}

// A Result tells how a process ended.
type Result struct {
	// Layers are the names of the layers that were active.
	Layers []string
	// RatesHeld says that the process was held to Spec.Rates.
	RatesHeld bool
	// ExitCode is the exit status, or -1 when a signal ended the process.
	ExitCode int
	// Signal is the signal that ended it, or 0.
	Signal syscall.Signal
	// Limit names the limit that ended it, or is empty: LimitCPU and so on.
	// A process that met its limits of memory or file size and went on to
	// fail in its own words is not counted.
	Limit string
	// Stdout and Stderr are the last 64 KiB of each.
	Stdout, Stderr []byte

	// UserTime and SystemTime are what it used, and Wall how long it took.
	UserTime, SystemTime, Wall time.Duration
}

// The values of Result.Limit.
const (
	LimitCPU        = "cpu"
	LimitFileSize   = "file-size"
	LimitDeadline   = "deadline"
	LimitMemory     = "memory" // of all processes of the control group
	LimitNoProgress = "no-progress"
)

// A LayerError says that the host cannot give a layer of confinement. It
// matches errors.ErrUnsupported.
type LayerError struct {
	Layer    string // LayerLandlock and so on
	Optional bool   // it is an error only because it was required
	Reason   string // why it is missing
	Hint     string // what to do about it
}

// Error implements error.
func (e *LayerError) Error() string {
	return fmt.Sprintf("confinement layer %s is not available: %s", e.Layer, e.Reason)
}

// Is reports whether target is errors.ErrUnsupported.
func (e *LayerError) Is(target error) bool { return target == errors.ErrUnsupported }

// A LayerStatus tells whether this host can give a layer.
type LayerStatus struct {
	Name      string `json:"name"`
	Available bool   `json:"available"`
	// Optional says that a process is run without it where it is missing.
	Optional bool `json:"optional,omitempty"`
	// Version is the version of the kernel's interface, where it has one.
	Version string `json:"version,omitempty"`
	// Why says why the layer is not available, or is weaker than it could be.
	Why string `json:"why,omitempty"`
	// Remedy says what to do about it.
	Remedy string `json:"remedy,omitempty"`
}

// check returns what is wrong with the description itself.
func (s *Spec) check() error {
	l := s.Limits
	switch {
	case !filepath.IsAbs(s.Path):
		return fmt.Errorf("confine: program %q is not an absolute path", s.Path)
	case l.CPU <= 0 || l.AddressSpace <= 0 || l.FileSize < 0 || l.OpenFiles <= 0 || l.Processes < 0:
		return fmt.Errorf("confine: limits %+v are not positive", l)
	case slices.ContainsFunc(s.Rates, func(r DeviceRate) bool { return r.BytesPerSecond < 1 }):
		return fmt.Errorf("confine: rates %+v are not positive", s.Rates)
	case s.Deadline < 0 || s.Watchdog < 0 || s.Deadline+s.Watchdog == 0:
		return errors.New("confine: neither a deadline nor a watchdog is set")
	case s.UID < 0 || s.GID < 0 || s.UID == 0 && s.GID != 0:
		return fmt.Errorf("confine: user %d, group %d", s.UID, s.GID)
	case s.Users != UserRange{} && (s.Users.First <= 0 || s.Users.Count <= 0 || s.Users.First > math.MaxInt32-s.Users.Count):
		return fmt.Errorf("confine: %d users from %d on", s.Users.Count, s.Users.First)
	}
	for _, name := range s.Require {
		if !slices.Contains(layerNames, name) {
			return fmt.Errorf("confine: there is no layer %q", name)
		}
	}
	for i, f := range s.Files {
		if f.File == nil {
			return fmt.Errorf("confine: no file for descriptor %d", 3+i)
		}
	}
	return nil
}
