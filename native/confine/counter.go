package confine

import (
	"os"
	"sync"
)

// A Counter counts the bytes that a process writes, to all of its files
// together. It is for one process, and safe for concurrent use.
type Counter struct {
	mu      sync.Mutex
	io      *os.File // the kernel's account of it; nil when it does not run
	written int64
	known   bool
}

// Written returns what the process has written so far, in bytes, and whether
// it is known: not before it runs, and where the host may not look at it, as
// in a container without CAP_SYS_PTRACE at a process of another user.
func (c *Counter) Written() (n int64, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look()
	return c.written, c.known
}
