package confine

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What the kernel is told, in both versions, and that it is taken back.
func TestRatesAreWritten(t *testing.T) {
	const device, rate = 8<<8 | 16, 5 << 20
	for name, c := range map[string]struct {
		unified    bool
		held, free map[string]string
	}{
		"version 2": {true, map[string]string{"io.max": "8:16 rbps=5242880 wbps=5242880"}, map[string]string{"io.max": "8:16 rbps=max wbps=max"}},
		"version 1": {false,
			map[string]string{"blkio.throttle.read_bps_device": "8:16 5242880", "blkio.throttle.write_bps_device": "8:16 5242880"},
			map[string]string{"blkio.throttle.read_bps_device": "8:16 0", "blkio.throttle.write_bps_device": "8:16 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := groupFolder{hierarchy: hierarchy{unified: c.unified}, path: t.TempDir()}
			g := &cgroup{folders: []groupFolder{f}, io: &f}
			for name := range c.held {
				putFile(t, filepath.Join(f.path, name), nil, 0o600) // as the kernel does
			}
			rates := []DeviceRate{{device, rate}}
			if c.unified {
				g.io = nil
				if !g.holdTo(rates) {
					t.Error("it was not held")
				}
			} else if err := f.limitDevice(device, "5242880"); err != nil {
				t.Error(err)
			}
			check := func(want map[string]string) {
				t.Helper()
				for name, text := range want {
					got, err := os.ReadFile(filepath.Join(f.path, name))
					if err != nil || string(got) != text {
						t.Errorf("%s is %q, %v", name, got, err)
					}
				}
			}
			check(c.held)
			g.lift(rates)
			check(c.free)
		})
	}
	g := &cgroup{folders: []groupFolder{{hierarchy: hierarchy{unified: true}, path: "/nonexistent"}}}
	if g.holdTo([]DeviceRate{{device, rate}}) {
		t.Error("held without a group")
	}
}

func TestBlkioOf(t *testing.T) {
	own := strings.Split("8:pids:/a\n7:blkio:/b\n0::/d", "\n")
	for mount, want := range map[string]string{
		"38 30 0:35 / /cg/blkio rw - cgroup cgroup rw,blkio":         "/cg/blkio/b",
		"38 30 0:35 /b /cg/blkio rw - cgroup cgroup rw,blkio":        "/cg/blkio",
		"38 30 0:35 /c /cg/blkio rw - cgroup cgroup rw,blkio":        "",
		"38 30 0:35 / /cg/pids rw - cgroup cgroup rw,pids":           "",
		"36 25 0:31 / /cg rw - cgroup2 cgroup2 rw,nsdelegate,blkio":  "",
		"38 30 0:35 / /cg/blkio,net rw - cgroup cgroup rw,net,blkio": "/cg/blkio,net/b",
	} {
		got := ""
		if h := blkioOf(own, []string{"lines", mount}); h != nil {
			got = h.group
		}
		if got != want {
			t.Errorf("%s: %q, want %q", mount, got, want)
		}
	}
}

// A process that writes to a device waits for its rate, and dies at once when
// it is to; no group is left.
func TestRates(t *testing.T) {
	needTool(t, LayerCgroup)
	if os.Geteuid() != 0 {
		t.Skip("loop devices need root")
	}
	device := loop(t)
	info, err := device.Stat()
	if err != nil {
		t.Fatal(err)
	}
	number := uint64(info.Sys().(*syscall.Stat_t).Rdev)
	s := spec("direct=3")
	s.Files = []File{{File: device, Access: ReadWrite}}
	s.Rates = []DeviceRate{{number, 2048}} // a MiB takes nine minutes
	s.Deadline = 300 * time.Millisecond
	r, err := Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if !r.RatesHeld {
		t.Skip("no control groups with limits of devices here")
	}
	if r.Limit != LimitDeadline {
		t.Errorf("ended by %+v, said %q", r, r.Stdout)
	}
	s.Rates[0].BytesPerSecond = 1 << 40
	s.Deadline = time.Minute
	if r, err = Run(t.Context(), s); err != nil || r.ExitCode != 0 || string(r.Stdout) != "ok\n" || !r.RatesHeld {
		t.Errorf("%+v, %v", r, err)
	}
	s.Rates = []DeviceRate{{unix.Mkdev(0, 99), 1 << 40}} // a file system without a device
	if r, err = Run(t.Context(), s); err != nil || r.RatesHeld {
		t.Errorf("of no device: %+v, %v", r, err)
	}
	if left := groupsLeft(t); left != nil {
		t.Errorf("left: %q", left)
	}
}

// loop makes a block device.
func loop(t *testing.T) *os.File {
	t.Helper()
	backing := filepath.Join(t.TempDir(), "backing")
	putFile(t, backing, make([]byte, 2<<20), 0o600)
	out, err := exec.Command("losetup", "--find", "--show", backing).Output()
	if err != nil {
		t.Skipf("losetup: %v", err)
	}
	name := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if out, err := exec.Command("losetup", "--detach", name).CombinedOutput(); err != nil {
			t.Errorf("losetup: %v: %s", err, out)
		}
	})
	return openFile(t, name, os.O_RDWR)
}
