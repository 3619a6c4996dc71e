package confine

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the table of attacks into docs/threat-model.md")

// An attack is an image that would have qemu-img read or reach something of
// the host when it is converted, with nobody to inspect it first.
type attack struct {
	name   string
	format string
	// make writes the image, and may make or change the target.
	make   func(t *testing.T, image string, to target)
	public bool // whether every user may read the target
}

// A target is what an attack is after.
type target struct {
	file   string // of the host, with the canary in it
	port   int    // on which the host listens
	socket string // at which the host listens
}

const canary = "canary: no process that is confined ever sees this line\n"

// attackSize is the size of the images' disks, in bytes.
const attackSize = 1 << 20

// backing makes an attack by a qcow2 image with this backing file.
func backing(name func(target) string) func(*testing.T, string, target) {
	return func(t *testing.T, image string, to target) {
		qemuImg(t, "create", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", name(to), image, fmt.Sprint(attackSize))
	}
}

var attacks = []attack{
	{name: "backing file, private", format: "qcow2", make: backing(func(to target) string { return to.file })},
	{name: "backing file, public", format: "qcow2", make: backing(func(to target) string { return to.file }), public: true},
	{name: "backing file by `json:`", format: "qcow2", public: true, make: backing(func(to target) string {
		return fmt.Sprintf(`json:{"driver":"raw","file":{"driver":"file","filename":%q}}`, to.file)
	})},
	{name: "data file", format: "qcow2", public: true, make: func(t *testing.T, image string, to target) {
		qemuImg(t, "create", "-q", "-f", "qcow2", "-o", "data_file="+to.file+",data_file_raw=on", image, fmt.Sprint(attackSize))
	}},
	{name: "VMDK extent", format: "vmdk", public: true, make: func(t *testing.T, image string, to target) {
		putFile(t, image, fmt.Appendf(nil, "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"+
			"createType=\"monolithicFlat\"\nRW %d FLAT %q 0\n", attackSize/512, to.file), 0o644)
	}},
	{name: "backing file `nbd:`", format: "qcow2", make: backing(func(to target) string { return fmt.Sprintf("nbd:127.0.0.1:%d", to.port) })},
	{name: "backing file `nbd+unix:`", format: "qcow2", make: backing(func(to target) string { return "nbd+unix:///x?socket=" + to.socket })},
	{name: "backing file `http:`", format: "qcow2", make: backing(func(to target) string { return fmt.Sprintf("http://127.0.0.1:%d/x", to.port) })},
}

// defences are the layers that are to stop an attack, each by itself, and the
// rest together.
var defences = []string{LayerUID, LayerNamespaces, LayerLandlock, LayerSeccomp}

const theRest = "the rest"

// An outcome is what was found of one attack: which layers stop it alone, and
// which are missed, as nothing else stops it.
type outcome struct {
	Stops  map[string]bool
	Missed []string
}

// TestAttacks: with nobody to inspect the image, no attack succeeds against
// the real qemu-img under all layers, and each does without any. Where the
// host is root, none succeeds either with any one layer removed. The rest is
// in docs/threat-model.md: which layer stops which attack, and what an
// unprivileged host misses.
func TestAttacks(t *testing.T) {
	needTool(t, allLayers()...)
	if _, err := exec.LookPath("qemu-img"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	out := os.Getenv(outcomeVariable)
	if testing.Short() && out == "" && os.Geteuid() != 0 {
		t.Skip("run as a part of this test as root")
	}
	found := map[string]outcome{}
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) { found[a.name] = a.try(t) })
	}
	if t.Failed() {
		return
	}
	if out != "" {
		text, err := json.Marshal(found)
		if err != nil {
			t.Fatal(err)
		}
		putFile(t, out, text, 0o644)
		return
	}
	if os.Geteuid() != 0 {
		return
	}
	for _, a := range attacks {
		if len(found[a.name].Stops) != len(defences)+1 {
			t.Skip("the table is not compared: it is of hosts with every layer, and a qemu-img with every driver")
		}
	}
	compareTable(t, attackTable(found, attacksAsNobody(t)))
}

// outcomeVariable names a file for what an unprivileged host finds.
const outcomeVariable = "ASSAY_TEST_OUTCOME"

// attacksAsNobody runs the attacks again, from an unprivileged host.
func attacksAsNobody(t *testing.T) (found map[string]outcome) {
	t.Helper()
	runAsNobody(t, outcomeVariable+"=outcome", "-test.run=^TestAttacks$")
	text, err := os.ReadFile(filepath.Join(nobodyDir(), "outcome"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &found); err != nil {
		t.Fatal(err)
	}
	return found
}

// try makes an attack under the layers in turn.
func (a attack) try(t *testing.T) outcome {
	succeeds := a.prepare(t)
	if !succeeds(nil) {
		if os.Getenv("CI") != "" {
			t.Fatal("it does not succeed without any layer")
		}
		t.Skip("this qemu-img does not follow it")
	}
	all := allLayers()
	if succeeds(all) {
		t.Error("it succeeds under all layers")
	}
	o := outcome{Stops: map[string]bool{}}
	rest := all
	for _, layer := range defences {
		if !slices.Contains(all, layer) {
			continue
		}
		if succeeds(without(all, layer)) {
			o.Missed = append(o.Missed, layer)
		}
		o.Stops[layer] = !succeeds([]string{LayerNoNewPrivs, layer})
		rest = without(rest, layer)
	}
	if len(o.Missed) > 0 && os.Geteuid() == 0 && slices.Contains(all, LayerNamespaces) {
		t.Errorf("it succeeds without any one of %q", o.Missed)
	}
	o.Stops[theRest] = !succeeds(rest)
	return o
}

// prepare sets up an attack, and returns what converts the image under some
// layers and tells whether that reached what the attack is after.
func (a attack) prepare(t *testing.T) (succeeds func(layers []string) bool) {
	t.Helper()
	dir := t.TempDir()
	openFolders(t, dir)
	to := target{file: filepath.Join(dir, "target"), socket: filepath.Join(dir, "socket")}
	var reached atomic.Bool
	for _, at := range [][2]string{{"tcp", "127.0.0.1:0"}, {"unix", to.socket}} {
		l, err := net.Listen(at[0], at[1])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		if address, ok := l.Addr().(*net.TCPAddr); ok {
			to.port = address.Port
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				reached.Store(true)
				c.Close() // and only then does qemu-img go on
			}
		}()
	}
	mode := os.FileMode(0o600)
	if a.public {
		mode = 0o644
	}
	image := filepath.Join(dir, "image")
	a.make(t, image, to)
	putFile(t, to.file, bytes.Repeat([]byte(canary), attackSize/len(canary)+1), mode)
	// Whoever the process is, it may read the image, and connect.
	if err := errors.Join(os.Chmod(image, 0o644), os.Chmod(to.socket, 0o777)); err != nil {
		t.Fatal(err)
	}
	source := openFile(t, image, os.O_RDONLY)
	return func(layers []string) bool {
		t.Helper()
		reached.Store(false)
		output := filepath.Join(dir, "output")
		s := attackSpec(t, "convert", "-f", a.format, "-O", "raw", "/dev/fd/3", "/dev/fd/4")
		s.Files = []File{{File: source}, {File: openFile(t, output, os.O_CREATE|os.O_TRUNC|os.O_RDWR), Access: ReadWrite}}
		r, err := run(t.Context(), s, layers)
		if err != nil {
			t.Fatalf("under %q: %v", layers, err)
		}
		if r.Limit != "" || r.Signal != 0 {
			t.Fatalf("under %q: %+v", layers, r)
		}
		converted, err := os.ReadFile(output)
		if err != nil {
			t.Fatal(err)
		}
		said := slices.Concat(converted, r.Stdout, r.Stderr)
		return reached.Load() || bytes.Contains(said, []byte(canary))
	}
}

// attackSpec describes a run of qemu-img.
func attackSpec(t *testing.T, args ...string) Spec {
	t.Helper()
	path, err := exec.LookPath("qemu-img")
	if err != nil {
		t.Fatal(err)
	}
	return Spec{
		Path: path, Args: args, Env: []string{"LC_ALL=C", "MALLOC_ARENA_MAX=1"},
		Limits:   Limits{CPU: 20 * time.Second, AddressSpace: 1 << 30, FileSize: 8 * attackSize, OpenFiles: 64},
		Deadline: time.Minute,
	}
}

func qemuImg(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("qemu-img", args...).CombinedOutput(); err != nil {
		t.Fatalf("qemu-img %q: %v\n%s", args, err, out)
	}
}

func putFile(t *testing.T, path string, content []byte, mode os.FileMode) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path, content, mode), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
}

// attackTable is the table in Markdown, of what a root host and an
// unprivileged one find.
func attackTable(root, user map[string]outcome) string {
	var b strings.Builder
	columns := append(slices.Clone(defences), theRest)
	fmt.Fprintf(&b, "| Attack | %s | as a user, nothing else but |\n|---%s|---|\n", strings.Join(columns, " | "), strings.Repeat("|---", len(columns)))
	for _, a := range attacks {
		fmt.Fprintf(&b, "| %s |", a.name)
		for _, layer := range columns {
			asRoot, asUser := root[a.name].Stops[layer], user[a.name].Stops[layer]
			switch {
			case asRoot && asUser:
				b.WriteString(" **stops it** |")
			case asRoot:
				b.WriteString(" as root |")
			case asUser:
				b.WriteString(" as a user |")
			default:
				b.WriteString(" no |")
			}
		}
		fmt.Fprintf(&b, " %s |\n", strings.Join(user[a.name].Missed, ", "))
	}
	return b.String()
}

// compareTable compares the table with that in the threat model, or writes it.
func compareTable(t *testing.T, table string) {
	t.Helper()
	const path, begin, end = "../../docs/threat-model.md", "<!-- attacks: begin -->\n", "<!-- attacks: end -->"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	old, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no place for the table", path)
	}
	if old == table {
		return
	}
	if !*update {
		t.Fatalf("%s is stale, run `go test ./native/confine -run TestAttacks -update` as root:\n%s", path, table)
	}
	putFile(t, path, []byte(before+begin+table+end+after), 0o644)
}

// openFolders lets every user enter a test's folder.
func openFolders(t *testing.T, dir string) {
	t.Helper()
	for ; dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}
