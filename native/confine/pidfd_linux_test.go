package confine

import (
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPidfd: what is killed is the process, and not one that has its number
// since.
func TestPidfd(t *testing.T) {
	needTool(t)
	start := func() (*exec.Cmd, pidfd) {
		cmd := exec.Command(toolPath, "stop")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		fd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
		if err != nil {
			t.Skip("the kernel has no pidfd: ", err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		return cmd, pidfd(fd)
	}
	first, handle := start()
	second, own := start()
	p := process{pid: first.Process.Pid, handle: handle}
	p.killGroup()
	handle.awaitEnd(p.pid)
	if err := first.Wait(); first.ProcessState.Sys().(syscall.WaitStatus).Signal() != unix.SIGKILL {
		t.Errorf("it was not killed: %v", err)
	}
	// It has been reaped: as if the other one had its number now.
	p.pid = second.Process.Pid
	p.killGroup()
	handle.awaitEnd(p.pid)
	if gone(p.pid) {
		t.Error("another process was killed")
	}
	// Without a descriptor there is only the number.
	for _, h := range []pidfd{own, noPidfd} {
		p.handle = h
		p.killGroup()
		h.awaitEnd(p.pid)
		if !gone(p.pid) {
			t.Error("it was not killed")
		}
	}
	second.Wait()
}
