package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/native/confine"
)

// sighting is what a program did with images, as the kernel saw it.
type sighting struct {
	// strays are the calls that named a file other than the images and what
	// any run of the program touches, that changed a name, or that touched
	// the network; done or only tried.
	strays []string
	opened map[string]bool // the images that were; without them the witness is blind
	stdout []byte
	err    error // how the program failed, or nil
}

// watch runs qemu-img, in the folder of the first of the images that it is
// given, under strace. There is no network for it: a socket is seen and
// refused.
func watch(t *testing.T, qemuImg string, images []string, args ...string) *sighting {
	t.Helper()
	log := filepath.Join(t.TempDir(), "strace")
	// Strings in hexadecimal: a name may hold whatever strace writes around
	// it. Without io_uring, every file is opened by a call that is seen.
	traced := []string{
		"strace", "-f", "--seccomp-bpf", "-qq", "-xx", "-s", "8192", "-o", log,
		"-e", "trace=%file,%network,io_uring_setup", "-e", "signal=none",
		"-e", "inject=socket:error=EACCES", "-e", "inject=io_uring_setup:error=ENOSYS",
		qemuImg,
	}
	s := &sighting{opened: map[string]bool{}}
	s.stdout, s.err = run(t, filepath.Dir(images[0]), append(traced, args...)...)
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatalf("strace left no log: %v, %v", s.err, err)
	}
	if len(text) == 0 {
		t.Fatalf("strace saw nothing: %v", s.err)
	}
	for line := range strings.Lines(string(text)) {
		s.read(t, strings.TrimSuffix(line, "\n"), qemuImg, images)
	}
	return s
}

// run runs a program in a folder. What an image makes it spend is bounded: to
// be stopped counts as a failure.
func run(t *testing.T, dir string, command ...string) (stdout []byte, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", `ulimit -t 10 -v 4194304; exec "$@"`, "sh"}, command...)...)
	cmd.Dir = dir
	cmd.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	stdout, err = cmd.Output()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		t.Fatal(err)
	}
	return stdout, err
}

// call is a line of strace's log that begins a call: process, call, the rest.
var call = regexp.MustCompile(`^\d+ +(\w+)\((.*)$`)

// idle is a line that begins none: it resumes one whose beginning was a line
// before, or says that a thread ended, perhaps before its call was known.
var idle = regexp.MustCompile(`^\d+ +(<\.\.\. \w+ resumed>|\+\+\+ |\?\?\?\()`)

// name is a string among the arguments of a call.
var name = regexp.MustCompile(`"((?:\\x[0-9a-f]{2})*)"`)

// looking are the calls that change nothing but the caller.
var looking = []string{
	"open", "openat", "openat2", "stat", "lstat", "newfstatat", "statx", "statfs", "access", "faccessat", "faccessat2",
	"readlink", "readlinkat", "getcwd", "execve",
}

// read reads a line of strace's log.
func (s *sighting) read(t *testing.T, line, program string, images []string) {
	t.Helper()
	m := call.FindStringSubmatch(line)
	if m == nil {
		if !idle.MatchString(line) {
			t.Fatalf("strace wrote %.200q, which is not understood", line)
		}
		return
	}
	function, arguments := m[1], m[2]
	if function == "io_uring_setup" {
		return // any run tries it
	}
	first := name.FindStringSubmatch(arguments)
	if !slices.Contains(looking, function) || (first == nil && strings.Contains(arguments, `"`)) {
		s.strays = append(s.strays, function+"("+unhex(arguments))
		return
	}
	if first == nil || first[1] == "" {
		return // asks about a descriptor
	}
	path := unhex(first[1])
	switch absolute := absolute(filepath.Dir(images[0]), path); {
	case slices.Contains(images, absolute):
		if strings.HasPrefix(function, "open") {
			s.opened[absolute] = true
		}
		if strings.Contains(arguments, "O_WRONLY") || strings.Contains(arguments, "O_RDWR") {
			s.strays = append(s.strays, function+" for writing: "+path)
		}
	case !ordinary(absolute, program):
		s.strays = append(s.strays, function+" "+path)
	}
}

// absolute cleans a name. A relative one to another descriptor than the
// working directory gets another place, which is not ordinary either.
func absolute(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// ordinary reports whether a program touches the file whatever it reads: its
// own, its libraries and modules, and what these ask the system for.
func ordinary(path, program string) bool {
	if path == program || path == filepath.Join(filepath.Dir(program), "qemu-bundle") || slices.Contains([]string{
		"/etc/ld.so.preload", "/etc/ld.so.cache", "/etc/gnutls/config", "/etc/localtime",
		"/dev/null", "/dev/urandom", "/proc/self/status", "/proc/self/exe", "/proc/self/maps", "/proc/sys/vm/overcommit_memory",
	}, path) {
		return true
	}
	return slices.ContainsFunc([]string{"/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/", "/usr/share/locale/", "/sys/devices/system/", "/var/run/qemu/"},
		func(prefix string) bool { return strings.HasPrefix(path, prefix) })
}

// unhex reads strace's \xNN.
func unhex(text string) string {
	return hexByte.ReplaceAllStringFunc(text, func(digits string) string {
		n, _ := strconv.ParseUint(digits[2:], 16, 8) // the pattern says two digits
		return string([]byte{byte(n)})
	})
}

var hexByte = regexp.MustCompile(`\\x[0-9a-f]{2}`)

// reading is how qemu-img reads images: by which driver, and how much of them.
type reading struct {
	driver string
	start  bool // the start only: to see that a large disk is empty takes minutes
}

// large is a disk of which only the start is read, in bytes.
const large = 64 << 30

func readingOf(report *engine.Report) reading {
	return reading{report.QemuDriver, report.VirtualSize > large}
}

// convert returns the arguments that have qemu-img read images, one after the
// other, into a destination that forgets what is written and is larger than
// any number of disks that the policy accepts. A block that cannot be read does
// not keep it from reading on.
func (r reading) convert(images []string) []string {
	format := []string{"-f", r.driver}
	if r.start {
		format = []string{"--image-opts"}
		images = slices.Clone(images)
		for i, path := range images {
			images[i] = fmt.Sprintf("driver=raw,size=67108864,file.driver=%s,file.file.driver=file,file.file.filename=%s", r.driver, path)
		}
	}
	return slices.Concat([]string{"convert", "-n", "--target-is-zero", "--salvage"}, format, images,
		[]string{"--target-image-opts", "driver=null-co,size=1152921504606846976"})
}

// confined has qemu-img do so in the project's own confinement, with
// the images as its only files: a second witness, that does not look but
// forbids.
func (r reading) confined(t *testing.T, qemuImg string, images []string) *confine.Result {
	t.Helper()
	var files []confine.File
	var names []string
	for i, path := range images {
		files = append(files, confine.File{File: open(t, path), Access: confine.ReadOnly})
		names = append(names, fmt.Sprintf("/dev/fd/%d", 3+i))
	}
	result, err := confine.Run(t.Context(), confine.Spec{
		Path: qemuImg, Args: r.convert(names),
		Env:      []string{"LC_ALL=C", "MALLOC_ARENA_MAX=1"},
		Files:    files,
		Limits:   confine.Limits{CPU: 10 * time.Second, AddressSpace: 1 << 30, OpenFiles: 128},
		Deadline: 2 * time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	return result
}
