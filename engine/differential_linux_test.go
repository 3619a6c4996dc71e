package engine_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/hostfuncs"
	"github.com/assay-dev/assay/testdata/images"
)

// differential compares the engine with the programs that read images in the
// real world. Two things are held against each image:
//
//   - Accepted implies that qemu-img, given the driver of the report, opens no
//     other file. No exception.
//   - Other readers give the same size, name no reference that the report does
//     not, and read what is accepted; or docs/differences.md says why not.
type differential struct {
	eng     *engine.Engine
	qemuImg string // absolute path
	readers []reader
	listed  *differences

	mu       sync.Mutex
	followed map[string]string // id of a reference -> a call by which qemu-img followed one
	tried    map[string]int
	accepted int
	rejected int
}

func newDifferential(t *testing.T) *differential {
	t.Helper()
	needTools(t)
	if _, err := exec.LookPath("strace"); err != nil {
		unavailable(t, "%v", err)
	}
	if out, err := exec.Command("strace", "-qq", "-o", "/dev/null", "true").CombinedOutput(); err != nil {
		unavailable(t, "strace cannot trace here: %v: %s", err, out)
	}
	qemuImg, err := exec.LookPath("qemu-img")
	if err != nil {
		t.Fatal(err)
	}
	if qemuImg, err = filepath.Abs(qemuImg); err != nil {
		t.Fatal(err)
	}
	d := &differential{
		eng: newEngine(t, engine.NewConfig()), qemuImg: qemuImg,
		listed: readDifferences(t), followed: map[string]string{}, tried: map[string]int{},
	}
	for _, r := range readers {
		if _, err := exec.LookPath(r.program); err == nil {
			d.readers = append(d.readers, r)
		} else if os.Getenv("CI") != "" {
			t.Error(err)
		} else {
			t.Logf("not asked: %v", err)
		}
	}
	return d
}

// subject is an image to examine.
type subject struct {
	label string
	claim engine.Format
	make  func(t *testing.T, dir string) (path string)
	check func(t *testing.T, path string) // what is known of it besides; may be nil
}

// subjects are all images there are: generated, and made by tools.
func (d *differential) subjects() []subject {
	var list []subject
	for _, c := range images.All() {
		list = append(list, subject{label: c.Name, claim: engine.Format(c.Claim), make: func(t *testing.T, dir string) string {
			return writeImage(t, dir, c.Build())
		}})
	}
	for i, r := range recipes() {
		if !long() && r.severity != engine.Reject && i%3 != 0 {
			continue // to make them is most of the time this takes
		}
		list = append(list, subject{label: r.label(), claim: r.format, make: r.make, check: func(t *testing.T, path string) {
			for _, depth := range []engine.Depth{engine.Header, engine.Deep} {
				report, err := d.eng.Inspect(t.Context(), engine.File(open(t, path)), engine.Claim(r.format), engine.AtDepth(depth))
				if err != nil {
					t.Fatal(err)
				}
				r.check(t, depth, report)
			}
		}})
	}
	for _, r := range slices.Concat(luksRecipes, isoRecipes) {
		if !long() && !slices.ContainsFunc(d.readers, func(reader reader) bool { return slices.Contains(reader.formats, r.format) }) {
			continue // to qemu-img they are raw
		}
		list = append(list, subject{label: string(r.format) + ": " + r.name, claim: engine.Raw, make: func(t *testing.T, dir string) string {
			path := filepath.Join(dir, "image")
			if err := os.Rename(r.make(t), path); err != nil {
				t.Fatal(err)
			}
			return path
		}})
	}
	return list
}

func writeImage(t *testing.T, dir string, image []byte) string {
	t.Helper()
	path := filepath.Join(dir, "image")
	if err := os.WriteFile(path, image, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// batch is how many images one qemu-img reads at most. To start one is most of
// the time that this takes.
const batch = 64

// Every image, generated or made by qemu-img, is to other programs what it is
// to us, and no accepted one makes qemu-img touch another file.
func TestDifferential(t *testing.T) {
	skipManyImages(t)
	d := newDifferential(t)
	all := d.subjects()
	t.Run("images", func(t *testing.T) {
		for some := range slices.Chunk(all, batch) {
			t.Run("from "+some[0].label, func(t *testing.T) {
				t.Parallel()
				accepted, labels := map[reading][]string{}, map[string]string{} // paths; path -> label
				dir := quickDir(t)
				for i, s := range some {
					t.Run(s.label, func(t *testing.T) {
						folder := filepath.Join(dir, strconv.Itoa(i))
						if err := os.Mkdir(folder, 0o755); err != nil {
							t.Fatal(err)
						}
						path := s.make(t, folder)
						if s.check != nil {
							s.check(t, path)
						}
						if report := d.examine(t, s, path); report.Accepted {
							how := readingOf(report)
							accepted[how] = append(accepted[how], path)
							labels[path] = s.label
						}
					})
				}
				for how, paths := range accepted {
					d.witness(t, how, paths, labels)
				}
			})
		}
	})
	t.Logf("%d images accepted, %d rejected", d.accepted, d.rejected)
	if d.accepted+d.rejected < len(all) {
		t.Log("a part of the images was asked for: nothing is said about what none of them shows")
		return
	}
	d.listed.stale(t, func(image, tool string) bool {
		if strings.Contains(image, ":") && !long() {
			return false // of the images that tools make, there is only a part
		}
		return tool == "qemu-img" || slices.ContainsFunc(d.readers, func(r reader) bool { return r.program == tool })
	})
	d.control(t)
}

// examine compares what is said of one image, and returns our report.
func (d *differential) examine(t *testing.T, s subject, path string) *engine.Report {
	t.Helper()
	report, err := d.eng.Inspect(t.Context(), engine.File(open(t, path)), engine.Claim(s.claim))
	if err != nil {
		t.Fatal(err)
	}
	d.count(report)
	if !report.Accepted && len(report.References) == 0 && !long() && !d.listed.mentions(s.label) {
		return report // there is only a size to compare, of a disk that nobody gets
	}
	if report.QemuDriver != "" {
		d.compare(t, s.label, path, "qemu-img", report, d.info(t, s, path, report))
	}
	for _, r := range d.readers {
		if slices.Contains(r.formats, report.Format) {
			d.compare(t, s.label, path, r.program, report, r.ask(t, path))
		}
	}
	return report
}

func (d *differential) count(report *engine.Report) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if report.Accepted {
		d.accepted++
	} else {
		d.rejected++
	}
}

// info asks qemu-img about an image. strace sees it done with those that refer
// to other files until it saw that kind of reference followed, and in a long
// test with every accepted one: convert, which the witness always sees, opens
// what info opens and more.
func (d *differential) info(t *testing.T, s subject, path string, report *engine.Report) opinion {
	t.Helper()
	args := []string{"info", "--output=json", "-f", report.QemuDriver, path}
	switch {
	case report.Accepted && long():
		seen := watch(t, d.qemuImg, []string{path}, args...)
		seen.clears(t, []string{path}, s.label)
		return parseInfo(t, seen.stdout, seen.err, path)
	case len(report.References) > 0:
		kind := onlyKind(report)
		if kind == "" || !d.wanted(kind) {
			break
		}
		seen := watch(t, d.qemuImg, []string{path}, args...)
		d.follows(kind, seen)
		if d.wanted(kind) {
			d.follows(kind, watch(t, d.qemuImg, []string{path}, readingOf(report).convert([]string{path})...))
		}
		return parseInfo(t, seen.stdout, seen.err, path)
	}
	stdout, err := run(t, filepath.Dir(path), append([]string{d.qemuImg}, args...)...)
	return parseInfo(t, stdout, err, path)
}

// long reports whether the tests may take minutes.
func long() bool { return os.Getenv("ASSAY_LONG") != "" }

// witness holds the rule that may never break against accepted images that are
// read alike: qemu-img reads all of them without touching another file, and no
// differently where it cannot. When it fails, each half is looked at.
func (d *differential) witness(t *testing.T, how reading, paths []string, labels map[string]string) {
	t.Helper()
	seen := watch(t, d.qemuImg, paths, how.convert(paths)...)
	confined := how.confined(t, d.qemuImg, paths)
	if len(paths) > 1 && (seen.err != nil || len(seen.strays) > 0 || confined.ExitCode != 0) {
		half := len(paths) / 2
		d.witness(t, how, paths[:half], labels)
		d.witness(t, how, paths[half:], labels)
		return
	}
	seen.clears(t, paths, labels[paths[0]])
	if (confined.ExitCode == 0) != (seen.err == nil) {
		t.Errorf("%s: confined, qemu-img convert ends with %d (%s); free, with %v", labels[paths[0]], confined.ExitCode, confined.Stderr, seen.err)
	}
}

// clears fails unless the sighting shows that accepted images were opened, and
// nothing else; label names the first.
func (s *sighting) clears(t *testing.T, paths []string, label string) {
	t.Helper()
	for _, path := range paths {
		if !s.opened[path] {
			t.Errorf("%s: strace did not see %s opened", label, path)
		}
	}
	for _, stray := range s.strays {
		t.Errorf("%s: accepted, and qemu-img did: %q", label, stray)
	}
}

// onlyKind returns the id of the references that a report has, or "" if they
// are not all of one kind.
func onlyKind(report *engine.Report) string {
	kind := ""
	for _, f := range report.Findings {
		switch {
		case f.Class != hostfuncs.ExternalReference || f.ID == kind:
		case kind != "":
			return ""
		default:
			kind = f.ID
		}
	}
	return kind
}

// wanted reports whether it is still to be seen if a kind of reference is
// followed. Without ASSAY_LONG, one that is known not to be is tried a few
// times only.
func (d *differential) wanted(kind string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tried[kind]++
	_, exempt := d.listed.followed[kind]
	return long() || d.followed[kind] == "" && (!exempt || d.tried[kind] <= 4)
}

// follows keeps what a sighting shows about a kind of reference.
func (d *differential) follows(kind string, seen *sighting) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(seen.strays) > 0 {
		d.followed[kind] = seen.strays[0]
	}
}

// compare holds what another reader says against the report. What only a deep
// look rejects may also be refused; and how large a disk is that we reject, is
// a question for qemu-img only, whose answer the report gives.
func (d *differential) compare(t *testing.T, label, path, tool string, report *engine.Report, o opinion) {
	t.Helper()
	if report.Accepted && !o.opens && d.acceptedDeep(t, path, report.Claim) && !d.listed.expected(label, tool, differRefused) {
		t.Errorf("accepted, and %s refuses it", tool)
	}
	if !o.opens {
		return
	}
	if (report.Accepted || tool == "qemu-img") && !sameSize(report, o.size) && !d.listed.expected(label, tool, differSize) {
		t.Errorf("virtual size %d, %s says %d", report.VirtualSize, tool, o.size)
	}
	for _, target := range o.references {
		if !names(report, filepath.Dir(path), target) && !d.listed.expected(label, tool, differReference) {
			t.Errorf("%s names the file %q; the report's references are %s", tool, target, text(report.References))
		}
	}
}

func (d *differential) acceptedDeep(t *testing.T, path string, claim engine.Format) bool {
	t.Helper()
	report, err := d.eng.Inspect(t.Context(), engine.File(open(t, path)), engine.Claim(claim), engine.AtDepth(engine.Deep))
	if err != nil {
		t.Fatal(err)
	}
	return report.Accepted
}

// sameSize reports whether a size is that of the report, where both are known.
// A raw disk has the size of its file, which qemu rounds up to whole sectors.
func sameSize(report *engine.Report, size int64) bool {
	if size == report.VirtualSize || size < 0 || report.VirtualSize < 0 {
		return true
	}
	return report.QemuDriver == "raw" && size == (report.VirtualSize+511)&^511
}

// control shows that the witness would see what the rule forbids: for each
// kind of reference, some image has qemu-img try another file, unless
// docs/differences.md says that qemu-img does not follow it.
func (d *differential) control(t *testing.T) {
	t.Helper()
	for _, e := range hostfuncs.Table() {
		if e.Kind != hostfuncs.KindReference {
			continue
		}
		_, exempt := d.listed.followed[e.Name]
		switch by, followed := d.followed[e.Name]; {
		case followed && exempt:
			t.Errorf("%s lists that qemu-img does not follow %s, and it did: %s", differencesFile, e.Name, by)
		case followed:
			t.Logf("%s: %s", e.Name, by)
		case !exempt:
			t.Errorf("no image has qemu-img follow %s: the rule is not tested, or belongs into %s", e.Name, differencesFile)
		}
	}
	for id := range maps.Keys(d.listed.followed) {
		if e := hostfuncs.ByName(id); e == nil || e.Kind != hostfuncs.KindReference {
			t.Errorf("%s lists %s, which is no reference", differencesFile, id)
		}
	}
	if len(d.followed) == 0 || !strings.Contains(strings.Join(slices.Collect(maps.Values(d.followed)), "\n"), "/") {
		t.Error("strace saw no file but the images")
	}
}
