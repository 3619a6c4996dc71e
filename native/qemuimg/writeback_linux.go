package qemuimg

import (
	"os"
	"time"

	"github.com/assay-dev/assay/internal/openfile"
	"golang.org/x/sys/unix"
)

// writeBackEvery is how often the kernel is told to write the output to its
// disk. What a longer wait would gather is more than a disk writes meanwhile.
const writeBackEvery = 100 * time.Millisecond

// writeBack has the kernel write a file to its disk while it is written, and
// not only when it is synced at the end: by itself the kernel would gather
// much of it first, and the disk stand idle. It syncs nothing, and errors are
// those of the sync that follows. It ends when stop returns.
func writeBack(file *os.File) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	ticker := time.NewTicker(writeBackEvery)
	go func() {
		defer close(ended)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				_ = openfile.Control(file, func(fd int) error {
					return unix.SyncFileRange(fd, 0, 0, unix.SYNC_FILE_RANGE_WRITE)
				})
			}
		}
	}()
	return func() { close(done); <-ended }
}
