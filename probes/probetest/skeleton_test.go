package probetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A skeleton builds and passes its own check, in every language.
func TestSkeletons(t *testing.T) {
	for language, tools := range map[string][]string{
		"rust": {"make", "/usr/bin/cargo", "/usr/bin/rustc", "/usr/lib/rustlib/wasm32-unknown-unknown", "wasm-ld"},
		"c":    {"make", "clang", "wasm-ld"},
	} {
		t.Run(language, func(t *testing.T) {
			for _, tool := range tools {
				if _, err := exec.LookPath(tool); err != nil && !isFolder(tool) {
					if os.Getenv("CI") != "" {
						t.Fatal(err)
					}
					t.Skipf("not installed: %v", err)
				}
			}
			dir := filepath.Join(t.TempDir(), "probe")
			if err := WriteSkeleton(dir, "my-format", language); err != nil {
				t.Fatal(err)
			}
			build := exec.Command("make", "-C", dir)
			// Debian's, also where a newer one stands first on PATH.
			build.Env = append(os.Environ(), "RUSTC=/usr/bin/rustc", "CARGO=/usr/bin/cargo")
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			wasm, err := os.ReadFile(filepath.Join(dir, "my-format.wasm"))
			if err != nil {
				t.Fatal(err)
			}
			vectors := os.DirFS(filepath.Join(dir, "testdata"))
			TestVectors(t, wasm, vectors)
			kit := newKit(t, Options{})
			own, err := ReadVectors(vectors)
			if err != nil {
				t.Fatal(err)
			}
			result, err := kit.Check(t.Context(), wasm, own...)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range result.Problems {
				t.Errorf("%s: %s", p.Check, p.Message)
			}
			if result.Name != "my-format" || result.Runs == 0 {
				t.Errorf("%+v", result)
			}
		})
	}
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

func TestSkeletonRefuses(t *testing.T) {
	exists := t.TempDir()
	for _, c := range []struct{ dir, name, language, want string }{
		{"", "My Format", "c", "lower-case"},
		{"", "../x", "c", "lower-case"},
		{"", "qcow2", "c", "ships with Assay"},
		{"", "x", "cobol", "none of rust, c"},
		{exists, "x", "c", "exists"},
	} {
		dir := c.dir
		if dir == "" {
			dir = filepath.Join(exists, "new")
		}
		if err := WriteSkeleton(dir, c.name, c.language); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s in %s: error %v, want %q", c.name, c.language, err, c.want)
		}
		if isFolder(filepath.Join(exists, "new")) {
			t.Errorf("%s: something was written", c.name)
		}
	}
}
