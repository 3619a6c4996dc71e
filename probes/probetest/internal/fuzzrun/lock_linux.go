package main

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// locked calls f while no other run does, for the file of a name: its folder is
// locked (flock(2)), so that nothing is left behind.
func locked(name string, f func() error) error {
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	return f()
}
