package probes

import (
	"bytes"
	"testing"
)

// ReplaceShipped changes one file of the shipped folder for the length of a
// test: change gets its bytes and returns what is to be there instead.
func ReplaceShipped(t *testing.T, file string, change func([]byte) []byte) {
	t.Helper()
	files := folder(t)
	files["wasm/"+file].Data = change(bytes.Clone(files["wasm/"+file].Data))
	shipped = files
	t.Cleanup(func() { shipped = embedded })
}
