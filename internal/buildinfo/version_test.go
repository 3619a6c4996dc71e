package buildinfo

import (
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

func TestVersionOf(t *testing.T) {
	ours := func(version string) debug.Module { return debug.Module{Path: modulePath, Version: version} }
	dep, replaced := ours("v1.2.3"), ours("v1.2.3")
	replaced.Replace = &debug.Module{Path: "../assay"}
	other := debug.Module{Path: "example.com/host", Version: "v9.9.9"}
	for name, tc := range map[string]struct {
		linked string
		info   debug.BuildInfo
		want   string
	}{
		"linked":            {"v2.0.0-3-gabc", debug.BuildInfo{Main: ours("v1.2.3")}, "v2.0.0-3-gabc"},
		"installed":         {"", debug.BuildInfo{Main: ours("v1.2.3")}, "v1.2.3"},
		"a working copy":    {"", debug.BuildInfo{Main: ours("(devel)")}, "devel"},
		"embedded":          {"", debug.BuildInfo{Main: other, Deps: []*debug.Module{&other, &dep}}, "v1.2.3"},
		"embedded, by path": {"", debug.BuildInfo{Main: other, Deps: []*debug.Module{&replaced}}, "devel"},
		"no record":         {"", debug.BuildInfo{}, "devel"},
	} {
		if got := versionOf(tc.linked, &tc.info); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// What make build hands to the linker arrives: a name that is none would be
// ignored without a word.
func TestLinked(t *testing.T) {
	line, err := exec.Command("make", "-C", "../..", "--no-print-directory", "-n", "build", "VERSION=v0.0.7").Output()
	if err != nil {
		t.Skip("no make here: ", err)
	}
	_, flags, found := strings.Cut(string(line), "-ldflags '")
	flags, _, closed := strings.Cut(flags, "'")
	if !strings.HasPrefix(string(line), "CGO_ENABLED=0 ") {
		t.Errorf("make build runs %s, which may link a C library", line)
	}
	if !found || !closed {
		t.Fatalf("make build runs %s", line)
	}
	program := filepath.Join(t.TempDir(), "print")
	if out, err := exec.Command("go", "build", "-ldflags", flags, "-o", program, "./testdata/print").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := exec.Command(program).Output(); err != nil || string(out) != "v0.0.7" {
		t.Errorf("the version is %q, %v", out, err)
	}
}
