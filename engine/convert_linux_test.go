package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/native/confine"
	"github.com/assay-dev/assay/native/destination"
	"github.com/assay-dev/assay/testdata/images"
)

// unavailable skips a test for want of something, which in CI is a failure.
func unavailable(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

func needConfinement(t testing.TB) {
	t.Helper()
	for _, layer := range confine.Layers() {
		if !layer.Available && !layer.Optional {
			unavailable(t, "confinement layer %s: %s", layer.Name, layer.Why)
		}
	}
}

func needTools(t testing.TB) {
	t.Helper()
	needConfinement(t)
	for _, name := range []string{"qemu-img", "qemu-io"} {
		if _, err := exec.LookPath(name); err != nil {
			unavailable(t, "%v", err)
		}
	}
}

// tool runs a program as a person would, and returns what it printed.
func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := output(func() *exec.Cmd { return exec.CommandContext(t.Context(), name, args...) })
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// output returns what a program printed. A qemu-img that makes LUKS is asked
// again where it cannot tell how fast it derives a key, as package qemuimg
// does: on a fast machine that is so one time in five.
func output(command func() *exec.Cmd) (out []byte, err error) {
	for range 32 {
		out, err = command().CombinedOutput()
		if err == nil || !bytes.Contains(out, []byte("Unable to get accurate CPU usage")) {
			break
		}
	}
	return out, err
}

func open(t testing.TB, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sharedDir is a folder that an unprivileged tool can reach.
func sharedDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "assay-engine-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A conversion gives the bytes that plain qemu-img gives, from a file and from
// a reader, and the result says how it was done.
func TestConvertQcow2ToRaw(t *testing.T) {
	needTools(t)
	dir := t.TempDir()
	path, plain := filepath.Join(dir, "a.qcow2"), filepath.Join(dir, "plain.raw")
	tool(t, "qemu-img", "create", "-q", "-f", "qcow2", path, "24M")
	tool(t, "qemu-io", "-c", "write -q -P 3 1M 3M", "-c", "write -q -P 9 20M 64k", path)
	tool(t, "qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, plain)
	eng := newEngine(t, engine.NewConfig().WithSpoolDir(dir))
	want, before := readFile(t, plain), readFile(t, path)
	for name, source := range map[string]engine.Source{
		"file":   engine.File(open(t, path)),
		"reader": engine.ReaderAt(bytes.NewReader(before), int64(len(before))),
		"stream": engine.Stream(bytes.NewReader(before)),
	} {
		image, err := eng.Vet(t.Context(), source, engine.Claim("qcow2"))
		if err != nil {
			t.Fatal(err)
		}
		defer image.Close()
		for _, handOff := range []string{engine.HandOffNBD, engine.HandOffDescriptor} {
			t.Run(name+" by "+handOff, func(t *testing.T) {
				dst := filepath.Join(dir, name+"."+handOff)
				result, err := eng.Convert(t.Context(), image, engine.ToFile(dst), engine.ConvertOptions{To: "raw", HandOff: handOff})
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(readFile(t, dst), want) {
					t.Error("the output differs from what plain qemu-img writes")
				}
				if result.Bytes != 24<<20 || result.VirtualSize != 24<<20 || result.Format != "raw" || result.SourceFormat != "qcow2" ||
					result.Tool.Name != "qemu-img" || result.SourceMode != "pinned" || result.HandOff != handOff {
					t.Errorf("result %s", text(result))
				}
				for _, layer := range []string{confine.LayerLimits, confine.LayerNoNewPrivs, confine.LayerLandlock, confine.LayerSeccomp} {
					if !strings.Contains(fmt.Sprint(result.Layers), layer) {
						t.Errorf("layer %s is missing in %v", layer, result.Layers)
					}
				}
			})
		}
	}
	if !bytes.Equal(readFile(t, path), before) {
		t.Error("the source was changed")
	}
}

// raw to qcow2 and back gives the same disk, with each compression.
func TestConvertRoundTrip(t *testing.T) {
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	disk := append(images.GPT(512), make([]byte, 3<<20)...)
	copy(disk[2<<20:], randomDisk(64<<10))
	for _, compress := range []string{"", "zlib", "zstd"} {
		t.Run("compress="+compress, func(t *testing.T) {
			dir := t.TempDir()
			packed, back := filepath.Join(dir, "b.qcow2"), filepath.Join(dir, "c.raw")
			image := vet(t, eng, openBytes(t, disk), engine.Claim("raw"))
			if _, err := eng.Convert(t.Context(), image, engine.ToFile(packed), engine.ConvertOptions{To: "qcow2", Compress: compress}); err != nil {
				t.Fatal(err)
			}
			image = vet(t, eng, open(t, packed), engine.Claim("qcow2"))
			if _, err := eng.Convert(t.Context(), image, engine.ToFile(back), engine.ConvertOptions{To: "raw"}); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(readFile(t, back), disk) {
				t.Error("the disk is not what it was")
			}
		})
	}
}

func randomDisk(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// An image cut at any cluster boundary is refused, where qemu-img alone would
// write zeros and say nothing.
func TestCutImagesAreRefused(t *testing.T) {
	needTools(t)
	const cluster = 64 << 10
	dir := t.TempDir()
	path := filepath.Join(dir, "whole.qcow2")
	tool(t, "qemu-img", "create", "-q", "-f", "qcow2", path, "8M")
	tool(t, "qemu-io", "-c", "write -q -P 5 0 1M", "-c", "write -q -P 6 7M 192k", path)
	whole := readFile(t, path)
	eng := newEngine(t, engine.NewConfig())
	vet(t, eng, openBytes(t, whole), engine.Claim("qcow2"))
	for size := 0; size < len(whole); size += cluster {
		_, err := eng.Vet(t.Context(), engine.File(openBytes(t, whole[:size])), engine.Claim("qcow2"))
		rejected, ok := errors.AsType[*engine.RejectedError](err)
		if !ok {
			t.Errorf("cut to %d of %d bytes: %v, want a rejection", size, len(whole), err)
			continue
		}
		class := rejected.Report.FindingsOf(engine.Reject)[0].Class
		if size > 0 && class != "incomplete" {
			t.Errorf("cut to %d bytes: rejected for %s, want incomplete", size, class)
		}
	}
}

// A reference outside is refused in every spelling before any process is
// started: the only program there is would have been started to be asked for
// its version, and leaves a trace.
func TestReferencesStartNoProcess(t *testing.T) {
	dir := sharedDir(t)
	trace := filepath.Join(dir, "started")
	program := filepath.Join(dir, "qemu-img")
	script := fmt.Sprintf("#!/bin/sh\ntouch %s\necho qemu-img version 9.0.0\n", trace)
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	eng := newEngine(t, engine.NewConfig().WithQemuImg(program))
	references := 0
	for _, c := range images.Hostile() {
		if !strings.Contains(c.WantFinding, "backing-file") && !strings.Contains(c.WantFinding, "data-file") {
			continue
		}
		references++
		image, err := eng.Vet(t.Context(), engine.File(openBytes(t, c.Build())), engine.Claim(engine.Format(c.Claim)))
		if err == nil {
			_, err = eng.Convert(t.Context(), image, engine.ToFile(filepath.Join(dir, "out")), engine.ConvertOptions{To: "raw"})
		}
		if _, ok := errors.AsType[*engine.RejectedError](err); !ok {
			t.Errorf("%s: %v, want a rejection", c.Name, err)
		}
	}
	if references < 12 {
		t.Errorf("only %d references were tried", references)
	}
	if _, err := os.Stat(trace); err == nil {
		t.Error("a process was started")
	}
	if out := tool(t, program); !strings.Contains(out, "qemu-img") {
		t.Errorf("the program prints %q", out)
	}
	if _, err := os.Stat(trace); err != nil {
		t.Error("the program leaves no trace when it is started: the test proves nothing")
	}
}

// What the tool wrote is looked at like any untrusted image; a tool that lies
// about its success leaves nothing.
func TestOutputIsInspected(t *testing.T) {
	needConfinement(t)
	dir := sharedDir(t)
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "fake"), "./testdata/fake")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		unavailable(t, "building the fake tool: %v\n%s", err, out)
	}
	for name, tc := range map[string]struct {
		to   engine.Format
		want string
	}{
		"nothing":    {"qcow2", "format.mismatch"},
		"short":      {"raw", "512 bytes"},
		"backing":    {"qcow2", "qcow2.backing-file"},
		"other-size": {"qcow2", "7340032 bytes"},
		"nested":     {"raw", "format.mismatch"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.Link(filepath.Join(dir, "fake"), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			eng := newEngine(t, engine.NewConfig().WithQemuImg(filepath.Join(dir, name)))
			out := t.TempDir()
			_, err := eng.Convert(t.Context(), vet(t, eng, openBytes(t, images.Qcow2())), engine.ToFile(filepath.Join(out, "dst")), engine.ConvertOptions{To: tc.to})
			wrong, ok := errors.AsType[*engine.OutputError](err)
			if !ok || !strings.Contains(wrong.Reason, tc.want) {
				t.Errorf("error %v, want an OutputError that says %q", err, tc.want)
			}
			nothingIn(t, out)
		})
	}
}

func nothingIn(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestConvertDestinations(t *testing.T) {
	needTools(t)
	dir := t.TempDir()
	eng := newEngine(t, engine.NewConfig())
	source := filepath.Join(dir, "source.qcow2")
	if err := os.WriteFile(source, images.Qcow2(), 0o644); err != nil {
		t.Fatal(err)
	}
	image := vet(t, eng, open(t, source))
	old := filepath.Join(dir, "old")
	for _, err := range []error{
		os.WriteFile(old, []byte("precious"), 0o644), os.Symlink(old, filepath.Join(dir, "link")),
		os.Link(source, filepath.Join(dir, "hard")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		path      string
		overwrite bool
		check     func(error) bool
	}{
		"existing":  {"old", false, isError[*destination.ExistsError]},
		"symlink":   {"link", true, isError[*destination.SymlinkError]},
		"itself":    {"source.qcow2", true, isError[*destination.SourceError]},
		"hard link": {"hard", true, isError[*destination.SourceError]},
		"folder":    {"", true, isError[*destination.KindError]},
		"no folder": {"no/where", false, func(err error) bool { return errors.Is(err, os.ErrNotExist) }},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := eng.Convert(t.Context(), image, engine.ToFile(filepath.Join(dir, tc.path)), engine.ConvertOptions{To: "raw", Overwrite: tc.overwrite})
			if !tc.check(err) {
				t.Errorf("error %v", err)
			}
		})
	}
	if string(readFile(t, old)) != "precious" || !bytes.Equal(readFile(t, source), images.Qcow2()) {
		t.Fatal("a file was changed")
	}
	if _, err := eng.Convert(t.Context(), image, engine.ToFile(old), engine.ConvertOptions{To: "raw", Overwrite: true}); err != nil {
		t.Error(err)
	}
	if string(readFile(t, old)) == "precious" {
		t.Error("the file was not overwritten")
	}
	if _, err := eng.Convert(t.Context(), image, engine.ToFile(filepath.Join(dir, "x")), engine.ConvertOptions{To: "qed"}); !errors.Is(err, engine.ErrNotSupported) {
		t.Errorf("to qed: %v, want ErrNotSupported", err)
	}
}

func isError[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// A source that changes between the verdict and the conversion fails it.
func TestConvertChangedSource(t *testing.T) {
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	f := openBytes(t, images.Qcow2())
	image := vet(t, eng, f)
	if _, err := f.WriteAt(images.Qcow2(images.Backing("/etc/passwd"))[:512], 0); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	_, err := eng.Convert(t.Context(), image, engine.ToFile(filepath.Join(dir, "dst")), engine.ConvertOptions{To: "raw"})
	if !isError[*engine.SourceChangedError](err) {
		t.Errorf("error %v, want a SourceChangedError", err)
	}
	nothingIn(t, dir)
}

// Data that nobody inspected must stay the same as well, unless a raw image is
// taken live: then it is taken as it is, and the result says so.
func TestConvertWrittenSource(t *testing.T) {
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	disk := randomDisk(2 << 20)
	f := openBytes(t, disk)
	image := vet(t, eng, f, engine.Claim("raw"))
	const unseen = 1 << 20
	disk[unseen] ^= 1
	if _, err := f.WriteAt(disk[unseen:unseen+1], unseen); err != nil {
		t.Fatal(err)
	}
	if err := image.Check(); err != nil {
		t.Fatalf("the byte was inspected: %v", err)
	}
	dir := t.TempDir()
	dst := filepath.Join(dir, "dst")
	for _, handOff := range []string{engine.HandOffNBD, engine.HandOffDescriptor} {
		_, err := eng.Convert(t.Context(), image, engine.ToFile(dst), engine.ConvertOptions{To: "raw", HandOff: handOff})
		if !isError[*engine.SourceChangedError](err) {
			t.Errorf("by %s: error %v, want a SourceChangedError", handOff, err)
		}
		nothingIn(t, dir)
		result, err := eng.Convert(t.Context(), image, engine.ToFile(dst), engine.ConvertOptions{To: "raw", HandOff: handOff, Live: true})
		if err != nil {
			t.Fatalf("by %s, live: %v", handOff, err)
		}
		if result.SourceMode != engine.SourceLive || !bytes.Equal(readFile(t, dst), disk) {
			t.Errorf("by %s: taken %s, and not as it is", handOff, result.SourceMode)
		}
		if err := os.Remove(dst); err != nil {
			t.Fatal(err)
		}
	}
	formatted := vet(t, eng, openBytes(t, images.Qcow2()))
	if _, err := eng.Convert(t.Context(), formatted, engine.ToFile(dst), engine.ConvertOptions{To: "raw", Live: true}); !errors.Is(err, engine.ErrNotSupported) {
		t.Errorf("a qcow2 taken live: %v", err)
	}
}

// Conversions cancelled at random moments leave nothing, and the process can
// still open files and sockets: confinement touched the children only.
func TestConvertCancelled(t *testing.T) {
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	image := vet(t, eng, openBytes(t, append(images.GPT(512), randomDisk(32<<20)...)), engine.Claim("raw"))
	dir := t.TempDir()
	cancelled := 0
	for i := range 12 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*i)*time.Millisecond)
		dst := filepath.Join(dir, fmt.Sprint(i))
		_, err := eng.Convert(ctx, image, engine.ToFile(dst), engine.ConvertOptions{To: "qcow2", Compress: "zlib"})
		cancel()
		switch {
		case err == nil:
			if err := os.Remove(dst); err != nil {
				t.Error(err)
			}
		case !errors.Is(err, context.DeadlineExceeded):
			t.Errorf("cancelled after %d ms: %v", i*i, err)
		default:
			cancelled++
		}
	}
	if cancelled < 3 {
		t.Errorf("only %d conversions were cancelled", cancelled)
	}
	nothingIn(t, dir)
	if _, err := os.ReadFile("/etc/passwd"); err != nil {
		t.Error(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	// The threads the children were started from end, confined as they are, a
	// moment after them.
	confined := confinedThreads(t)
	for deadline := time.Now().Add(10 * time.Second); len(confined) > 0 && time.Now().Before(deadline); confined = confinedThreads(t) {
		time.Sleep(10 * time.Millisecond)
	}
	if len(confined) > 0 {
		t.Errorf("threads of this process are confined: %v", confined)
	}
}

// confinedThreads returns the threads of this process that are.
func confinedThreads(t *testing.T) (confined []string) {
	t.Helper()
	threads, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil || len(threads) == 0 {
		t.Fatalf("threads %v, %v", threads, err)
	}
	for _, status := range threads {
		b, err := os.ReadFile(status)
		if err == nil && (!bytes.Contains(b, []byte("Seccomp:\t0\n")) || !bytes.Contains(b, []byte("NoNewPrivs:\t0\n"))) {
			confined = append(confined, status)
		}
	}
	return confined
}

// Without a tool the error says what to install, and inspection works.
func TestConvertWithoutTool(t *testing.T) {
	eng := newEngine(t, engine.NewConfig().WithQemuImg("/nonexistent/qemu-img"))
	image := vet(t, eng, openBytes(t, images.Qcow2()))
	_, err := eng.Convert(t.Context(), image, engine.ToFile(filepath.Join(t.TempDir(), "dst")), engine.ConvertOptions{To: "raw"})
	var hinted interface{ Hint() string }
	if !errors.Is(err, engine.ErrNotSupported) || !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), "qemu-utils") {
		t.Errorf("error %v", err)
	}
}

// stuckReader is a source of which, once it is armed, reads return when they
// are let go.
type stuckReader struct {
	io.ReaderAt
	armed       atomic.Bool
	asked, free chan struct{}
	ask         sync.Once
}

func (s *stuckReader) ReadAt(p []byte, off int64) (int, error) {
	if s.armed.Load() && off >= 1<<20 && off < 3<<20 { // what no probe looks at
		s.ask.Do(func() { close(s.asked) })
		<-s.free
	}
	return s.ReaderAt.ReadAt(p, off)
}

// TestConvertCancelledWhileReading: a conversion ends with its context though
// a read of the source does not return; the image's Close waits for it.
func TestConvertCancelledWhileReading(t *testing.T) {
	needTools(t)
	dir := sharedDir(t)
	disk := randomDisk(4 << 20)
	source := &stuckReader{ReaderAt: bytes.NewReader(disk), asked: make(chan struct{}), free: make(chan struct{})}
	eng, err := engine.New(t.Context(), engine.NewConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close(context.Background())
	image, err := eng.Vet(t.Context(), engine.ReaderAt(source, int64(len(disk))), engine.Claim("raw"))
	if err != nil {
		t.Fatal(err)
	}
	source.armed.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-source.asked; cancel() }()
	_, err = eng.Convert(ctx, image, engine.ToFile(filepath.Join(dir, "out")), engine.ConvertOptions{To: "qcow2"})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	closed := make(chan struct{})
	go func() { image.Close(); close(closed) }()
	select {
	case <-closed:
		t.Error("closed while it is read")
	default:
	}
	close(source.free)
	<-closed
	nothingIn(t, dir)
}
