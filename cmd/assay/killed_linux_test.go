package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/assay-dev/assay/internal/procstat"
)

// killRounds is how often a conversion is killed: with ASSAY_LONG, more often.
func killRounds() int {
	if os.Getenv("ASSAY_LONG") != "" {
		return 100
	}
	return 6
}

// command is one that is killed when ctx ends; testscript.Main put it into PATH.
func command(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(ctx, "assay", args...)
	cmd.Env = append(os.Environ(), "WORK="+t.TempDir())
	return cmd
}

// moments returns when to kill conversions of a source: all along one of them,
// and a little longer, however fast the machine is.
func moments(t *testing.T, source string) (after []time.Duration) {
	t.Helper()
	start := time.Now()
	output := filepath.Join(t.TempDir(), "output")
	if out, err := command(t.Context(), t, slices.Concat(conversion, []string{source, output})...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	span := time.Since(start) * 5 / 4
	for i := range killRounds() {
		after = append(after, time.Duration(i+1)*span/time.Duration(killRounds()))
	}
	return after
}

// conversion is the command that is killed, without its source and output.
var conversion = []string{"convert", "--claim", "raw", "--to", "raw", "--hand-off", "nbd"}

// killed runs a command, kills it after a while, and waits until what it
// started is gone. It returns its number, and tells whether it was killed.
func killed(t *testing.T, after time.Duration, args ...string) (pid int, was bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), after)
	defer cancel()
	var children []int
	cmd := command(ctx, t, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.Cancel = func() error {
		children = childrenOf(cmd.Process.Pid)
		return cmd.Process.Kill()
	}
	_ = cmd.Run() // an error also if it ended just before it was to be killed
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() && status.ExitStatus() != 0 {
		t.Fatalf("%v: %s", cmd.ProcessState, said.String())
	}
	for end := time.Now().Add(10 * time.Second); len(children) > 0; {
		if state := statOf(children[0])[0]; state == "" || state == "Z" {
			children = children[1:]
		} else if time.Now().After(end) {
			t.Fatalf("process %d outlives its parent", children[0])
		}
	}
	if !status.Signaled() {
		if left := groupsOf(cmd.Process.Pid); len(left) > 0 {
			t.Errorf("it left control groups: %v", left)
		}
	}
	return cmd.Process.Pid, status.Signaled()
}

// statOf returns the state of a process and its parent; empty if there is none.
func statOf(pid int) (stat [2]string) {
	fields, _ := procstat.Read(pid)
	copy(stat[:], fields)
	return stat
}

// childrenOf returns the processes that a process has started.
func childrenOf(parent int) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, path := range all {
		pid, _ := strconv.Atoi(filepath.Base(path))
		if statOf(pid)[1] == strconv.Itoa(parent) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// groupsOf returns the control groups that a process has made for others.
func groupsOf(pid int) (groups []string) {
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(entry.Name(), fmt.Sprintf("assay-job-%d-", pid)) {
			groups = append(groups, path)
		}
		return nil // what cannot be read is gone
	})
	return groups
}

func testDisk(t *testing.T, size int) (path string, disk []byte) {
	t.Helper()
	disk = make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(disk[:size*3/4])
	path = filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, disk
}

func needQemuImg(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("qemu-img"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// TestKilled: a conversion that is killed at any moment leaves no process, no
// part of a file, and an old file as it was or replaced by the whole new one;
// the next conversion removes what else there is.
func TestKilled(t *testing.T) {
	needQemuImg(t)
	source, disk := testDisk(t, 8<<20)
	dir := t.TempDir()
	created, replaced := filepath.Join(dir, "created"), filepath.Join(dir, "replaced")
	convert := slices.Concat(conversion, []string{"--overwrite", source})
	kills := 0
	var hosts []int
	for i, after := range moments(t, source) {
		if err := os.WriteFile(replaced, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		path := []string{created, replaced}[i%2]
		host, was := killed(t, after, append(convert, path)...)
		hosts = append(hosts, host)
		if was {
			kills++
		}
		text, err := os.ReadFile(path)
		switch {
		case err == nil && bytes.Equal(text, disk):
			// It may have been done, and not yet have ended.
		case path == created && was && os.IsNotExist(err), path == replaced && was && string(text) == "precious":
		default:
			t.Fatalf("killed after %v: %s has %d bytes, %v", after, path, len(text), err)
		}
		os.Remove(created)
		names, err := os.ReadDir(dir)
		// While a file replaces another, it has a name of its own.
		names = slices.DeleteFunc(names, func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), ".assay-") })
		if err != nil || len(names) != 1 {
			t.Fatalf("killed after %v: there are %v, %v", after, names, err)
		}
	}
	if kills < killRounds()/4 {
		t.Errorf("only %d were killed", kills)
	}
	if out, err := command(t.Context(), t, append(convert, replaced)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("there are %v, %v", names, err)
	}
	for _, pid := range hosts {
		if groups := groupsOf(pid); len(groups) > 0 {
			t.Errorf("the next one left %v", groups)
		}
	}
}

// TestKilledOnDevice: a device on which a conversion was killed is nobody's,
// has the owner it had, and takes the next one.
func TestKilledOnDevice(t *testing.T) {
	needQemuImg(t)
	if os.Geteuid() != 0 {
		t.Skip("loop devices need root")
	}
	source, disk := testDisk(t, 8<<20)
	backing := filepath.Join(t.TempDir(), "backing")
	if err := os.WriteFile(backing, bytes.Repeat([]byte{0xff}, 9<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("losetup", "--find", "--show", backing).Output()
	if err != nil {
		t.Skip("no loop devices: ", err)
	}
	device := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if out, err := exec.Command("losetup", "--detach", device).CombinedOutput(); err != nil {
			t.Errorf("losetup: %v: %s", err, out)
		}
	})
	owner := func() string {
		info, err := os.Stat(device)
		if err != nil {
			t.Fatal(err)
		}
		st := info.Sys().(*syscall.Stat_t)
		return fmt.Sprint(st.Uid, st.Gid, info.Mode())
	}
	before := owner()
	args := slices.Concat(conversion, []string{source, device})
	for _, after := range moments(t, source) {
		killed(t, after, args...)
		if now := owner(); now != before {
			t.Fatalf("the device's owner and mode were %s, and are %s", before, now)
		}
	}
	if out, err := command(t.Context(), t, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got, err := os.ReadFile(device); err != nil || !bytes.Equal(got[:len(disk)], disk) || !bytes.Equal(got[len(disk):], make([]byte, 1<<20)) {
		t.Errorf("the device holds something else, %v", err)
	}
}
