package qemuimg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/assay-dev/assay/internal/vetted"
	"github.com/assay-dev/assay/native/lease"
	"github.com/assay-dev/assay/native/throttle"
)

// leasable makes an image in a folder whose file system leases are taken on,
// and returns its name and its disk.
func leasable(t *testing.T, tool *Tool) (path string, disk []byte) {
	t.Helper()
	made := newImage(t, "-f", "qcow2")
	disk = reference(t, "qcow2", made)
	image, err := os.ReadFile(made)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{t.TempDir(), "/dev/shm"} {
		dir, err := os.MkdirTemp(dir, "assay-qemuimg-")
		if err != nil {
			continue
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		if !leases(dir) {
			continue
		}
		path = filepath.Join(dir, "image")
		if err := errors.Join(os.WriteFile(path, image, 0o644), os.Chmod(path, 0o644)); err != nil {
			t.Fatal(err)
		}
		return path, disk
	}
	t.Skip("neither the folder for temporary files nor /dev/shm is on a file system that leases are taken on")
	return "", nil
}

// written tells whether a file can be opened for writing without waiting; who
// has a lease on it is told of the attempt.
func written(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// TestLease: a file that nobody can write to meanwhile is handed over, without
// anything for the tool to get at it that it did not have; where that cannot be,
// the next way is taken, or the lease that was asked for refused.
func TestLease(t *testing.T) {
	tool := realTool(t)
	path, disk := leasable(t, tool)
	job := func(t *testing.T) *throttle.Job {
		rate, err := throttle.New(1 << 30)
		if err != nil {
			t.Fatal(err)
		}
		j := throttle.NewJob(rate)
		t.Cleanup(j.Done)
		return j
	}
	qcow2 := func(f *os.File) *vetted.Image { return accepted(t, f, "qcow2", diskSize) }
	for name, c := range map[string]struct {
		image   func(t *testing.T) *vetted.Image
		options func(t *testing.T) ConvertOptions
		leased  bool
	}{
		"a file": {leased: true},
		"open for writing": {image: func(t *testing.T) *vetted.Image {
			open(t, path, os.O_WRONLY)
			return qcow2(open(t, path, os.O_RDONLY))
		}},
		"open for writing here": {image: func(t *testing.T) *vetted.Image { return qcow2(open(t, path, os.O_RDWR)) }},
		"private": {image: func(t *testing.T) *vetted.Image {
			private := open(t, filepath.Join(t.TempDir(), "private"), os.O_CREATE|os.O_WRONLY)
			content, err := os.ReadFile(path)
			if err == nil {
				_, err = private.Write(content)
			}
			if err := errors.Join(err, private.Close()); err != nil {
				t.Fatal(err)
			}
			return qcow2(open(t, private.Name(), os.O_RDONLY))
		}, leased: os.Geteuid() != 0 && leases(t.TempDir())},
		"no file": {image: func(t *testing.T) *vetted.Image {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			return acceptedAs(t, goodFor(bytes.NewReader(content), 9), open(t, path, os.O_RDONLY), "qcow2", diskSize)
		}},
		"at a rate": {options: func(t *testing.T) ConvertOptions { return ConvertOptions{Throttle: job(t)} }},
	} {
		t.Run(name, func(t *testing.T) {
			o := ConvertOptions{}
			if c.options != nil {
				o = c.options(t)
			}
			if c.image == nil {
				c.image = func(t *testing.T) *vetted.Image { return qcow2(open(t, path, os.O_RDONLY)) }
			}
			image := c.image(t)
			o.Target = TargetRaw
			output, want := newOutput(t), HandOffNBD
			if c.leased {
				want = HandOffLease
			}
			result, err := tool.Convert(t.Context(), image, output, o)
			if err != nil || result.HandOff != want {
				t.Fatalf("%+v, %v", result, err)
			}
			if got, _ := os.ReadFile(output.Name()); !bytes.Equal(got, disk) {
				t.Error("the bytes are not those of plain qemu-img")
			}
			if o.Throttle != nil {
				o.Throttle = job(t)
			}
			o.HandOff = HandOffLease
			_, err = tool.Convert(t.Context(), image, newOutput(t), o)
			if c.leased != (err == nil) || err != nil && !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("by a lease and nothing else: %v", err)
			}
		})
	}
	if err := written(path); err != nil {
		t.Errorf("the lease was not given back: %v", err)
	}
	o := ConvertOptions{Target: TargetRaw, HandOff: HandOffLease, Live: true}
	if _, err := tool.Convert(t.Context(), accepted(t, open(t, path, os.O_RDONLY), "raw", diskSize), newOutput(t), o); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("live: %v", err)
	}
	noChildren(t)
}

// leases tells whether the file system of a folder does.
func leases(dir string) bool {
	path := filepath.Join(dir, "leases")
	if os.WriteFile(path, nil, 0o644) != nil {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = lease.Take(f)
	return err == nil
}

// TestLeaseBroken: who wants to write to the source while the tool reads it is
// not let in, and the tool is ended; the work is done again, in another way, or
// has failed if there is none.
func TestLeaseBroken(t *testing.T) {
	tool := realTool(t)
	path, disk := leasable(t, tool)
	for _, target := range []string{TargetRaw, TargetQcow2} {
		for _, wanted := range []string{"", HandOffLease} {
			t.Run(target+" "+wanted, func(t *testing.T) {
				kept := 0
				o := ConvertOptions{Target: target, HandOff: wanted, Progress: func(int64, int64) {
					if err := written(path); errors.Is(err, unix.EWOULDBLOCK) {
						kept++
					}
				}}
				output := newOutput(t)
				result, err := tool.Convert(t.Context(), accepted(t, open(t, path, os.O_RDONLY), "qcow2", diskSize), output, o)
				if kept == 0 {
					t.Error("nobody was kept from writing")
				}
				noChildren(t)
				if wanted != "" {
					if broken, ok := errors.AsType[*lease.Error](err); !ok || !broken.Broken {
						t.Errorf("got %+v, %v", result, err)
					}
					return
				}
				if err != nil || result.HandOff != HandOffNBD {
					t.Fatalf("got %+v, %v", result, err)
				}
				got, _ := os.ReadFile(output.Name())
				if target == TargetQcow2 {
					got = reference(t, target, output.Name())
				}
				if !bytes.Equal(got, disk) {
					t.Error("the bytes are not those of the image")
				}
			})
		}
	}
	a := func() *vetted.Image { return accepted(t, open(t, path, os.O_RDONLY), "qcow2", diskSize) }
	for _, wanted := range []string{"", HandOffLease} {
		o := CompareOptions{HandOff: wanted, Progress: func(int64, int64) { _ = written(path) }}
		r, err := tool.Compare(t.Context(), a(), a(), o)
		if broken, ok := errors.AsType[*lease.Error](err); wanted != "" && (!ok || !broken.Broken) {
			t.Errorf("compared: %+v, %v", r, err)
		} else if wanted == "" && (err != nil || !r.Identical || r.HandOff != HandOffNBD) {
			t.Errorf("compared: %+v, %v", r, err)
		}
	}
}

// TestLeaseTooLate: what the source has become between the first look and the
// lease is found before the tool is started.
func TestLeaseTooLate(t *testing.T) {
	tool := realTool(t)
	path, _ := leasable(t, tool)
	f := open(t, path, os.O_RDONLY)
	output := newOutput(t)
	_, err := tool.Convert(t.Context(), acceptedAs(t, goodFor(f, 1), f, "qcow2", diskSize), output, ConvertOptions{Target: TargetRaw})
	if info, stat := output.Stat(); !errors.Is(err, errChanged) || stat != nil || info.Size() != 0 {
		t.Errorf("got %v, and %d bytes", err, info.Size())
	}
	if err := written(path); err != nil {
		t.Errorf("the lease was not given back: %v", err)
	}
}

// TestLeasedToolEnded: a tool that reads the file itself and is killed, or
// whose caller has had enough, has failed, and gives the lease back.
func TestLeasedToolEnded(t *testing.T) {
	tool := realTool(t)
	path, _ := leasable(t, tool)
	// Compressing its zeros takes minutes, and the output stays small: it is
	// not at its end when it is ended, however late.
	const size = 64 << 30
	plain(t, "qemu-img", "create", "-q", "-f", "qcow2", path, fmt.Sprint(size))
	kill := func() {
		for _, pid := range toolsOf("qemu-img") {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Error(err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, c := range []struct {
		name string
		end  func()
	}{{"killed", kill}, {"cancelled", cancel}} {
		name, once := c.name, sync.Once{}
		o := ConvertOptions{
			Target: TargetQcow2, Compress: CompressZlib, SparseSize: new(int64), HandOff: HandOffLease,
			Progress: func(int64, int64) { once.Do(c.end) },
		}
		_, err := tool.Convert(ctx, accepted(t, open(t, path, os.O_RDONLY), "qcow2", size), newOutput(t), o)
		failed, _ := errors.AsType[*ToolError](err)
		if ok := failed != nil && failed.Signal == syscall.SIGKILL; ok != (name == "killed") || errors.Is(err, context.Canceled) != (name == "cancelled") {
			t.Errorf("%s: %v", name, err)
		}
		if err := written(path); err != nil {
			t.Errorf("%s: the lease was not given back: %v", name, err)
		}
		noChildren(t)
	}
}
