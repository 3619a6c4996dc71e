package confine

import (
	"fmt"
	"os"
	"time"

	"github.com/assay-dev/assay/internal/openfile"
	"github.com/assay-dev/assay/internal/procstat"
	"golang.org/x/sys/unix"
)

// A watchdog notices that a process has stopped getting anywhere: it used no
// processor time and moved no data for the time allowed. A process that is
// busy with nothing is for the CPU limit to end.
type watchdog struct {
	pid     int
	allowed time.Duration
	held    func() bool
	files   []*os.File // that the process writes
	last    progress
	since   time.Time
}

// progress is what only grows while a process gets somewhere.
type progress struct {
	ticks       uint64 // of processor time, 10 ms each: coarse on purpose
	read, wrote uint64 // bytes; 0 where the host may not know
	stored      int64  // blocks and bytes of the files it writes
}

func newWatchdog(pid int, s Spec) *watchdog {
	w := &watchdog{pid: pid, allowed: s.Watchdog, held: s.Held, since: time.Now()}
	for _, f := range s.Files {
		if f.Access == ReadWrite {
			w.files = append(w.files, f.File)
		}
	}
	return w
}

// stalled tells whether nothing has changed for as long as is allowed, by the
// process's own fault.
func (w *watchdog) stalled(now time.Time) bool {
	if p := w.look(); p != w.last || w.held != nil && w.held() {
		w.last, w.since = p, now
		return false
	}
	return now.Sub(w.since) >= w.allowed
}

// look samples the process. What cannot be read counts as unchanged.
func (w *watchdog) look() progress {
	var p progress
	if stat, err := procstat.Read(w.pid); err == nil {
		user, _ := stat.Number(14)   // utime
		system, _ := stat.Number(15) // stime
		p.ticks = user + system
	}
	// proc_pid_io(5): "rchar: N\nwchar: N\n…", of all calls that read or write.
	if io, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", w.pid)); err == nil {
		fmt.Sscanf(string(io), "rchar: %d\nwchar: %d\n", &p.read, &p.wrote)
	}
	for _, f := range w.files {
		var st unix.Stat_t
		if openfile.Control(f, func(fd int) error { return unix.Fstat(fd, &st) }) == nil {
			p.stored += st.Blocks + st.Size
		}
	}
	return p
}
