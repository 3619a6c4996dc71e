package confine

import (
	"errors"

	"golang.org/x/sys/unix"
)

// A pidfd is a descriptor that means one process, also when its number has
// passed to another one; or noPidfd, where the kernel has none (before 5.3).
type pidfd int

const noPidfd pidfd = -1

func (h pidfd) close() {
	if h != noPidfd {
		unix.Close(int(h))
	}
}

// kill kills the process, and tells whether its number is still its own: it
// has not been reaped.
func (h pidfd) kill(pid int) bool {
	if h == noPidfd {
		return unix.Kill(pid, unix.SIGKILL) == nil
	}
	err := unix.PidfdSendSignal(int(h), unix.SIGKILL, nil, 0)
	if err == nil || errors.Is(err, unix.ESRCH) {
		return err == nil
	}
	// The call is refused, perhaps by the profile of a container.
	return unix.Kill(pid, unix.SIGKILL) == nil
}

// awaitEnd returns when the process has ended, and leaves it a zombie. It is
// called on the thread that started it, and makes no call that is refused
// there.
func (h pidfd) awaitEnd(pid int) {
	if h == noPidfd {
		for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
		}
		return
	}
	// pidfd_open(2): it can be read from when the process has ended.
	ended := []unix.PollFd{{Fd: int32(h), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(ended, -1); err != unix.EINTR {
			return
		}
	}
}
