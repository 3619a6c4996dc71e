package engine_test

import (
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
)

// differencesFile says where other readers see an image otherwise than we do,
// and why that is right.
const differencesFile = "../docs/differences.md"

// difference is a row of the first table of differencesFile.
type difference struct {
	image string // a pattern of names, as of path.Match
	tool  string
	what  string // one of the differ constants
	seen  bool
}

// What can differ.
const (
	differSize      = "size"      // both give one, not the same
	differReference = "reference" // it names a file that we do not
	differRefused   = "refused"   // it refuses what we accept
)

// differences is the content of differencesFile.
type differences struct {
	mu       sync.Mutex
	rows     []*difference
	followed map[string]bool // ids of references that qemu-img does not follow -> it did
}

func readDifferences(t *testing.T) *differences {
	t.Helper()
	text, err := os.ReadFile(differencesFile)
	if err != nil {
		t.Fatal(err)
	}
	d := &differences{followed: map[string]bool{}}
	for line := range strings.Lines(string(text)) {
		// The cells that name something are in backquotes; the headings are
		// not.
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		first := strings.TrimSpace(cells[0])
		switch {
		case !strings.HasPrefix(line, "| `"):
		case len(cells) == 4:
			row := &difference{image: unquote(first), tool: strings.TrimSpace(cells[1]), what: strings.TrimSpace(cells[2])}
			if _, err := path.Match(row.image, ""); err != nil {
				t.Errorf("%s: %q: %v", differencesFile, row.image, err)
			}
			d.rows = append(d.rows, row)
		case len(cells) == 2:
			d.followed[unquote(first)] = false
		default:
			t.Errorf("%s: a row of %d cells: %s", differencesFile, len(cells), line)
		}
	}
	return d
}

func unquote(cell string) string { return strings.Trim(cell, "`") }

// expected reports whether a difference is listed, and marks the row as real.
func (d *differences) expected(image, tool, what string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	listed := false
	for _, row := range d.rows {
		if ok, _ := path.Match(row.image, image); ok && row.tool == tool && row.what == what {
			row.seen, listed = true, true
		}
	}
	return listed
}

// mentions reports whether a row may be about an image.
func (d *differences) mentions(image string) bool {
	return slices.ContainsFunc(d.rows, func(row *difference) bool {
		ok, _ := path.Match(row.image, image)
		return ok
	})
}

// stale fails for rows that are no longer so, of the images and the tools that
// were asked.
func (d *differences) stale(t *testing.T, asked func(image, tool string) bool) {
	t.Helper()
	for _, row := range d.rows {
		if !row.seen && asked(row.image, row.tool) {
			t.Errorf("%s lists that %s differs in %s of %q, which no image shows", differencesFile, row.tool, row.what, row.image)
		}
	}
}
