package engine_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/hostfuncs"
)

// recipe is an image that qemu-img can make, and what must be said of it.
type recipe struct {
	format  engine.Format
	name    string   // unique within the format
	size    string   // of the disk in bytes; "" = recipeSize
	options string   // of qemu-img create -o; BASE stands for a raw file that is there
	object  string   // a secret
	steps   []string // of qemu-io, or "qemu-img ..." with IMAGE for the image and "" for an empty word
	packed  bool     // made plain, then converted with -c into an image with the options
	// want is the id of a finding of the severity; "" wants none but info and
	// legacy, which a format is and not an image.
	want     string
	severity engine.Severity
}

// recipeSize is not a multiple of any cluster.
const recipeSize = "33554944"

// recipes are all of them, a line a format.
func recipes() []recipe {
	return slices.Concat(
		qcow2Recipes(),
		vhdRecipes(),
		mappedRecipes(),
		vmdkRecipes(),
	)
}

// label names the recipe among those of all formats.
func (r recipe) label() string { return string(r.format) + ": " + r.name }

// make makes the image in dir and returns its path.
func (r recipe) make(t *testing.T, dir string) string {
	t.Helper()
	path, base := filepath.Join(dir, "image"), filepath.Join(dir, "base.raw")
	if err := os.WriteFile(base, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	driver, _ := r.format.Driver()
	if r.format == "luks" {
		driver = "luks" // qemu makes one by the name it does not read one by
	}
	create := []string{"create", "-q", "-f", driver}
	if r.object != "" {
		create = append(create, "--object", r.object)
	}
	if r.options != "" && !r.packed {
		create = append(create, "-o", strings.ReplaceAll(r.options, "BASE", base))
	}
	size := r.size
	if size == "" {
		size = recipeSize
	}
	tool(t, "qemu-img", append(create, path, size)...)
	var commands []string
	flush := func() {
		if len(commands) > 0 {
			tool(t, "qemu-io", append([]string{"-f", driver}, append(commands, path)...)...)
			commands = nil
		}
	}
	for _, step := range r.steps {
		if command, ok := strings.CutPrefix(step, "qemu-img "); ok {
			flush()
			words := strings.Fields(strings.ReplaceAll(command, "IMAGE", path))
			if i := slices.Index(words, `""`); i >= 0 {
				words[i] = ""
			}
			tool(t, "qemu-img", words...)
			continue
		}
		commands = append(commands, "-c", step)
	}
	flush()
	if !r.packed {
		return path
	}
	packed := filepath.Join(dir, "packed")
	convert := []string{"convert", "-q", "-c", "-f", driver, "-O", driver}
	if r.options != "" {
		convert = append(convert, "-o", r.options)
	}
	convert = append(convert, path, packed)
	if r.format == "qcow" {
		// Qemu-img 7.2 writes all of it and then exits with 1.
		_ = exec.CommandContext(t.Context(), "qemu-img", convert...).Run()
		tool(t, "qemu-img", "compare", "-q", "-f", driver, "-F", driver, path, packed)
		return packed
	}
	tool(t, "qemu-img", convert...)
	return packed
}

// quickDir is a temporary folder in memory where there is one: qemu-img and
// qemu-io sync what they write, which is most of the time this takes.
func quickDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "assay-engine-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// check compares a report with what the recipe says of its image.
func (r recipe) check(t *testing.T, depth engine.Depth, report *engine.Report) {
	t.Helper()
	if report.Accepted != (r.severity != engine.Reject) || report.Format != r.format {
		t.Errorf("%v: format %s, accepted %v: %s", depth, report.Format, report.Accepted, text(report.Findings))
	}
	found := r.want == ""
	for _, f := range report.Findings {
		switch {
		case f.ID == r.want && f.Severity == r.severity:
			found = true
		case f.Severity != engine.Info && f.Class != hostfuncs.Legacy:
			t.Errorf("%v: unexpected finding %s", depth, text(f))
		}
	}
	if !found {
		t.Errorf("%v: no finding %s (%s) among %s", depth, r.want, r.severity, text(report.Findings))
	}
}
