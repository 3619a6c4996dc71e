package confine

import "golang.org/x/sys/unix"

// auditArch is the value of seccomp_data.arch for the system calls of this
// table. The x32 calls share it, under numbers that are not on the list.
const auditArch = unix.AUDIT_ARCH_X86_64

// anyProcessHere are the calls of anyProcess that this processor's table
// has besides: older forms of calls named there.
var anyProcessHere = []uintptr{
	unix.SYS_OPEN, unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_NEWFSTATAT, unix.SYS_ACCESS, unix.SYS_READLINK, unix.SYS_DUP2, unix.SYS_PIPE,
	unix.SYS_POLL, unix.SYS_SELECT, unix.SYS_EPOLL_CREATE, unix.SYS_EPOLL_WAIT, unix.SYS_EVENTFD, unix.SYS_SIGNALFD,
	unix.SYS_TIME, unix.SYS_GETRLIMIT, unix.SYS_ARCH_PRCTL,
}
