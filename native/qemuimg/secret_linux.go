package qemuimg

import (
	"fmt"
	"os"

	"github.com/assay-dev/assay/internal/openfile"
	"golang.org/x/sys/unix"
)

// secretPipe returns the end of a pipe that a secret can be read from, once,
// by whoever is handed it. It lies in the kernel's buffer until then, which is
// no file and is not written to swap, and is gone when the end is closed.
func secretPipe(secret []byte) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	// The tool opens it again by its name in /proc, as a user of its own. To
	// anybody else that name is closed as the process is.
	err = openfile.Control(r, func(fd int) error { return unix.Fchmod(fd, 0o444) })
	if err == nil {
		// It fits into the buffer (pipe(7): a page at least).
		_, err = w.Write(secret)
	}
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("hand over the passphrase: %w", err)
	}
	return r, nil
}
