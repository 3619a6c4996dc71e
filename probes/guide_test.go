package probes_test

import (
	"os"
	"strings"
	"testing"
)

// The C in docs/adding-a-probe.md is the example that every build compiles.
// (Its Rust is compiled by `cargo test`.)
func TestGuideShowsTheExample(t *testing.T) {
	guide, err := os.ReadFile("../docs/adding-a-probe.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("src/include/example.c")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(guide), "```c\n"+string(example)+"```\n") {
		t.Error("docs/adding-a-probe.md does not show probes/src/include/example.c as it is")
	}
}
