package qemuimg

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/assay-dev/assay/internal/vetted"
)

// signalling is a source by which the process that reads it is sent a signal
// before it gets what is in the middle.
type signalling struct {
	io.ReaderAt
	middle int64
	once   sync.Once
	signal func()
}

func (s *signalling) ReadAt(p []byte, off int64) (int, error) {
	if off >= s.middle {
		s.once.Do(s.signal)
	}
	return s.ReaderAt.ReadAt(p, off)
}

// toolsOf returns the processes of a name that this one has started
// (proc_pid_stat(5)).
func toolsOf(name string) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, path := range all {
		text, _ := os.ReadFile(path + "/stat")
		_, rest, _ := strings.Cut(string(text), "("+name+") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) {
			pid, _ := strconv.Atoi(filepath.Base(path))
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestToolEnded: the real tool, killed or stopped by others in the middle of
// its work, has failed, whatever it wrote until then, and is gone. Other signals
// from outside do nothing to it where it has a namespace of processes.
func TestToolEnded(t *testing.T) {
	tool := realTool(t)
	disk := make([]byte, diskSize)
	_, _ = rand.NewChaCha8([32]byte{}).Read(disk)
	for signal, want := range map[syscall.Signal]ToolError{
		syscall.SIGKILL: {ExitCode: -1, Signal: syscall.SIGKILL},
		syscall.SIGSTOP: {ExitCode: -1, Signal: syscall.SIGKILL, Limit: LimitNoProgress},
	} {
		for _, target := range some([]string{TargetQcow2, TargetRaw}) {
			t.Run(fmt.Sprint(signal, " ", target), func(t *testing.T) {
				source := &signalling{ReaderAt: bytes.NewReader(disk), middle: diskSize / 2, signal: func() {
					pids := toolsOf("qemu-img")
					if len(pids) != 1 {
						t.Errorf("the tools are %v", pids)
					}
					for _, pid := range pids {
						if err := syscall.Kill(pid, signal); err != nil {
							t.Error(err)
						}
					}
				}}
				image := vetted.New(vetted.Facts{Format: "raw", Driver: "raw", Size: diskSize, VirtualSize: diskSize}, goodFor(source, 1<<20))
				limits := Limits{CPU: time.Minute, AddressSpace: 1 << 30, NoProgress: time.Second}
				_, err := tool.Convert(t.Context(), image, newOutput(t), ConvertOptions{Target: target, Limits: &limits})
				failed, ok := errors.AsType[*ToolError](err)
				if !ok || failed.ExitCode != want.ExitCode || failed.Signal != want.Signal || failed.Limit != want.Limit {
					t.Errorf("got %v", err)
				}
				noChildren(t)
			})
		}
	}
}

// TestToolMeetsCPULimit: so has the real tool that would work for longer than
// it may. It takes seconds of work: TestConvertFails does it with a fake one.
func TestToolMeetsCPULimit(t *testing.T) {
	if os.Getenv("ASSAY_LONG") == "" {
		t.Skip("seconds of work: with ASSAY_LONG=1")
	}
	tool := realTool(t)
	const size = 256 << 20 // many seconds of zlib
	disk := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(disk)
	image := vetted.New(vetted.Facts{Format: "raw", Driver: "raw", Size: size, VirtualSize: size}, goodFor(bytes.NewReader(disk), 1<<20))
	limits := Limits{CPU: time.Second, AddressSpace: 1 << 30, NoProgress: time.Minute}
	_, err := tool.Convert(t.Context(), image, newOutput(t), ConvertOptions{Target: TargetQcow2, Compress: CompressZlib, Limits: &limits})
	if failed, ok := errors.AsType[*ToolError](err); !ok || failed.Limit != LimitCPU || failed.Hint() == "" {
		t.Errorf("got %v", err)
	}
	noChildren(t)
}
