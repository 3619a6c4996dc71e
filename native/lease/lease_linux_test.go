package lease

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newFile returns the name of a file on a file system that leases are taken on.
func newFile(t *testing.T) string {
	t.Helper()
	for _, dir := range []string{t.TempDir(), "/dev/shm"} {
		var system unix.Statfs_t
		if err := unix.Statfs(dir, &system); err != nil || !slices.Contains(local, int64(system.Type)) {
			continue
		}
		f, err := os.CreateTemp(dir, "assay-lease-")
		if err != nil {
			continue
		}
		t.Cleanup(func() { os.Remove(f.Name()) })
		if _, err := f.WriteString("what was vetted"); err != nil {
			t.Fatal(err)
		}
		f.Close()
		return f.Name()
	}
	t.Skip("neither the folder for temporary files nor /dev/shm is on a file system that leases are taken on")
	return ""
}

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func lease(t *testing.T, path string) *Lease {
	t.Helper()
	l, err := Take(open(t, path))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestWritersWait: whoever opens the file for writing or cuts it, by any of its
// names, waits until the lease is released, and its holder is told; without
// waiting there is an error. Nobody has written before.
func TestWritersWait(t *testing.T) {
	for name, write := range map[string]func(path string) error{
		"writes": func(path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteAt([]byte("other"), 0)
			return err
		},
		"opens for both": func(path string) error {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				return err
			}
			return f.Close()
		},
		"opens and cuts": func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"cuts":           func(path string) error { return os.Truncate(path, 3) },
		"writes to another name": func(path string) error {
			if err := os.Link(path, path+".link"); err != nil {
				return err
			}
			defer os.Remove(path + ".link")
			return os.WriteFile(path+".link", []byte("other"), 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := newFile(t)
			l := lease(t, path)
			if err := l.Held(); err != nil {
				t.Fatal(err)
			}
			wrote := make(chan error, 1)
			go func() { wrote <- write(path) }()
			broken := l.Await(t.Context())
			if e, ok := errors.AsType[*Error](broken); !ok || !e.Broken || errors.Is(broken, errors.ErrUnsupported) {
				t.Errorf("told: %v", broken)
			}
			if err := l.Held(); err == nil {
				t.Error("a lease that is broken is held")
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != "what was vetted" {
				t.Errorf("it was written to before the lease was released: %q, %v", got, err)
			}
			select {
			case err := <-wrote:
				t.Errorf("nobody has waited: %v", err)
			default:
			}
			if _, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0); !errors.Is(err, unix.EWOULDBLOCK) {
				t.Errorf("without waiting: %v", err)
			}
			l.Release()
			if err := <-wrote; err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// TestOthersDoNotWait: reading, and what does not change the content, is as
// it was.
func TestOthersDoNotWait(t *testing.T) {
	path := newFile(t)
	l := lease(t, path)
	second := lease(t, path)
	if _, err := os.ReadFile(path); err != nil {
		t.Error(err)
	}
	for _, err := range []error{
		os.Chmod(path, 0o640), os.Chtimes(path, time.Now(), time.Now()), os.Rename(path, path+".new"), os.WriteFile(path, nil, 0o600), os.Remove(path + ".new"),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	for _, l := range []*Lease{l, second} {
		if err := l.Held(); err != nil {
			t.Errorf("no longer held: %v", err)
		}
		l.Release()
		l.Release()
	}
	if err := l.Held(); err == nil {
		t.Error("held, and it was released")
	}
}

// TestAwaitEnds with the context, while the lease is held.
func TestAwaitEnds(t *testing.T) {
	l := lease(t, newFile(t))
	ctx, cancel := context.WithTimeout(t.Context(), 2*glance)
	defer cancel()
	if err := l.Await(ctx); err != nil {
		t.Error(err)
	}
}

// TestRefused: there is no lease where somebody could write already, or could
// without this kernel's asking.
func TestRefused(t *testing.T) {
	path := newFile(t)
	readable := func(path string, flags int) func(t *testing.T) *os.File {
		return func(t *testing.T) *os.File {
			f, err := os.OpenFile(path, flags, 0)
			if err != nil {
				t.Skip(err)
			}
			t.Cleanup(func() { f.Close() })
			return f
		}
	}
	for name, c := range map[string]struct {
		open func(t *testing.T) *os.File
		why  string
	}{
		"open for writing itself": {readable(path, os.O_RDWR), "open for writing"},
		"open for writing elsewhere": {func(t *testing.T) *os.File {
			readable(path, os.O_WRONLY)(t)
			return open(t, path)
		}, "open for writing"},
		"mapped for writing": {func(t *testing.T) *os.File {
			f := readable(path, os.O_RDWR)(t)
			p, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = unix.Munmap(p) })
			f.Close()
			return open(t, path)
		}, "open for writing"},
		"a folder":                 {readable(filepath.Dir(path), os.O_RDONLY), "no regular file"},
		"a device":                 {readable("/dev/null", os.O_RDONLY), "no regular file"},
		"a file of the kernel's":   {readable("/proc/self/status", os.O_RDONLY), "its file system"},
		"a file of another kind's": {readable("/sys/kernel/notes", os.O_RDONLY), "its file system"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := Take(c.open(t))
			if e, ok := errors.AsType[*Error](err); !ok || e.Broken || !errors.Is(err, errors.ErrUnsupported) ||
				!strings.Contains(err.Error(), c.why) || e.Hint() == "" {
				t.Errorf("%v, %v", l, err)
			}
		})
	}
	closed := open(t, path)
	closed.Close()
	if _, err := Take(closed); err == nil {
		t.Error("a lease on a file that is closed")
	}
	// All of these are gone, and so it can be had.
	lease(t, path).Release()
}

// leaseVariable has the test binary take a lease on the file it names.
const leaseVariable = "ASSAY_TEST_LEASE"

// TestOtherUser: a file of somebody else's takes a privilege. The test binary is
// started again as a user who has none.
func TestOtherUser(t *testing.T) {
	if path := os.Getenv(leaseVariable); path != "" {
		_, err := Take(open(t, path))
		if err == nil || !strings.Contains(err.Error(), "another user's") || !errors.Is(err, errors.ErrUnsupported) {
			t.Fatalf("as user %d: %v", os.Geteuid(), err)
		}
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	// Folders for temporary files are private; this one need not be entered.
	dir, err := os.MkdirTemp("/dev/shm", "assay-lease-")
	if err != nil {
		t.Skip(err)
	}
	defer os.RemoveAll(dir)
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(dir+"/file", nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(dir+"/test", self, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	again := exec.Command(dir+"/test", "-test.run", "^TestOtherUser$", "-test.v")
	again.Dir = dir
	again.Env = append(os.Environ(), leaseVariable+"="+dir+"/file")
	again.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := again.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestOtherUser") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestKernelGoesOn: a holder who does nothing does not keep a writer waiting
// for ever (45 s, if the host has set no other time), and is told that the file
// may have changed.
func TestKernelGoesOn(t *testing.T) {
	if os.Getenv("ASSAY_LONG") != "1" {
		t.Skip("it waits for the kernel's patience to end; set ASSAY_LONG=1")
	}
	path := newFile(t)
	l := lease(t, path)
	if err := os.WriteFile(path, []byte("other"), 0); err != nil { // it waits
		t.Fatal(err)
	}
	if e, ok := errors.AsType[*Error](l.Held()); !ok || !e.Broken {
		t.Errorf("held, and it was written to: %v", e)
	}
}

// TestNoSignal: the kernel would tell of a writer by a signal, which belongs to
// the host program: whose it is, and that it is none that ends a program.
func TestNoSignal(t *testing.T) {
	f := open(t, newFile(t))
	if _, err := Take(f); err != nil {
		t.Fatal(err)
	}
	owner, err := unix.FcntlInt(f.Fd(), unix.F_GETOWN, 0)
	if err != nil || owner != 0 {
		t.Errorf("the signal goes to %s: %v", strconv.Itoa(owner), err)
	}
	if signal, err := unix.FcntlInt(f.Fd(), unix.F_GETSIG, 0); err != nil || syscall.Signal(signal) != syscall.SIGURG {
		t.Errorf("the signal is %v: %v", syscall.Signal(signal), err)
	}
}
