package qemuimg

import (
	"bytes"
	"fmt"
	"strings"
	"syscall"

	"github.com/assay-dev/assay/native/confine"
)

// The values of ToolError.Limit.
const (
	LimitCPU        = confine.LimitCPU
	LimitMemory     = confine.LimitMemory
	LimitFileSize   = confine.LimitFileSize
	LimitDeadline   = confine.LimitDeadline
	LimitNoProgress = confine.LimitNoProgress
)

// A ToolError says that qemu-img failed, or was ended.
type ToolError struct {
	Tool     string         // "qemu-img"
	Op       string         // "convert"
	ExitCode int            // -1 if a signal ended it
	Signal   syscall.Signal // 0 if none did
	// Stderr is the end of what it said. An image may have had a say in it.
	Stderr string
	// Limit is the limit it ran into, or empty: LimitCPU and so on. Memory
	// and file size are told by what qemu-img says.
	Limit string
}

// Error implements error. What the tool said is quoted where it holds more
// than plain text.
func (e *ToolError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: ", e.Tool, e.Op)
	switch {
	case e.Limit != "":
		fmt.Fprintf(&b, "hit its %s limit", e.Limit)
	case e.Signal != 0:
		fmt.Fprintf(&b, "killed by signal %d (%v)", int(e.Signal), e.Signal)
	default:
		fmt.Fprintf(&b, "exit status %d", e.ExitCode)
	}
	if said := lastLine(e.Stderr); said != "" {
		fmt.Fprintf(&b, ": %s", said)
	}
	return b.String()
}

// Hint says what to do about it, or is empty.
func (e *ToolError) Hint() string {
	if e.Limit == "" {
		return ""
	}
	return fmt.Sprintf("if the image is what it should be, raise the %s limit", e.Limit)
}

// lastLine returns the last line that says something, in at most 300 bytes of
// printable text.
func lastLine(text string) string {
	text = strings.TrimSpace(text)
	text = text[strings.LastIndexByte(text, '\n')+1:]
	quoted := fmt.Sprintf("%+q", text)
	quoted = strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	return quoted[:min(len(quoted), 300)]
}

// A LockedError says that another program has the source open, by the locks
// that qemu takes: for writing or, where the source was to be resized, at all.
type LockedError struct{ Resize bool }

// Error implements error.
func (e *LockedError) Error() string {
	if e.Resize {
		return "in use: another program has it open"
	}
	return "in use: another program has locked it for writing"
}

// Hint says what to do about it.
func (e *LockedError) Hint() string {
	if e.Resize {
		return "end that program"
	}
	return "end that program; or, for a raw image whose output may be of no one moment, take it live"
}

// newToolError tells from a result what went wrong.
func newToolError(op string, r *confine.Result) *ToolError {
	e := &ToolError{Tool: "qemu-img", Op: op, ExitCode: r.ExitCode, Signal: r.Signal, Stderr: string(r.Stderr), Limit: r.Limit}
	if e.Limit == "" {
		e.Limit = limitSaid(r.Stderr)
	}
	return e
}

// limitSaid returns the limit that stops a call which says this. qemu
// prints strerror(errno), in English under LC_ALL=C; GLib and the loader have
// words of their own for memory, and a thread without room for its stack fails
// with EAGAIN.
func limitSaid(stderr []byte) string {
	for _, said := range []struct{ text, limit string }{
		{"File too large", LimitFileSize},
		{"Cannot allocate memory", LimitMemory},
		{"failed to allocate", LimitMemory},
		{"cannot allocate memory", LimitMemory},
		{"failed to map segment", LimitMemory},
		{"thread_create: Resource temporarily unavailable", LimitMemory},
	} {
		if bytes.Contains(stderr, []byte(said.text)) {
			return said.limit
		}
	}
	return ""
}
