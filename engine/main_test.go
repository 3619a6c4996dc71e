package engine_test

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain lets garbage grow to four times what is in use before it is
// collected, unless GOGC says something: these tests build thousands of images
// of some megabytes, and to have their memory from the kernel again and again
// takes a third of the processor's time.
func TestMain(m *testing.M) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	os.Exit(m.Run())
}
