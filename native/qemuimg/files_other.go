//go:build !linux

package qemuimg

import (
	"errors"
	"math"
	"os"
)

// Nothing here is reached: no process is started without confinement.

func readOnly(*os.File) (*os.File, error) { return nil, errors.ErrUnsupported }

func sizeError(_ *os.File, err error) error { return err }

func writable(*os.File) bool { return true }

func lock(*os.File, bool) error { return errors.ErrUnsupported }

// LockForResize fails with an error that matches errors.ErrUnsupported.
func LockForResize(*os.File) error { return errors.ErrUnsupported }

func freeSpace(*os.File) (int64, error) { return math.MaxInt64, nil }

func mountPoint(*os.File) string { return "" }

func secretPipe([]byte) (*os.File, error) { return nil, errors.ErrUnsupported }

func writeBack(*os.File) func() { return func() {} }
