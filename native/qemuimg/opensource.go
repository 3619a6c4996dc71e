package qemuimg

import (
	"fmt"
	"os"
)

// OpenSource opens the file of a source again, for reading only: the position
// and the locks of what it returns are its own. It is nil where this process could not open the file itself;
// the file then is open for reading only, and is to be read at offsets.
//
// Unless the source is taken live, it fails with a *LockedError when another
// program writes to it, and until it is closed qemu's programs do not, as with
// any source of a Tool.
func OpenSource(file *os.File, live bool) (*os.File, error) {
	again, err := readOnly(file)
	if err != nil && writable(file) {
		return nil, err
	}
	if live {
		return again, nil
	}
	locked := again
	if again == nil {
		locked = file
	}
	if err := lock(locked, again != nil); err != nil {
		if again != nil {
			again.Close()
		}
		return nil, fmt.Errorf("%s: %w", file.Name(), err)
	}
	return again, nil
}
