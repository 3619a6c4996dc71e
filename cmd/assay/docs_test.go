package main

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra/doc"
)

//go:generate go test -run ^TestDocs$ -update .

var update = flag.Bool("update", false, "write docs/cli instead of comparing it")

// docs/cli is what the commands say of themselves.
func TestDocs(t *testing.T) {
	root := newRoot(environment{})
	root.DisableAutoGenTag = true
	root.InitDefaultCompletionCmd()
	committed := filepath.Join("..", "..", "docs", "cli")
	if *update {
		if err := os.RemoveAll(committed); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(committed, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := doc.GenMarkdownTree(root, committed); err != nil {
			t.Fatal(err)
		}
		return
	}
	fresh := t.TempDir()
	if err := doc.GenMarkdownTree(root, fresh); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(readFolder(t, committed), readFolder(t, fresh)); diff != "" {
		t.Errorf("docs/cli is not up to date: run `go generate ./cmd/assay` (-committed +now):\n%s", diff)
	}
}

func readFolder(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(text)
	}
	return files
}
