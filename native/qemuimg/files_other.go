//go:build !linux

package qemuimg

import (
	"errors"
	"os"
)

// Nothing here is reached: no process is started without confinement.

func readOnly(*os.File) (*os.File, error) { return nil, errors.ErrUnsupported }

func sizeError(_ *os.File, err error) error { return err }

func writable(*os.File) bool { return true }

func lock(*os.File, bool) error { return errors.ErrUnsupported }

// LockForResize fails with an error that matches errors.ErrUnsupported.
func LockForResize(*os.File) error { return errors.ErrUnsupported }

func isFull(*os.File) bool { return false }

func writeBack(*os.File) func() { return func() {} }
