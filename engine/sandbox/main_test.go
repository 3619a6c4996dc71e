package sandbox

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain lets garbage grow to four times what is in use, unless GOGC says
// something: modules of 50 MB are built here.
func TestMain(m *testing.M) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	os.Exit(m.Run())
}
