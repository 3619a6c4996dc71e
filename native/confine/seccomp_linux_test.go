//go:build amd64 || arm64

package confine

import (
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// verdict runs a filter over a call as the kernel does, and returns what it
// says. Only the instructions that assemble writes are known.
func verdict(t *testing.T, filter []unix.SockFilter, arch uint32, number uint32, args ...uint64) uint32 {
	t.Helper()
	var data [dataArgs + 6*8]byte
	binary.NativeEndian.PutUint32(data[dataNumber:], number)
	binary.NativeEndian.PutUint32(data[dataArch:], arch)
	for i, a := range args {
		binary.NativeEndian.PutUint64(data[dataArgs+8*i:], a)
	}
	var acc uint32
	for pc := 0; pc < len(filter); pc++ {
		switch in := filter[pc]; in.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			acc = binary.NativeEndian.Uint32(data[in.K:])
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			acc &= in.K
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			if acc == in.K {
				pc += int(in.Jt)
			} else {
				pc += int(in.Jf)
			}
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			if acc >= in.K {
				pc += int(in.Jt)
			} else {
				pc += int(in.Jf)
			}
		case unix.BPF_JMP | unix.BPF_JA:
			pc += int(in.K)
		case unix.BPF_RET | unix.BPF_K:
			return in.K
		default:
			t.Fatalf("instruction %d: %+v", pc, in)
		}
	}
	t.Fatal("the filter has no end")
	return 0
}

// x32CallFlag marks the calls of the x32 table (asm/unistd.h,
// __X32_SYSCALL_BIT), which shares amd64's value of seccomp_data.arch.
const x32CallFlag = 0x40000000

const allowed = unix.SECCOMP_RET_ALLOW

func refused(errno unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(errno) }

func TestFilter(t *testing.T) {
	const pthread = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD | unix.CLONE_SYSVSEM |
		unix.CLONE_SETTLS | unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_CLEARTID
	const startFlags = unix.CLONE_VFORK | unix.CLONE_VM | uint32(unix.SIGCHLD)
	own := filter(launching{flags: startFlags})
	user := filter(launching{flags: startFlags, first: true, otherUser: true, sockets: []uint32{3}})
	for _, c := range []struct {
		name      string
		number    uint32
		args      []uint64
		own, user uint32
	}{
		{"read", unix.SYS_READ, nil, allowed, allowed},
		{"execve", unix.SYS_EXECVE, nil, allowed, allowed},
		{"socket", unix.SYS_SOCKET, nil, refused(unix.ENOSYS), refused(unix.ENOSYS)},
		{"message", unix.SYS_SENDMSG, []uint64{3}, refused(unix.ENOSYS), allowed},
		{"message over another", unix.SYS_SENDMSG, []uint64{4}, refused(unix.ENOSYS), refused(unix.EPERM)},
		{"seccomp", unix.SYS_SECCOMP, nil, refused(unix.ENOSYS), refused(unix.ENOSYS)},
		{"unknown", 1 << 20, nil, refused(unix.ENOSYS), refused(unix.ENOSYS)},
		{"x32 read", x32CallFlag | unix.SYS_READ, nil, refused(unix.ENOSYS), refused(unix.ENOSYS)},
		{"thread", unix.SYS_CLONE, []uint64{pthread}, allowed, allowed},
		{"thread in a namespace", unix.SYS_CLONE, []uint64{pthread | unix.CLONE_NEWNET}, refused(unix.EPERM), refused(unix.EPERM)},
		{"start", unix.SYS_CLONE, []uint64{uint64(startFlags)}, allowed, allowed},
		{"start with a pidfd", unix.SYS_CLONE, []uint64{uint64(startFlags) | unix.CLONE_PIDFD}, allowed, allowed},
		{"start in a namespace", unix.SYS_CLONE, []uint64{uint64(startFlags) | unix.CLONE_NEWUSER}, refused(unix.EPERM), refused(unix.EPERM)},
		{"fork", unix.SYS_CLONE, []uint64{uint64(unix.SIGCHLD)}, refused(unix.EPERM), refused(unix.EPERM)},
		{"immune", unix.SYS_KILL, []uint64{1, uint64(unix.SIGKILL)}, refused(unix.ENOSYS), allowed},
		{"kill", unix.SYS_KILL, []uint64{2, uint64(unix.SIGKILL)}, refused(unix.ENOSYS), refused(unix.EPERM)},
		{"signal", unix.SYS_KILL, []uint64{1, uint64(unix.SIGTERM)}, refused(unix.ENOSYS), refused(unix.EPERM)},
		{"kill all", unix.SYS_KILL, []uint64{1<<64 - 1, uint64(unix.SIGKILL)}, refused(unix.ENOSYS), refused(unix.EPERM)},
		{"preempt a thread", unix.SYS_TGKILL, []uint64{7, 7, uint64(unix.SIGURG)}, allowed, allowed},
		{"abort", unix.SYS_TGKILL, []uint64{7, 7, uint64(unix.SIGABRT)}, refused(unix.EPERM), refused(unix.EPERM)},
		{"own group", unix.SYS_SETPGID, []uint64{0, 0}, allowed, allowed},
		{"another group", unix.SYS_SETPGID, []uint64{0, 7}, refused(unix.EPERM), refused(unix.EPERM)},
		{"another's group", unix.SYS_SETPGID, []uint64{7, 0}, refused(unix.EPERM), refused(unix.EPERM)},
		{"traceme", unix.SYS_PTRACE, []uint64{unix.PTRACE_TRACEME}, allowed, allowed},
		{"attach", unix.SYS_PTRACE, []uint64{unix.PTRACE_ATTACH}, refused(unix.EPERM), refused(unix.EPERM)},
		{"set own", unix.SYS_FCNTL, []uint64{0, unix.F_SETOWN}, refused(unix.EINVAL), refused(unix.EINVAL)},
		{"lock", unix.SYS_FCNTL, []uint64{0, unix.F_OFD_SETLK}, allowed, allowed},
		{"lock, upper half set", unix.SYS_FCNTL, []uint64{0, 1<<32 | unix.F_OFD_SETLK}, allowed, allowed},
		{"type into a terminal", unix.SYS_IOCTL, []uint64{0, unix.TIOCSTI}, refused(unix.ENOTTY), refused(unix.ENOTTY)},
		{"name", unix.SYS_PRCTL, []uint64{unix.PR_SET_NAME}, allowed, allowed},
		{"ambient", unix.SYS_PRCTL, []uint64{unix.PR_CAP_AMBIENT}, refused(unix.EPERM), allowed},
		{"setuid", unix.SYS_SETUID, nil, refused(unix.ENOSYS), allowed},
	} {
		if got := verdict(t, own, auditArch, c.number, c.args...); got != c.own {
			t.Errorf("%s: %#x, want %#x", c.name, got, c.own)
		}
		if got := verdict(t, user, auditArch, c.number, c.args...); got != c.user {
			t.Errorf("%s, as another user: %#x, want %#x", c.name, got, c.user)
		}
	}
	apart := filter(launching{flags: cloneSpace | uint32(unix.SIGCHLD)})
	for flags, want := range map[uint64]uint32{
		cloneSpace | uint64(unix.SIGCHLD):                    allowed,
		cloneSpace | uint64(unix.SIGCHLD) | unix.CLONE_VM:    refused(unix.EPERM),
		cloneSpace | uint64(unix.SIGCHLD) | unix.CLONE_NEWNS: refused(unix.EPERM),
		unix.CLONE_NEWUSER | uint64(unix.SIGCHLD):            refused(unix.EPERM),
		uint64(startFlags):                                   refused(unix.EPERM),
	} {
		if got := verdict(t, apart, auditArch, unix.SYS_CLONE, flags); got != want {
			t.Errorf("clone %#x, in namespaces: %#x, want %#x", flags, got, want)
		}
	}
	if got := verdict(t, own, auditArch^1, unix.SYS_READ); got != refused(unix.ENOSYS) {
		t.Errorf("another processor's call: %#x", got)
	}
}

// TestFilterArgumentIsNoNumber: an argument never counts as the number of a
// call. Each conditional call, made with the number of any permitted call as
// each argument, is judged by its own conditions alone.
func TestFilterArgumentIsNoNumber(t *testing.T) {
	l := launching{flags: cloneSpace | uint32(unix.SIGCHLD), first: true, otherUser: true, sockets: []uint32{3}}
	full := filter(l)
	for _, r := range conditional(l) {
		if len(r.when) == 0 {
			continue
		}
		// The filter of this call's rules alone is the reference.
		var alone []rule
		for _, other := range conditional(l) {
			if other.number == r.number {
				alone = append(alone, other)
			}
		}
		reference := assemble(auditArch, alone)
		for number := range uint64(512) {
			args := []uint64{number, number, number, number, number, number}
			got, want := verdict(t, full, auditArch, uint32(r.number), args...), verdict(t, reference, auditArch, uint32(r.number), args...)
			if got != want {
				t.Fatalf("call %d with arguments %d: %#x, want %#x", r.number, number, got, want)
			}
		}
	}
}

// TestFilterFindsEveryNumber: what is allowed without conditions is, whatever
// its arguments, and what is not on the list is unknown.
func TestFilterFindsEveryNumber(t *testing.T) {
	l := launching{first: true, otherUser: true, sockets: []uint32{3}}
	full := filter(l)
	free, known := map[uintptr]bool{}, map[uintptr]bool{}
	for _, number := range slices.Concat(anyProcess, anyProcessHere) {
		free[number], known[number] = true, true
	}
	for _, r := range conditional(l) {
		known[r.number] = true
		free[r.number] = free[r.number] || len(r.when) == 0
	}
	for number := range uintptr(1024) {
		got := verdict(t, full, auditArch, uint32(number), 1, 1, 1, 1, 1, 1)
		switch {
		case free[number] && got != allowed:
			t.Errorf("call %d: %#x, is allowed", number, got)
		case !known[number] && got != refused(unknownCall):
			t.Errorf("call %d: %#x, is not on the list", number, got)
		}
	}
}

// TestFilterManyAlternatives: the rules of one number can be longer than what a
// comparison can skip.
func TestFilterManyAlternatives(t *testing.T) {
	const first, last = 3, 66
	var sockets []uint32
	for fd := uint32(first); fd <= last; fd++ {
		sockets = append(sockets, fd)
	}
	full := filter(launching{sockets: sockets})
	for fd := range uint64(last + 2) {
		want := uint32(allowed)
		if fd < first || fd > last {
			want = refused(unix.EPERM)
		}
		for _, number := range onSockets {
			if got := verdict(t, full, auditArch, uint32(number), fd); got != want {
				t.Errorf("call %d on descriptor %d: %#x, want %#x", number, fd, got, want)
			}
		}
	}
	if got := verdict(t, full, auditArch, unix.SYS_SECCOMP); got != refused(unknownCall) {
		t.Errorf("an unknown call: %#x", got)
	}
}

// TestFilterConditions: both halves of an argument count, and all conditions
// of a rule.
func TestFilterConditions(t *testing.T) {
	const wide = 0x1234_5678_9abc_def0
	program := assemble(auditArch, []rule{
		{number: 1, when: []condition{{2, ^uint64(0), wide}, {5, 0xff, 7}}, refusal: unix.EPERM},
		{number: 2},
	})
	for _, c := range []struct {
		number uint32
		args   []uint64
		want   uint32
	}{
		{1, []uint64{0, 0, wide, 0, 0, 7}, allowed},
		{1, []uint64{0, 0, wide, 0, 0, 0xff07}, allowed},
		{1, []uint64{0, 0, wide ^ 1, 0, 0, 7}, refused(unix.EPERM)},
		{1, []uint64{0, 0, wide ^ 1<<63, 0, 0, 7}, refused(unix.EPERM)},
		{1, []uint64{0, 0, wide, 0, 0, 8}, refused(unix.EPERM)},
		{2, []uint64{1, 1, 1}, allowed},
		{3, nil, refused(unix.ENOSYS)},
	} {
		if got := verdict(t, program, auditArch, c.number, c.args...); got != c.want {
			t.Errorf("%d%x: %#x, want %#x", c.number, c.args, got, c.want)
		}
	}
}
