package nbd

import (
	"runtime"

	"github.com/assay-dev/assay/internal/procstat"
	"golang.org/x/sys/unix"
)

// fewProcessors is how many there are at most where the server keeps beside its
// client. A client with a thread that reads and one that writes has two in use,
// and with short answers the reader waits for the server, or it for the reader:
// one processor is enough for both. Left where it was the server waits behind
// the writer, while the reader's processor is idle, where the kernel does not
// know of a cache that the two share, as in many virtual machines; and to wake a
// thread on another processor there is to leave the machine. Where there are
// more, one that is free is better; and with long answers the client can take
// one part while the server sends the next.
const fewProcessors = 2

// follower returns what keeps the calling thread on the processor on which the
// client's main thread ran last, or lets it run wherever this one may; nil where
// it is never to be kept.
func follower(client func() int) func(keep bool) {
	if client == nil || runtime.NumCPU() > fewProcessors {
		return nil
	}
	var all unix.CPUSet
	if unix.SchedGetaffinity(0, &all) != nil {
		return nil
	}
	return func(keep bool) {
		to := all
		if keep {
			processor, err := processorOf(client())
			if err != nil {
				return // it has not begun, or has ended, or is not shown
			}
			to.Zero()
			to.Set(processor)
		}
		_ = unix.SchedSetaffinity(0, &to) // as it was will do
	}
}

// processorOf returns the processor on which a process's main thread ran last
// (proc_pid_stat(5)).
func processorOf(pid int) (int, error) {
	stat, err := procstat.Read(pid)
	if err != nil {
		return 0, err
	}
	processor, err := stat.Number(39)
	return int(processor), err
}
