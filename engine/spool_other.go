//go:build !linux

package engine

import "os"

// openSpool makes a file in a folder, and removes its name if it can: Windows
// cannot remove an open file.
func openSpool(dir string) (file *os.File, named bool, err error) {
	file, err = os.CreateTemp(dir, "assay-spool-*")
	if err != nil {
		return nil, false, err
	}
	return file, os.Remove(file.Name()) != nil, nil
}
