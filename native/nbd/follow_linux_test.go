package nbd

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// keptThreads returns how many threads of this process are kept from some of its
// processors.
func keptThreads(t *testing.T) int {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*")
	must(t, err)
	n := 0
	for _, task := range tasks {
		tid, err := strconv.Atoi(filepath.Base(task))
		must(t, err)
		var set unix.CPUSet
		if unix.SchedGetaffinity(tid, &set) == nil && set.Count() < runtime.NumCPU() {
			n++
		}
	}
	return n
}

// TestServeBesideClient: where there are few processors the thread that serves
// keeps to its client's, and no other one of the host does; when the session is
// over none does.
func TestServeBesideClient(t *testing.T) {
	const length = 64 << 10
	client, ended := serving(t, t.Context(), Export{Size: length, Source: newFile(t, content(length)), Client: os.Getpid})
	_, err := client.Write(opened().request(cmdRead, 0, 1, 0, length).Bytes())
	must(t, err)
	_, err = io.ReadFull(client, make([]byte, 18+20+(20+18)+20+(20+12)+(20+14)+20+headerRoom+length))
	must(t, err)
	want := 0
	if n := runtime.NumCPU(); n > 1 && n <= fewProcessors {
		want = 1
	}
	if got := keptThreads(t); got != want {
		t.Errorf("%d threads are kept from processors, want %d", got, want)
	}
	_, err = client.Write(new(wire).request(cmdDisc, 0, 0, 0, 0).Bytes())
	must(t, err)
	must(t, <-ended)
	if got := keptThreads(t); got != 0 {
		t.Errorf("%d threads are kept from processors when the session is over", got)
	}
}

func TestProcessorOf(t *testing.T) {
	processor, err := processorOf(os.Getpid())
	if err != nil || processor < 0 {
		t.Errorf("of this process: %d, %v", processor, err)
	}
	for _, pid := range []int{0, -1, 1 << 30} {
		if processor, err := processorOf(pid); err == nil {
			t.Errorf("of process %d: %d", pid, processor)
		}
	}
}
