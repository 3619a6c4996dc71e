package confine

import (
	"fmt"
	"os"
)

// follow begins to count. The file stays that of the process, whoever gets its
// number.
func (c *Counter) follow(pid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	io, err := os.Open(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return
	}
	c.io = io
	c.look()
}

// stop counts for the last time, when the process has ended and was not
// reaped.
func (c *Counter) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look()
	if c.io != nil {
		c.io.Close()
		c.io = nil
	}
}

// look reads the account (proc_pid_io(5)). Where that fails, what was known
// stays.
func (c *Counter) look() {
	if c.io == nil {
		return
	}
	var text [256]byte
	n, _ := c.io.ReadAt(text[:], 0) // io.EOF, as it is shorter; or there is nothing to scan
	var read, written int64
	if _, err := fmt.Sscanf(string(text[:n]), "rchar: %d\nwchar: %d\n", &read, &written); err == nil {
		c.written, c.known = written, true
	}
}
