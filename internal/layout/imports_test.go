// Package layout holds the test that pins which way imports run.
package layout

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/assay-dev/assay/"

// listed is what go list says of a package.
type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
}

func list(t *testing.T, patterns ...string) map[string]listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-deps", "-json=ImportPath,Standard,Imports,Deps"}, patterns...)...)
	cmd.Dir = "../.."
	// The rules are those of the shipped build: Linux, without cgo.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	packages := map[string]listed{}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages[p.ImportPath] = p
	}
}

// Imports run one way: each package of the project may import those of the
// project listed here, and nothing else of it.
func TestImportsRunOneWay(t *testing.T) {
	allowed := map[string][]string{
		"hostfuncs":          {},
		"probes":             {},
		"internal/buildinfo": {},
		"internal/mountinfo": {},
		"internal/openfile":  {},
		"internal/pattern":   {},
		"internal/procstat":  {},
		"internal/sysblock":  {},
		"internal/tempfile":  {"internal/openfile", "internal/pattern"},
		"internal/vetted":    {},
		"testdata/images":    {},
		"engine/sandbox":     {"hostfuncs"},
		"native":             {},
		"native/blockcopy":   {"native/directio", "native/qemuimg", "native/throttle", "internal/openfile", "internal/vetted"},
		"native/confine":     {"internal/mountinfo", "internal/openfile", "internal/procstat"},
		"native/destination": {"internal/sysblock", "internal/tempfile"},
		"native/directio":    {"internal/openfile"},
		"native/lease":       {"internal/openfile"},
		"native/luks":        {},
		"native/nbd":         {"internal/openfile", "internal/procstat"},
		"native/stamp":       {"internal/openfile", "internal/pattern"},
		"native/throttle":    {"internal/openfile", "internal/sysblock"},
		"native/qemuimg":     {"native/confine", "native/directio", "native/lease", "native/nbd", "native/throttle", "internal/mountinfo", "internal/openfile", "internal/pattern", "internal/vetted"},
		"engine": {"hostfuncs", "engine/sandbox", "probes", "internal/vetted",
			"native/blockcopy", "native/confine", "native/destination", "native/qemuimg", "native/stamp", "native/throttle",
			"internal/buildinfo", "internal/tempfile"},
		"probes/probetest": {"engine", "engine/sandbox", "hostfuncs", "probes", "testdata/images", "internal/pattern"},
		"cmd/assay": {"engine", "engine/sandbox", "hostfuncs", "native/confine", "native/destination", "native/lease", "native/luks",
			"native/qemuimg", "native/stamp", "probes", "probes/probetest", "internal/buildinfo"},
	}
	packages := list(t, "./cmd/...", "./engine/...", "./hostfuncs", "./native/...", "./probes", "./probes/probetest", "./internal/vetted")
	for path, p := range packages {
		name, ours := strings.CutPrefix(path, module)
		if !ours {
			continue
		}
		rule, known := allowed[name]
		if !known {
			t.Errorf("%s has no rule in this test: say what it may import", name)
			continue
		}
		for _, imported := range p.Imports {
			if other, ours := strings.CutPrefix(imported, module); ours && !slices.Contains(rule, other) {
				t.Errorf("%s imports %s, which no rule allows", name, other)
			}
		}
	}
}

// A program that embeds the engine gets these modules, and no other.
func TestEngineDependencies(t *testing.T) {
	allowed := []string{
		"github.com/tetratelabs/wazero", "golang.org/x/sys", "github.com/cespare/xxhash", "github.com/pkg/xattr", "github.com/assay-dev/assay",
	}
	packages := list(t, "./engine")
	for path, p := range packages {
		if !p.Standard && !slices.ContainsFunc(allowed, func(a string) bool { return path == a || strings.HasPrefix(path, a+"/") }) {
			t.Errorf("engine depends on %s", path)
		}
	}
	if slices.Contains(packages[module+"hostfuncs"].Imports, "C") {
		t.Error("cgo in the product")
	}
}

// Only package engine makes vetted images, and only package native/confine
// starts processes.
func TestNarrowDoors(t *testing.T) {
	for pattern, allowed := range map[string][]string{
		`vetted\.New\(`: {"engine/vet.go", "engine/convert.go", "engine/resize.go"},
		`exec\.Command|os\.StartProcess|(syscall|unix)\.(StartProcess|ForkExec|Exec)\b`: {"native/confine/"},
		// Measured, and not to come back: see docs/rationale.md.
		`WithCloseOnContextDone\(|WithMemoryCapacityFromMax\(`: {},
	} {
		cmd := exec.Command("grep", "-rlE", "--include=*.go", "--exclude=*_test.go", "--exclude-dir=testdata", pattern,
			"engine", "hostfuncs", "native", "internal/vetted", "cmd")
		cmd.Dir = "../.."
		out, err := cmd.Output()
		if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !(ok && exit.ExitCode() == 1) {
			t.Fatalf("grep: %v", err)
		}
		for file := range strings.FieldsSeq(string(out)) {
			if !slices.ContainsFunc(allowed, func(a string) bool { return strings.HasPrefix(file, a) }) {
				t.Errorf("%s uses %s", file, pattern)
			}
		}
	}
}
