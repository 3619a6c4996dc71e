package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// odd is a fuzz target that fails of odd numbers. It is indented lest it be
// found as one of the repository.
const odd = `package odd

import "testing"

 func FuzzOdd(f *testing.F) {
	f.Add(3)
	f.Add(4)
	f.Fuzz(func(t *testing.T, n int) {
		if n%2 != 0 {
			t.Error("odd")
		}
	})
}
`

// A run that failed goes on only when no input is to blame: the fuzzer's own
// errors, and an input that passes when it is tried again, which is not kept.
func TestIsStarved(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":                                 "module example.org/odd\n\ngo 1.26\n",
		"odd_test.go":                            odd,
		"testdata/fuzz/FuzzOdd/1111111111111111": "go test fuzz v1\nint(1)\n",
		"testdata/fuzz/FuzzOdd/2222222222222222": "go test fuzz v1\nint(2)\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	binary := filepath.Join(dir, "odd.test")
	build := exec.Command("go", "test", "-c", "-o", binary, ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	oddTarget := target{"example.org/odd", dir, "FuzzOdd"}
	for _, c := range []struct {
		output string
		want   bool
		kept   bool
	}{
		{"--- FAIL: FuzzOdd (120.03s)\n    fuzzing process hung or terminated unexpectedly: exit status 2\n" +
			"    Failing input written to testdata/fuzz/FuzzOdd/1111111111111111\n    To re-run:\n", false, true},
		{"--- FAIL: FuzzOdd (120.03s)\n    fuzzing process hung or terminated unexpectedly: exit status 2\n" +
			"    Failing input written to testdata/fuzz/FuzzOdd/2222222222222222\n    To re-run:\n", true, false},
		{"failure while testing seed corpus entry: FuzzOdd/seed#0\n--- FAIL: FuzzOdd (130.00s)\n", false, true},
		{"failure while testing seed corpus entry: FuzzOdd/seed#1\n--- FAIL: FuzzOdd (130.00s)\n", true, true},
		{"--- FAIL: FuzzOdd (120.03s)\n    context deadline exceeded\nFAIL\n", true, true},
		{"panic: testing: something else\n", false, true},
	} {
		if got := new(fuzzer).isStarved(oddTarget, binary, []byte(c.output)); got != c.want {
			t.Errorf("%v after %q", got, c.output)
		}
		match := failingInput.FindStringSubmatch(c.output)
		if match == nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, match[1])); errors.Is(err, fs.ErrNotExist) == c.kept {
			t.Errorf("%s: %v", match[1], err)
		}
	}
}
