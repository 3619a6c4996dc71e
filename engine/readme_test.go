package engine_test

import (
	"os"
	"strings"
	"testing"
)

// The code in the README is a function of example_test.go, which compiles.
func TestReadmeShowsTheExample(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(readme), "```go\n")
	block, _, closed := strings.Cut(rest, "```\n")
	if !found || !closed {
		t.Fatal("README.md has no block of Go")
	}
	if !strings.Contains(string(example), "\n"+block) {
		t.Errorf("the code in README.md is not that of engine/example_test.go:\n%s", block)
	}
}
