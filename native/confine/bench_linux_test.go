package confine

import (
	"os/exec"
	"testing"
)

// BenchmarkRun is the cost of a process under all layers; BenchmarkPlain that
// of the same one without any.
func BenchmarkRun(b *testing.B) {
	if toolPath == "" {
		b.Skip("no go command to build the test tool with")
	}
	for b.Loop() {
		if _, err := Run(b.Context(), spec()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPlain(b *testing.B) {
	if toolPath == "" {
		b.Skip("no go command to build the test tool with")
	}
	for b.Loop() {
		if err := exec.CommandContext(b.Context(), toolPath).Run(); err != nil {
			b.Fatal(err)
		}
	}
}
