//go:build !linux

package blockcopy

import (
	"errors"
	"os"
)

// Elsewhere a copy reads all of its source and writes what is not zero: there
// are no holes to ask for, nothing is shared, and no locks of QEMU's programs
// are known.

func openSource(*os.File, bool) (*os.File, error) { return nil, nil }

func share(_, _ *os.File) error { return errors.ErrUnsupported }

func openDirect(*os.File) *os.File { return nil }

func prefersDirect(*os.File) bool { return false }

func allocate(*os.File, int64, int64) error { return errors.ErrUnsupported }

func punch(*os.File, int64, int64) error { return errors.ErrUnsupported }

func zeroed(*os.File, int64, int64) bool { return false }

func beginWriting(*os.File, int64, int64) {}
