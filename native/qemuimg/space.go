package qemuimg

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// spaceError returns the error of a full disk if this is why a call failed.
//
// Mostly qemu-img says so. Of a VMDK it says that a write was invalid, or
// nothing and ends by a signal (7.2); then what is left on the file system
// tells.
func spaceError(output *os.File, failed *ToolError) *NoSpaceError {
	if failed.Limit != "" {
		return nil
	}
	if errno := noSpace(failed.Stderr); errno != nil {
		return &NoSpaceError{Path: output.Name(), Err: errno}
	}
	if isFull(output) {
		return &NoSpaceError{Path: output.Name(), Err: fmt.Errorf("%w (%v)", syscall.ENOSPC, failed)}
	}
	return nil
}

// noSpace returns the errno of a full disk if it is what a tool said.
func noSpace(stderr string) error {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT} {
		text := errno.Error() // Go's texts are the C library's, in lower case
		if strings.Contains(strings.ToLower(stderr), text) {
			return errno
		}
	}
	return nil
}
