// Package qemuimg runs qemu-img, always confined.
//
// What it protects: the host from qemu-img, and qemu-img from anything the
// verdict did not see. It takes vetted images only, and serves them over a
// connection (package nbd): qemu-img opens no image, and what was inspected
// it reads as it was inspected. It names the driver of every image, so that
// nothing is probed for a format; and it gives every call limits (package
// confine).
//
// It promises that a job either succeeds or fails with an error: a tool that
// was killed, ran into a limit or left the disk full is not a success, and
// neither is a conversion whose source changed meanwhile. What a failed job
// wrote is the caller's to discard.
//
// What it does not promise: anything about bytes of a source that were not
// inspected and that its owner changes behind its modification time's back.
package qemuimg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/assay-dev/assay/internal/pattern"
	"github.com/assay-dev/assay/native/confine"
)

// A Version is that of QEMU: major, minor, micro.
type Version [3]int

// String returns the version in the form "7.2.0".
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

// Less reports whether v is older than o.
func (v Version) Less(o Version) bool {
	for i := range v {
		if v[i] != o[i] {
			return v[i] < o[i]
		}
	}
	return false
}

// Config says where qemu-img is and how it is run.
type Config struct {
	// Path is the program; a name without a slash, or empty for "qemu-img",
	// is looked for in PATH.
	Path string
	// Users is the range of which each process gets a user of its own where
	// the host runs as root; the zero value is confine's.
	Users confine.UserRange
	// UID and GID, if UID is set, are the user and group of all instead.
	UID, GID int
	// BestEffort runs the processes also without the layers of confinement
	// that this host does not have. Otherwise that is an error
	// (*confine.LayerError).
	BestEffort bool
	// Require names layers of confinement without which no process is run,
	// whatever BestEffort says.
	Require []string
}

// A Tool is a qemu-img that was found and is usable. It is safe for
// concurrent use.
type Tool struct {
	path    string
	version Version
	nbd     bool // it has the driver that reads over a connection
	config  Config
}

// Path returns the program's absolute path.
func (t *Tool) Path() string { return t.path }

// Version returns the program's version.
func (t *Tool) Version() Version { return t.version }

// A NotFoundError says that there is no usable qemu-img. It matches
// errors.ErrUnsupported.
type NotFoundError struct {
	Path   string // what was looked for
	Reason error
}

// Error implements error.
func (e *NotFoundError) Error() string {
	return fmt.Sprintf("no usable qemu-img (%s): %v", e.Path, e.Reason)
}

// Hint says what to do about it.
func (e *NotFoundError) Hint() string {
	return "install qemu-img (Debian and Ubuntu: apt-get install qemu-utils; Fedora: dnf install qemu-img)"
}

// Unwrap returns the reason.
func (e *NotFoundError) Unwrap() error { return e.Reason }

// Is reports whether target is errors.ErrUnsupported.
func (e *NotFoundError) Is(target error) bool { return target == errors.ErrUnsupported }

// Find looks for qemu-img and asks it for its version and drivers. The error is a
// *NotFoundError if there is none, or none new enough; it is a *ToolError if
// it cannot be asked, and a *confine.LayerError if it cannot be confined.
func Find(ctx context.Context, c Config) (*Tool, error) {
	name := c.Path
	if name == "" {
		name = "qemu-img"
	}
	path, err := exec.LookPath(name)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return nil, &NotFoundError{Path: name, Reason: err}
	}
	t := &Tool{path: path, config: c}
	help, err := t.ask(ctx, "help")
	if err != nil {
		return nil, err
	}
	t.nbd = hasDriver(help, "nbd")
	// Most versions begin their help with it too.
	if t.version, err = parseVersion(help); err != nil {
		answer, err := t.ask(ctx, "version")
		if err != nil {
			return nil, err
		}
		if t.version, err = parseVersion(answer); err != nil {
			return nil, &NotFoundError{Path: path, Reason: err}
		}
	}
	if t.version.Less(minimum) {
		return nil, &NotFoundError{Path: path, Reason: fmt.Errorf("version %v is older than %v", t.version, minimum)}
	}
	return t, nil
}

// ask returns the answer to a question about the program itself.
func (t *Tool) ask(ctx context.Context, what string) ([]byte, error) {
	result, err := t.run(ctx, what, job{args: []string{"--" + what}, limits: QuickLimits()})
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return nil, &NotFoundError{Path: t.path, Reason: err}
	}
	if err != nil {
		return nil, err
	}
	return result.Stdout, nil
}

// hasDriver tells from the answer to --help whether a driver is there: the
// names of all stand in a list at its end.
func hasDriver(answer []byte, driver string) bool {
	_, list, found := bytes.Cut(answer, []byte("formats:"))
	return found && slices.Contains(strings.Fields(string(list)), driver)
}

// versionLine is how qemu-img begins its answer to --version; distributions
// put their own version behind it, in parentheses.
var versionLine = pattern.Lazy(`^qemu-img version (\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?`)

func parseVersion(answer []byte) (Version, error) {
	m := versionLine().FindSubmatch(answer)
	if m == nil {
		return Version{}, fmt.Errorf("it answers --version with %.60q", answer)
	}
	var v Version
	for i, digits := range m[1:] {
		// At most four digits, or none.
		v[i], _ = strconv.Atoi(string(digits))
	}
	return v, nil
}

// Limits is what one call may use.
type Limits struct {
	// CPU is processor time, and AddressSpace virtual memory in bytes.
	CPU          time.Duration
	AddressSpace int64
	// Deadline is the wall-clock time, and NoProgress the time without any
	// processor time used and data moved, after which the call is ended. One
	// of the two may be zero: unlimited.
	Deadline, NoProgress time.Duration
}

// Defaults of the limits. TestConvertLimits shows the address space that
// qemu-img 7.2 does not get by with: about a thirtieth of the default.
const (
	addressSpace = 1 << 30
	cpuBase      = 60 * time.Second
	cpuPerGiB    = 60 * time.Second
	deadline     = 120 * time.Second
)

// QuickLimits are the limits of calls that look at metadata only: 60 s of
// CPU, 1 GiB of address space, and a deadline of 120 s.
func QuickLimits() Limits {
	return Limits{CPU: cpuBase, AddressSpace: addressSpace, Deadline: deadline}
}

// ConvertLimits are the limits of a conversion of this many bytes of data: 60
// s of CPU and 60 s more for each GiB, 1 GiB of address space, and 120 s
// without progress.
func ConvertLimits(data int64) Limits {
	cpu := cpuBase + time.Duration(float64(max(0, data))/(1<<30)*float64(cpuPerGiB))
	return Limits{CPU: cpu, AddressSpace: addressSpace, NoProgress: deadline}
}

// environment is the whole environment of qemu-img: messages in English; one
// malloc arena for all threads, which is what keeps it small; and memory that
// is freed stays its own. Left to itself malloc gives back and takes anew, page
// by page, what each cluster is compressed in: a quarter of a compression's
// time. The threshold of mappings is the highest that glibc takes (mallopt(3)).
var environment = []string{
	"LC_ALL=C", "MALLOC_ARENA_MAX=1", "MALLOC_MMAP_THRESHOLD_=33554432", "MALLOC_TRIM_THRESHOLD_=268435456",
}

// openFiles is the limit of descriptors; a conversion uses about 15.
const openFiles = 64

// A job is one call of qemu-img.
type job struct {
	args     []string
	files    []confine.File
	limits   Limits
	fileSize int64 // the largest file it may write, in bytes
	output   func([]byte)
	started  func(pid int) // may be nil
	held     *held         // nil when it is not
}

// run runs qemu-img. The result is not nil if err is nil or a *ToolError.
func (t *Tool) run(ctx context.Context, op string, j job) (*confine.Result, error) {
	s := confine.Spec{
		Path:  t.path,
		Args:  j.args,
		Env:   environment,
		Files: j.files,
		Limits: confine.Limits{
			CPU: j.limits.CPU, AddressSpace: j.limits.AddressSpace, FileSize: j.fileSize, OpenFiles: openFiles,
		},
		Deadline:   j.limits.Deadline,
		Watchdog:   j.limits.NoProgress,
		Output:     j.output,
		Started:    j.started,
		Users:      t.config.Users,
		UID:        t.config.UID,
		GID:        t.config.GID,
		BestEffort: t.config.BestEffort,
		Require:    t.config.Require,
	}
	if j.held != nil {
		s.Held, s.Counter, s.Rates = j.held.waiting, j.held.counter, j.held.rates
	}
	result, err := confine.Run(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("qemu-img %s: %w", op, err)
	}
	if result.ExitCode != 0 {
		return result, newToolError(op, result)
	}
	return result, nil
}
