//go:build !linux

package directio

import (
	"os"
	"runtime"
)

// Of fails with an *UnavailableError.
func Of(file *os.File) (Alignment, error) { return OfPath(file.Name()) }

// OfPath fails with an *UnavailableError.
func OfPath(path string) (Alignment, error) {
	return Alignment{}, &UnavailableError{Path: path, Reason: "it is not known on " + runtime.GOOS}
}
