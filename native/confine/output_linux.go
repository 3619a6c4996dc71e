package confine

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// outputKept is how much of the end of each output stream a Result holds, in
// bytes: what a tool says last is why it failed.
const outputKept = 64 << 10

// drainGrace is how long the streams of a process may stay open after it
// ended. They close with it, unless a copy of it left the group and lives on.
const drainGrace = time.Second

// output is one output stream of a process: a pipe, read as it fills so that
// the process never blocks on it, of which the end is kept.
type output struct {
	read  *os.File
	write int // the process's end; blocking, as tools expect
	each  func([]byte)
	done  chan struct{}
	kept  []byte // owned by the reading goroutine until done
}

// newOutput opens a stream. each, if not nil, gets what arrives.
func newOutput(each func([]byte)) (*output, error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	if err := unix.SetNonblock(ends[0], true); err != nil {
		unix.Close(ends[0])
		unix.Close(ends[1])
		return nil, os.NewSyscallError("fcntl", err)
	}
	o := &output{read: os.NewFile(uintptr(ends[0]), "|0"), write: ends[1], each: each, done: make(chan struct{})}
	go o.collect()
	return o, nil
}

// collect reads until every copy of the process's end is closed.
func (o *output) collect() {
	defer close(o.done)
	buf := make([]byte, 8<<10)
	for {
		n, err := o.read.Read(buf)
		if n > 0 {
			if o.each != nil {
				o.each(buf[:n])
			}
			o.kept = append(o.kept, buf[:n]...)
			if len(o.kept) > 2*outputKept {
				o.kept = append(o.kept[:0], o.kept[len(o.kept)-outputKept:]...)
			}
		}
		if err != nil {
			return
		}
	}
}

// release closes the host's copy of the process's end, once the process has
// ended or was never started. From then on the stream has drainGrace to end.
func (o *output) release() {
	unix.Close(o.write)
	o.read.SetReadDeadline(time.Now().Add(drainGrace))
}

// finish waits for the end of a released stream and returns what was kept.
func (o *output) finish() []byte {
	<-o.done
	o.read.Close()
	return o.kept[max(0, len(o.kept)-outputKept):]
}
