package qemuimg

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/assay-dev/assay/internal/vetted"
	"github.com/assay-dev/assay/native/confine"
)

// fakes is a folder, open to any user, with testdata/fake built statically as
// "fake"; empty if that was not possible.
var fakes string

// fakesVariable names the folder to the test binary run again.
const fakesVariable = "ASSAY_TEST_FAKES"

func TestMain(m *testing.M) {
	flag.Parse()
	if fakes = os.Getenv(fakesVariable); fakes != "" {
		os.Exit(m.Run())
	}
	os.Exit(withFakes(m))
}

func withFakes(m *testing.M) int {
	dir, err := os.MkdirTemp("", "qemuimg-test-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "fake"), "./testdata/fake")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	for _, name := range []string{"old", "odd", "mute", "hang", "spin", "killed", "full", "quota", "hostile", "liar", "deaf"} {
		if err == nil {
			err = os.Link(filepath.Join(dir, "fake"), filepath.Join(dir, name))
		}
	}
	switch {
	case err == nil:
		fakes = dir
	case errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") == "":
		// needFakes skips.
	default:
		fmt.Fprintf(os.Stderr, "build the fake tool: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// needConfinement skips a test where processes cannot be confined.
func needConfinement(t *testing.T) {
	t.Helper()
	for _, layer := range confine.Layers() {
		if !layer.Available && !layer.Optional {
			if os.Getenv("CI") != "" {
				t.Fatalf("confinement layer %s: %s", layer.Name, layer.Why)
			}
			t.Skipf("confinement layer %s: %s", layer.Name, layer.Why)
		}
	}
}

// fakeTool returns a tool that behaves as its name says.
func fakeTool(t *testing.T, name string) *Tool {
	t.Helper()
	needConfinement(t)
	if fakes == "" {
		t.Skip("no go command to build the fake tool with")
	}
	tool, err := Find(t.Context(), Config{Path: filepath.Join(fakes, name)})
	if err != nil {
		t.Fatal(err)
	}
	return tool
}

// realTool returns the installed qemu-img, or skips the test.
func realTool(t *testing.T) *Tool {
	t.Helper()
	needConfinement(t)
	tool, err := Find(t.Context(), Config{})
	if err == nil {
		_, err = exec.LookPath("qemu-io")
	}
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("no qemu-img here: ", err)
	}
	return tool
}

// combined runs a tool without confinement and returns what it says.
func combined(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	return string(out), err
}

// plain runs a tool without confinement, as the reference.
func plain(t *testing.T, name string, args ...string) {
	t.Helper()
	out, err := combined(name, args...)
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

// A content is that of a source which changes after some checks.
type content struct {
	source io.ReaderAt
	good   atomic.Int64
	// head is what was inspected, from the first byte on. It is served from
	// here, or not at all if gone is set.
	head []byte
	gone error
}

// goodFor returns a content that finds the source unchanged this many times.
func goodFor(source io.ReaderAt, checks int64) *content {
	c := &content{source: source}
	c.good.Store(checks)
	return c
}

var errChanged = errors.New("the source has changed")

func (c *content) Source() io.ReaderAt { return c.source }

func (c *content) Next(off int64) (start, end int64) {
	if off >= int64(len(c.head)) {
		return 0, 0
	}
	return 0, int64(len(c.head))
}

func (c *content) ReadAt(p []byte, off int64) (int, error) { return copy(p, c.head[off:]), c.gone }

func (c *content) Begin() (end func() error, err error) { return c.check, c.check() }

func (c *content) check() error {
	if c.good.Add(-1) < 0 {
		return errChanged
	}
	return nil
}

// accepted returns a file as an image that was vetted, and stays what it is.
func accepted(t *testing.T, f *os.File, driver string, virtual int64) *vetted.Image {
	t.Helper()
	return acceptedAs(t, goodFor(f, 1<<20), f, driver, virtual)
}

// acceptedAs is accepted, with the content given.
func acceptedAs(t *testing.T, c *content, f *os.File, driver string, virtual int64) *vetted.Image {
	t.Helper()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(7, io.SeekStart); err != nil { // for the tests of its position
		t.Fatal(err)
	}
	return vetted.New(vetted.Facts{Format: driver, Driver: driver, Size: size, VirtualSize: virtual}, c)
}

// open opens a file until the test ends.
func open(t *testing.T, path string, flags int) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// newOutput returns an empty file.
func newOutput(t *testing.T) *os.File {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "output"), os.O_CREATE|os.O_RDWR|os.O_EXCL)
}

// noChildren checks that no process of this one is left, not even a zombie.
func noChildren(t *testing.T) {
	t.Helper()
	if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); !errors.Is(err, syscall.ECHILD) {
		t.Errorf("a process is left: %d, %v", pid, err)
	}
}

// some returns the variants that a test tries: with -short, one of three. What
// an unprivileged user cannot do, and what the race detector sees, is not a
// matter of the variant.
func some[T any](variants []T) []T {
	if !testing.Short() {
		return variants
	}
	var few []T
	for i := 0; i < len(variants); i += 3 {
		few = append(few, variants[i])
	}
	return few
}

// TestAsNobody runs the other tests again, as an unprivileged user.
func TestAsNobody(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: the tests run unprivileged already")
	}
	needConfinement(t)
	if fakes == "" {
		t.Skip("no go command to build the fake tool with")
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	copied, temp := filepath.Join(fakes, "qemuimg.test"), filepath.Join(fakes, "nobody")
	if err := errors.Join(os.WriteFile(copied, self, 0o755), os.Mkdir(temp, 0o700), os.Chown(temp, confine.Nobody, confine.Nobody)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), copied, "-test.short")
	cmd.Dir = temp
	cmd.Env = append(os.Environ(), fakesVariable+"="+fakes, "TMPDIR="+temp, "HOME="+temp)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: confine.Nobody, Gid: confine.Nobody}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestFind(t *testing.T) {
	if tool := fakeTool(t, "fake"); tool.Version() != (Version{9, 1, 0}) || tool.Path() != filepath.Join(fakes, "fake") {
		t.Errorf("found %v, %v", tool.Path(), tool.Version())
	}
	text := open(t, filepath.Join(t.TempDir(), "text"), os.O_CREATE|os.O_RDWR)
	for _, path := range []string{"no-such-tool", filepath.Join(fakes, "none"), fakes, text.Name(), filepath.Join(fakes, "old"), filepath.Join(fakes, "odd")} {
		_, err := Find(t.Context(), Config{Path: path})
		missing, ok := errors.AsType[*NotFoundError](err)
		if !ok || !errors.Is(err, errors.ErrUnsupported) || missing.Hint() == "" {
			t.Errorf("%s: %v", path, err)
		}
	}
	_, err := Find(t.Context(), Config{Path: filepath.Join(fakes, "mute")})
	if failed, ok := errors.AsType[*ToolError](err); !ok || failed.Op != "version" || failed.ExitCode != 1 {
		t.Errorf("a tool that does not answer: %v", err)
	}
	t.Setenv("PATH", fakes)
	if tool, err := Find(t.Context(), Config{Path: "fake"}); err != nil || tool.Path() != filepath.Join(fakes, "fake") {
		t.Errorf("by PATH: %v, %v", tool, err)
	}
}

func TestParseVersion(t *testing.T) {
	for answer, want := range map[string]Version{
		"qemu-img version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright": {7, 2, 22},
		"qemu-img version 5.1.0\n":                   {5, 1, 0},
		"qemu-img version 10.0.2 (qemu-10.0.2.fc42)": {10, 0, 2},
		"qemu-img version 9.1":                       {9, 1, 0},
	} {
		if got, err := parseVersion([]byte(answer)); err != nil || got != want {
			t.Errorf("%q: %v, %v", answer, got, err)
		}
	}
	for _, answer := range []string{"", "qemu-img", "version 7.2", "qemu-img version x", "qemu-img version 7", "qemu-img version 99999.1"} {
		if got, err := parseVersion([]byte(answer)); err == nil {
			t.Errorf("%q: %v", answer, got)
		}
	}
	if (Version{5, 1, 0}).Less(minimum) || !(Version{5, 0, 9}).Less(minimum) || (Version{10, 0, 0}).Less(minimum) {
		t.Error("versions are compared wrongly")
	}
}
