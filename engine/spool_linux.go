package engine

import (
	"os"
	"path/filepath"

	"github.com/assay-dev/assay/internal/tempfile"
	"golang.org/x/sys/unix"
)

// openSpool makes a file without a name in a folder.
func openSpool(dir string) (file *os.File, named bool, err error) {
	folder, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, false, err
	}
	defer folder.Close()
	file, name, err := tempfile.Create(folder, filepath.Join(dir, "spool"), 0o600)
	if err == nil && name != "" {
		if err = unix.Unlinkat(int(folder.Fd()), name, 0); err != nil {
			file.Close()
		}
	}
	if err != nil {
		return nil, false, &os.PathError{Op: "create in", Path: dir, Err: err}
	}
	return file, false, nil
}
