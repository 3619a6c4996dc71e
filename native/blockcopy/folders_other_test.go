//go:build !linux

package blockcopy

import "testing"

// everywhere runs a test in a new folder.
func everywhere(t *testing.T, f func(t *testing.T, dir string)) { f(t, t.TempDir()) }
