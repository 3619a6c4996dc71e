//go:build !unix

package sandbox

import (
	"errors"
	"fmt"
	"runtime"
)

// privateDir fails: who may write to a folder is not something that can be
// told here from its owner and mode.
func privateDir(dir string) (string, error) {
	return "", fmt.Errorf("%s: who can write to a folder is not checked on %s: %w", dir, runtime.GOOS, errors.ErrUnsupported)
}
