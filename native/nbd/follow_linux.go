package nbd

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// fewProcessors is how many there are at most where the server keeps beside its
// client. A client with a thread that reads and one that writes has two in use,
// and the server waits for the reader, or it for the server: so one processor
// is enough for both. Left where it was, the server waits behind the writer
// while the reader's processor is idle, where the kernel does not know of a
// cache that the two share, as in many virtual machines; and to wake a thread
// on another processor there is to leave the machine. A vmdk took 0.2 less of
// qemu-img's time, a raw disk 0.15. Where there are more, one that is free is
// better.
const fewProcessors = 2

// follower returns what moves the calling thread to the processor on which the
// client's main thread ran last; nil where that is not to be.
func follower(client func() int) func() {
	if client == nil || runtime.NumCPU() > fewProcessors {
		return nil
	}
	return func() {
		processor, err := processorOf(client())
		if err != nil {
			return // it has not begun, or has ended, or is not shown
		}
		var one unix.CPUSet
		one.Set(processor)
		_ = unix.SchedSetaffinity(0, &one) // as it was will do
	}
}

// processorOf returns the processor on which a process's main thread ran last
// (proc_pid_stat(5), field 39).
func processorOf(pid int) (int, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// Field 2 is the program's name, in parentheses, and may hold any of these.
	rest := string(stat)
	fields := strings.Fields(rest[strings.LastIndexByte(rest, ')')+1:])
	if len(fields) < 37 {
		return 0, errors.New("too few fields")
	}
	return strconv.Atoi(fields[36])
}
