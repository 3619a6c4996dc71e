package qemuimg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/assay-dev/assay/internal/vetted"
	"github.com/assay-dev/assay/native/confine"
)

// diskSize is the virtual size of the images here, in bytes.
const diskSize = 8 << 20

// newImage makes an image with qemu-img: some data, some zeros written, and
// the rest never written.
func newImage(t *testing.T, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	args = append(append([]string{"create", "-q"}, args...), path, fmt.Sprint(diskSize))
	plain(t, "qemu-img", args...)
	format := args[3]
	plain(t, "qemu-io", "-f", format, "-c", "write -q -P 7 1M 1M", "-c", "write -q -P 0 3M 512k", "-c", "write -q -P 9 8191k 1k", path)
	return path
}

// reference returns the disk of an image as plain qemu-img reads it.
func reference(t *testing.T, format, path string) []byte {
	t.Helper()
	raw := filepath.Join(t.TempDir(), "reference")
	plain(t, "qemu-img", "convert", "-f", format, "-O", "raw", path, raw)
	disk, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	return disk
}

// TestConvertToRaw: from every kind of image, the bytes are those of plain
// qemu-img, and what was never written is not stored.
func TestConvertToRaw(t *testing.T) {
	tool := realTool(t)
	for _, c := range some([]struct {
		name string
		args []string
	}{
		{"qcow2", []string{"-f", "qcow2"}},
		{"compat 0.10", []string{"-f", "qcow2", "-o", "compat=0.10"}},
		{"clusters of 512 B", []string{"-f", "qcow2", "-o", "cluster_size=512"}},
		{"clusters of 2 MiB", []string{"-f", "qcow2", "-o", "cluster_size=2M"}},
		{"extended L2", []string{"-f", "qcow2", "-o", "extended_l2=on,cluster_size=128k"}},
		{"refcounts of 1 bit", []string{"-f", "qcow2", "-o", "refcount_bits=1"}},
		{"refcounts of 64 bits", []string{"-f", "qcow2", "-o", "refcount_bits=64"}},
		{"lazy refcounts", []string{"-f", "qcow2", "-o", "lazy_refcounts=on"}},
		{"zstd", []string{"-f", "qcow2", "-o", "compression_type=zstd"}},
		{"metadata", []string{"-f", "qcow2", "-o", "preallocation=metadata"}},
		{"full", []string{"-f", "qcow2", "-o", "preallocation=full"}},
		{"raw", []string{"-f", "raw"}},
		{"qcow", []string{"-f", "qcow"}},
		{"qed", []string{"-f", "qed"}},
		{"vmdk", []string{"-f", "vmdk"}},
		{"vdi", []string{"-f", "vdi"}},
		{"fixed vdi", []string{"-f", "vdi", "-o", "static=on"}},
		{"vhd", []string{"-f", "vpc", "-o", "force_size=on"}},
		{"fixed vhd", []string{"-f", "vpc", "-o", "force_size=on,subformat=fixed"}},
		{"vhdx", []string{"-f", "vhdx"}},
		{"fixed vhdx", []string{"-f", "vhdx", "-o", "subformat=fixed"}},
		{"parallels", []string{"-f", "parallels"}},
	}) {
		t.Run(c.name, func(t *testing.T) {
			path, format := newImage(t, c.args...), c.args[1]
			output := newOutput(t)
			var last int64
			result, err := tool.Convert(t.Context(), accepted(t, open(t, path, os.O_RDONLY), format, diskSize), output, ConvertOptions{
				Target: TargetRaw,
				Progress: func(done, total int64) {
					if done < last || done > total || total != diskSize {
						t.Errorf("progress %d of %d after %d", done, total, last)
					}
					last = done
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(output.Name())
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, reference(t, format, path)) {
				t.Error("the bytes are not those of plain qemu-img")
			}
			if last != diskSize {
				t.Errorf("progress ended at %d", last)
			}
			if result.OutputSize != diskSize || result.Allocated > diskSize/2 {
				t.Errorf("%d bytes stored of %d", result.Allocated, result.OutputSize)
			}
			if result.Wall <= 0 || result.CPU <= 0 || len(result.Layers) < 5 {
				t.Errorf("result %+v", result)
			}
			noChildren(t)
		})
	}
}

// TestConvertToQcow2: the way back gives the same disk.
func TestConvertToQcow2(t *testing.T) {
	tool := realTool(t)
	for _, compress := range []string{CompressNone, CompressZlib, CompressZstd} {
		for _, format := range some([]string{"raw", "qcow2"}) {
			t.Run(format+"/"+compress, func(t *testing.T) {
				path, output := newImage(t, "-f", format), newOutput(t)
				result, err := tool.Convert(t.Context(), accepted(t, open(t, path, os.O_RDONLY), format, diskSize), output, ConvertOptions{Target: TargetQcow2, Compress: compress})
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(reference(t, "qcow2", output.Name()), reference(t, format, path)) {
					t.Error("the disk is another")
				}
				if compress != CompressNone && result.OutputSize > 1<<20 {
					t.Errorf("compressed to %d bytes", result.OutputSize)
				}
				plain(t, "qemu-img", "check", "-f", "qcow2", output.Name())
			})
		}
	}
}

// TestConvertCompressed: a compressed source is read.
func TestConvertCompressed(t *testing.T) {
	tool := realTool(t)
	for _, c := range []struct{ format, options string }{
		{"qcow2", "compression_type=zlib"}, {"qcow2", "compression_type=zstd"}, {"vmdk", "subformat=streamOptimized"},
	} {
		path := newImage(t, "-f", "raw")
		compressed := path + "." + c.format
		plain(t, "qemu-img", "convert", "-c", "-f", "raw", "-O", c.format, "-o", c.options, path, compressed)
		output := newOutput(t)
		if _, err := tool.Convert(t.Context(), accepted(t, open(t, compressed, os.O_RDONLY), c.format, diskSize), output, ConvertOptions{Target: TargetRaw}); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(output.Name()); !bytes.Equal(got, reference(t, "raw", path)) {
			t.Errorf("%s, %s: the bytes are not those of plain qemu-img", c.format, c.options)
		}
	}
}

// TestConvertSizes: disks of no whole number of sectors, and of none.
func TestConvertSizes(t *testing.T) {
	tool := realTool(t)
	for _, size := range some([]int{0, 1, 511, 512, 1000, 65537}) {
		for _, target := range []string{TargetRaw, TargetQcow2} {
			path := filepath.Join(t.TempDir(), "image")
			if err := os.WriteFile(path, bytes.Repeat([]byte{7}, size), 0o600); err != nil {
				t.Fatal(err)
			}
			output := newOutput(t)
			if _, err := tool.Convert(t.Context(), accepted(t, open(t, path, os.O_RDONLY), "raw", int64(size)), output, ConvertOptions{Target: target}); err != nil {
				t.Errorf("%d to %s: %v", size, target, err)
				continue
			}
			if !bytes.Equal(reference(t, target, output.Name()), reference(t, "raw", path)) {
				t.Errorf("%d to %s: the bytes are not those of plain qemu-img", size, target)
			}
		}
	}
}

// TestConvertSources: a source needs no name, and no path by which the tool's
// user could open it; the tool gets no descriptor it could write to.
func TestConvertSources(t *testing.T) {
	tool := realTool(t)
	path := newImage(t, "-f", "qcow2")
	want := reference(t, "qcow2", path)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	private := filepath.Join(t.TempDir(), "private")
	if err := os.Mkdir(private, 0o700); err != nil {
		t.Fatal(err)
	}
	copied := func(name string) *os.File {
		f := open(t, filepath.Join(private, name), os.O_CREATE|os.O_RDWR)
		if _, err := f.Write(content); err != nil {
			t.Fatal(err)
		}
		return f
	}
	deleted := copied("deleted")
	if err := os.Remove(deleted.Name()); err != nil {
		t.Fatal(err)
	}
	sources := map[string]*os.File{"private": copied("a"), "deleted": deleted}
	if fd, err := unix.Open(private, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600); err == nil {
		f := os.NewFile(uintptr(fd), "nameless")
		defer f.Close()
		if _, err := f.Write(content); err != nil {
			t.Fatal(err)
		}
		sources["nameless"] = f
	}
	if device := loopDevice(t, path); device != nil {
		sources["device"] = device
	}
	for name, source := range sources {
		for _, handOff := range []string{HandOffNBD, HandOffDescriptor} {
			output := newOutput(t)
			result, err := tool.Convert(t.Context(), accepted(t, source, "qcow2", diskSize), output, ConvertOptions{Target: TargetRaw, HandOff: handOff})
			if err != nil {
				t.Errorf("%s by %s: %v", name, handOff, err)
				continue
			}
			if got, _ := os.ReadFile(output.Name()); !bytes.Equal(got, want) || result.HandOff != handOff {
				t.Errorf("%s by %s, said to be %s: the bytes are not those of plain qemu-img", name, handOff, result.HandOff)
			}
			if at, err := source.Seek(0, io.SeekCurrent); err != nil || at != 7 {
				t.Errorf("%s by %s: its position is %d, %v", name, handOff, at, err)
			}
		}
	}
	in, err := readOnly(sources["private"])
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if _, err := in.WriteString("x"); err == nil {
		t.Error("the tool could write to its source")
	}
}

// loopDevice returns the file as a read-only block device, or nil.
func loopDevice(t *testing.T, path string) *os.File {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	out, err := exec.Command("losetup", "--read-only", "--find", "--show", path).Output()
	if err != nil {
		t.Log("no loop device: ", err)
		return nil
	}
	device := strings.TrimSpace(string(out))
	t.Cleanup(func() { exec.Command("losetup", "--detach", device).Run() })
	return open(t, device, os.O_RDONLY)
}

// TestConvertRefused: what is refused before a process is started. The tool
// here would fail in another way.
func TestConvertRefused(t *testing.T) {
	tool := &Tool{path: "/nonexistent"}
	source := open(t, filepath.Join(t.TempDir(), "source"), os.O_CREATE|os.O_RDWR)
	image := accepted(t, source, "raw", 0)
	closed := accepted(t, source, "raw", 0)
	closed.Close()
	full := newOutput(t)
	if _, err := full.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	changed := acceptedAs(t, goodFor(source, 0), source, "raw", 0)
	for _, c := range []struct {
		name   string
		image  *vetted.Image
		output *os.File
		o      ConvertOptions
		want   error
	}{
		{"no image", nil, newOutput(t), ConvertOptions{Target: TargetRaw}, nil},
		{"closed", closed, newOutput(t), ConvertOptions{Target: TargetRaw}, vetted.ErrClosed},
		{"changed", changed, newOutput(t), ConvertOptions{Target: TargetRaw}, errChanged},
		{"no driver", accepted(t, source, "", 0), newOutput(t), ConvertOptions{Target: TargetRaw}, nil},
		{"no target", image, newOutput(t), ConvertOptions{}, errors.ErrUnsupported},
		{"another hand-off", image, newOutput(t), ConvertOptions{Target: TargetRaw, HandOff: "pipe"}, errors.ErrUnsupported},
		{"a hand-off it cannot do", image, newOutput(t), ConvertOptions{Target: TargetRaw, HandOff: HandOffNBD}, errors.ErrUnsupported},
		{"live, of a format", accepted(t, source, "qcow2", 0), newOutput(t), ConvertOptions{Target: TargetRaw, Live: true}, errors.ErrUnsupported},
		{"another target", image, newOutput(t), ConvertOptions{Target: "luks2"}, errors.ErrUnsupported},
		{"raw, compressed", image, newOutput(t), ConvertOptions{Target: TargetRaw, Compress: CompressZlib}, errors.ErrUnsupported},
		{"another compression", image, newOutput(t), ConvertOptions{Target: TargetQcow2, Compress: "lzma"}, errors.ErrUnsupported},
		{"an output with content", image, full, ConvertOptions{Target: TargetRaw}, nil},
		{"a folder as output", image, open(t, t.TempDir(), os.O_RDONLY), ConvertOptions{Target: TargetRaw}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			result, err := tool.Convert(t.Context(), c.image, c.output, c.o)
			if err == nil || result != nil || errors.Is(err, os.ErrNotExist) {
				t.Fatalf("got %v, %v", result, err)
			}
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// TestConvertSourceChanged: a source that is not what was vetted when the
// work is done fails the job.
func TestConvertSourceChanged(t *testing.T) {
	tool := fakeTool(t, "fake")
	source := open(t, filepath.Join(t.TempDir(), "source"), os.O_CREATE|os.O_RDWR)
	image := acceptedAs(t, goodFor(source, 1), source, "raw", 0)
	if _, err := tool.Convert(t.Context(), image, newOutput(t), ConvertOptions{Target: TargetRaw}); !errors.Is(err, errChanged) {
		t.Errorf("got %v", err)
	}
}

// TestConvertFails: each way in which a tool can fail has its error.
func TestConvertFails(t *testing.T) {
	short := Limits{CPU: time.Minute, AddressSpace: 4 << 30, Deadline: time.Minute}
	limited := func(change func(*Limits)) *Limits {
		l := short
		change(&l)
		return &l
	}
	for _, c := range []struct {
		tool   string
		limits *Limits
		want   ToolError
		space  error
	}{
		{"hang", limited(func(l *Limits) { l.Deadline = 50 * time.Millisecond }), ToolError{ExitCode: -1, Signal: syscall.SIGKILL, Limit: LimitDeadline}, nil},
		{"hang", limited(func(l *Limits) { l.Deadline, l.NoProgress = 0, 100*time.Millisecond }), ToolError{ExitCode: -1, Signal: syscall.SIGKILL, Limit: LimitNoProgress}, nil},
		{"spin", limited(func(l *Limits) { l.CPU = time.Second }), ToolError{ExitCode: -1, Signal: syscall.SIGKILL, Limit: LimitCPU}, nil},
		{"killed", &short, ToolError{ExitCode: 2}, nil},
		{"hostile", &short, ToolError{ExitCode: 1}, nil},
		{"full", &short, ToolError{}, syscall.ENOSPC},
		{"quota", &short, ToolError{}, syscall.EDQUOT},
	} {
		t.Run(c.tool+"/"+c.want.Limit, func(t *testing.T) {
			tool := fakeTool(t, c.tool)
			source := open(t, filepath.Join(t.TempDir(), "source"), os.O_CREATE|os.O_RDWR)
			_, err := tool.Convert(t.Context(), accepted(t, source, "raw", 0), newOutput(t), ConvertOptions{Target: TargetRaw, Limits: c.limits})
			noChildren(t)
			if c.space != nil {
				if full, ok := errors.AsType[*NoSpaceError](err); !ok || !errors.Is(err, c.space) || full.Hint() == "" {
					t.Errorf("got %v", err)
				}
				return
			}
			failed, ok := errors.AsType[*ToolError](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			if failed.Tool != "qemu-img" || failed.Op != "convert" || failed.ExitCode != c.want.ExitCode || failed.Signal != c.want.Signal || failed.Limit != c.want.Limit {
				t.Errorf("got %+v", failed)
			}
			if (failed.Hint() != "") != (failed.Limit != "") {
				t.Errorf("hint %q", failed.Hint())
			}
			if strings.ContainsAny(err.Error(), "\x1b\a\n") {
				t.Errorf("control characters in %q", err)
			}
			if c.tool == "hostile" && !strings.HasSuffix(err.Error(), `\x1b]0;title\a last`) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestConvertLimits: the real tool meets the limits of memory and file size.
func TestConvertLimits(t *testing.T) {
	tool := realTool(t)
	path := newImage(t, "-f", "raw")
	little := Limits{CPU: time.Minute, AddressSpace: 32 << 20, Deadline: time.Minute}
	for _, c := range []struct {
		o    ConvertOptions
		want string
	}{
		{ConvertOptions{Target: TargetRaw, Limits: &little}, LimitMemory},
		{ConvertOptions{Target: TargetQcow2, SizeLimit: 512 << 10}, LimitFileSize},
		{ConvertOptions{Target: TargetRaw, SizeLimit: diskSize - 1}, LimitFileSize},
	} {
		_, err := tool.Convert(t.Context(), accepted(t, open(t, path, os.O_RDONLY), "raw", diskSize), newOutput(t), c.o)
		if failed, ok := errors.AsType[*ToolError](err); !ok || failed.Limit != c.want {
			t.Errorf("want the %s limit, got %v", c.want, err)
		}
	}
}

// TestConvertNoSpace: a full file system is told from other failures.
func TestConvertNoSpace(t *testing.T) {
	tool := realTool(t)
	if os.Geteuid() != 0 {
		t.Skip("a small file system needs root")
	}
	dir := t.TempDir()
	if err := unix.Mount("assay-test", dir, "tmpfs", 0, "size=256k,mode=755"); err != nil {
		t.Skip("no tmpfs: ", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	path := newImage(t, "-f", "raw")
	for _, target := range []string{TargetRaw, TargetQcow2} {
		output := open(t, filepath.Join(dir, target), os.O_CREATE|os.O_RDWR)
		_, err := tool.Convert(t.Context(), accepted(t, open(t, path, os.O_RDONLY), "raw", diskSize), output, ConvertOptions{Target: target})
		full, ok := errors.AsType[*NoSpaceError](err)
		if !ok || !errors.Is(err, syscall.ENOSPC) || full.Path != output.Name() {
			t.Errorf("%s: %v", target, err)
		}
		os.Remove(output.Name())
	}
}

// TestConvertCancelled: whenever a job is cancelled, it ends with the
// context's error and leaves no process; the output is the caller's again.
func TestConvertCancelled(t *testing.T) {
	tool := realTool(t)
	path := newImage(t, "-f", "qcow2")
	cancelled := 0
	for i := range 30 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*2*time.Millisecond)
		output := newOutput(t)
		_, err := tool.Convert(ctx, accepted(t, open(t, path, os.O_RDONLY), "qcow2", diskSize), output, ConvertOptions{Target: TargetQcow2, Compress: CompressZlib})
		cancel()
		if err != nil {
			cancelled++
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		}
		noChildren(t)
		var st unix.Stat_t
		if err := unix.Fstat(int(output.Fd()), &st); err != nil || int(st.Uid) != os.Geteuid() {
			t.Errorf("the output belongs to %d, %v", st.Uid, err)
		}
	}
	if cancelled == 0 {
		t.Error("no job was cancelled")
	}
}

// TestConvertTwice: two jobs may read one image at once, and Close waits for
// them.
func TestConvertTwice(t *testing.T) {
	tool := realTool(t)
	path := newImage(t, "-f", "qcow2")
	want := reference(t, "qcow2", path)
	image := accepted(t, open(t, path, os.O_RDONLY), "qcow2", diskSize)
	outputs := []*os.File{newOutput(t), newOutput(t)}
	done := make(chan error)
	for _, output := range outputs {
		go func() {
			_, err := tool.Convert(t.Context(), image, output, ConvertOptions{Target: TargetRaw})
			done <- err
		}()
	}
	for _, output := range outputs {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		defer func() {
			if got, _ := io.ReadAll(output); !bytes.Equal(got, want) {
				t.Error("the bytes are not those of plain qemu-img")
			}
		}()
	}
	image.Close()
}

// TestLayersAreReported: the tool is confined by every layer there is.
func TestLayersAreReported(t *testing.T) {
	tool := realTool(t)
	path := newImage(t, "-f", "raw")
	result, err := tool.Convert(t.Context(), accepted(t, open(t, path, os.O_RDONLY), "raw", diskSize), newOutput(t), ConvertOptions{Target: TargetRaw})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, layer := range confine.Layers() {
		if layer.Available {
			want = append(want, layer.Name)
		}
	}
	if fmt.Sprint(result.Layers) != fmt.Sprint(want) {
		t.Errorf("layers %q, want %q", result.Layers, want)
	}
}
