package confine

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The filter is assembled here rather than by a library: it is the rule that
// matters most, and easily got wrong. Once a condition has failed, the
// argument it looked at is in the register where the number of the call was;
// compared with another number, an argument of the right value would be a way
// past the list (TestFilterArgumentIsNoNumber).

// A rule allows a system call, if all conditions hold; where they do not, the
// call fails with refusal.
type rule struct {
	number  uintptr
	when    []condition
	refusal unix.Errno
}

// A condition holds when the masked argument equals value.
type condition struct {
	arg         int // 0 to 5
	mask, value uint64
}

// equals is the condition that an argument of 32 bits has a value. The upper
// half is not looked at, as the kernel does not look at it either.
func equals(arg int, value uint32) condition {
	return condition{arg: arg, mask: math.MaxUint32, value: uint64(value)}
}

// A launching is what a filter must let the host do to start the process; it
// then lets the process do it too.
type launching struct {
	flags     uint32   // of clone, which may be asked for a pidfd too
	first     bool     // the process is the first of a pid namespace
	otherUser bool     // it becomes another user, or keeps a capability
	sockets   []uint32 // its descriptors that are sockets
}

// unknownCall is the error of every call that is not on the list. It is
// ENOSYS because that is the answer C libraries know: one newer than the list
// falls back from a call that the kernel seems not to have, but fails for
// good when told EPERM. Killing is no option: the host's own thread runs
// under the filter until the process has ended.
const unknownCall = unix.ENOSYS

// Offsets in struct seccomp_data (linux/seccomp.h).
const (
	dataNumber = 0
	dataArch   = 4
	dataArgs   = 16
)

// assemble returns the classic BPF program of the rules. It looks for the
// number by halves: when a filter is installed, the kernel runs it for every
// call there is, and later for each call that depends on an argument. Several
// rules for one number are alternatives, tried in their order.
func assemble(auditArch uint32, rules []rule) []unix.SockFilter {
	rules = slices.SortedStableFunc(slices.Values(rules), func(a, b rule) int { return cmp.Compare(a.number, b.number) })
	var numbers [][]rule
	for first, r := range rules {
		if first > 0 && r.number == rules[first-1].number {
			continue
		}
		next := first + 1
		for next < len(rules) && rules[next].number == r.number {
			next++
		}
		numbers = append(numbers, rules[first:next])
	}
	p := make(program, 0, 8*len(rules))
	p.load(dataArch)
	p.unless(auditArch, 1)
	p.refuse(unknownCall)
	p.load(dataNumber)
	p.search(numbers)
	return p
}

// search finds the number in the accumulator among those of these rules, which
// are in order, and applies them.
func (p *program) search(numbers [][]rule) {
	const few = 3
	if len(numbers) > few {
		middle := len(numbers) / 2
		p.ifBelow(numbers[middle][0].number, func() { p.search(numbers[:middle]) })
		p.search(numbers[middle:])
		return
	}
	for _, rules := range numbers {
		p.ifEqual(rules[0].number, func() { p.alternatives(rules) })
	}
	p.refuse(unknownCall)
}

// alternatives applies the rules for one number: comparisons, each of which is
// complete in itself and leaves nothing behind for the next.
func (p *program) alternatives(rules []rule) {
	for _, r := range rules {
		p.ifAll(r.when, p.allow)
	}
	if last := rules[len(rules)-1]; len(last.when) > 0 {
		p.refuse(last.refusal)
	}
}

// program is a filter being written. The accumulator holds the call's number
// wherever the rules of one begin.
type program []unix.SockFilter

func (p *program) add(code uint16, k uint32, jt, jf int) {
	*p = append(*p, unix.SockFilter{Code: code, Jt: uint8(jt), Jf: uint8(jf), K: k})
}

// load puts the word at an offset of seccomp_data into the accumulator.
func (p *program) load(offset uint32) { p.add(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, offset, 0, 0) }

// unless skips n instructions when the accumulator equals k.
func (p *program) unless(k uint32, n int) { p.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, k, n, 0) }

// ifBelow skips the body unless the accumulator is less than k.
func (p *program) ifBelow(k uintptr, body func()) {
	p.add(unix.BPF_JMP|unix.BPF_JGE|unix.BPF_K, uint32(k), 0, 1)
	p.jumpOver(body)
}

// ifEqual skips the body unless the accumulator equals k.
func (p *program) ifEqual(k uintptr, body func()) {
	p.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, uint32(k), 1, 0)
	p.jumpOver(body)
}

// ifAll skips the body, of a few instructions, unless all conditions hold. The
// accumulator is lost.
func (p *program) ifAll(conditions []condition, body func()) {
	var comparisons []int
	for _, c := range conditions {
		for _, half := range []struct{ offset, mask, value uint32 }{
			{highHalf, uint32(c.mask >> 32), uint32(c.value >> 32)}, {lowHalf, uint32(c.mask), uint32(c.value)},
		} {
			if half.mask == 0 {
				continue // it may be anything
			}
			p.load(dataArgs + 8*uint32(c.arg) + half.offset)
			if half.mask != math.MaxUint32 {
				p.add(unix.BPF_ALU|unix.BPF_AND|unix.BPF_K, half.mask, 0, 0)
			}
			comparisons = append(comparisons, len(*p))
			p.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, half.value, 0, 0)
		}
	}
	body()
	for _, at := range comparisons {
		(*p)[at].Jf = uint8(len(*p) - at - 1)
	}
}

// jumpOver skips the body, which may be longer than the 255 instructions that a
// comparison can skip.
func (p *program) jumpOver(body func()) {
	jump := len(*p)
	p.add(unix.BPF_JMP|unix.BPF_JA, 0, 0, 0)
	body()
	(*p)[jump].K = uint32(len(*p) - jump - 1)
}

func (p *program) allow() { p.add(unix.BPF_RET|unix.BPF_K, unix.SECCOMP_RET_ALLOW, 0, 0) }

func (p *program) refuse(errno unix.Errno) {
	p.add(unix.BPF_RET|unix.BPF_K, unix.SECCOMP_RET_ERRNO|uint32(errno), 0, 0)
}

// installFilter puts the filter on the calling thread, which must have
// no-new-privs or CAP_SYS_ADMIN. Threads and processes it starts inherit it.
func installFilter(filter []unix.SockFilter) error {
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if _, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&prog))); errno != 0 {
		return fmt.Errorf("install the seccomp filter: %w", errno)
	}
	return nil
}

// seccompStatus tells whether filters can be used here.
func seccompStatus() LayerStatus {
	s := LayerStatus{Name: LayerSeccomp}
	action := uint32(unix.SECCOMP_RET_ERRNO)
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)))
	switch {
	case auditArch == 0:
		s.Why = "there is no list of system calls for this processor"
		s.Remedy = "use amd64 or arm64"
	case errors.Is(errno, unix.ENOSYS) || errors.Is(errno, unix.EINVAL):
		s.Why = "the kernel has no seccomp filters"
		s.Remedy = "use a kernel 4.14 or newer, built with CONFIG_SECCOMP_FILTER"
	case errno != 0:
		s.Why = fmt.Sprintf("seccomp: %v", errno)
		s.Remedy = "allow the system call seccomp, perhaps in the profile of the container this runs in"
	default:
		s.Available = true
	}
	return s
}
