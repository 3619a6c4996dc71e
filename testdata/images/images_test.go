package images

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/assay-dev/assay/hostfuncs"
)

func TestCasesAreWellFormed(t *testing.T) {
	seen := map[string]bool{}
	fits := regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)
	for _, c := range All() {
		if seen[c.Name] || !fits.MatchString(c.Name) {
			t.Errorf("%q: name is taken or unfit for a file name", c.Name)
		}
		seen[c.Name] = true
		image := c.Build()
		if !bytes.Equal(image, c.Build()) {
			t.Errorf("%s: two builds differ", c.Name)
		}
		if bound := sizeBound(c.WantFormat); len(image) > bound {
			t.Errorf("%s: %d bytes, should stay below %d", c.Name, len(image), bound)
		}
		if c.WantFinding != "" && hostfuncs.ByName(c.WantFinding) == nil {
			t.Errorf("%s: no finding has the id %s", c.Name, c.WantFinding)
		}
	}
}

// sizeBound is the largest size of a case's image: formats that count in
// units of 1 MiB cannot be small.
func sizeBound(format string) int {
	switch format {
	case "vhdx":
		return 5 << 20
	case "vdi":
		return 3 << 20
	default:
		return 1 << 20
	}
}

// sizeOf returns the size of the disk, in bytes, that an image of a format
// that qemu-img reads says it has.
var sizeOf = map[string]func(image []byte) uint64{
	"qcow":      func(b []byte) uint64 { return Get(b, qcowSize) &^ 511 },
	"qed":       func(b []byte) uint64 { return binary.LittleEndian.Uint64(b[qedSize.Offset:]) },
	"qcow2":     func(b []byte) uint64 { return Get(b, Size) },
	"parallels": func(b []byte) uint64 { return 512 * binary.LittleEndian.Uint64(b[prlSectors.Offset:]) },
	"vdi":       func(b []byte) uint64 { return (binary.LittleEndian.Uint64(b[vdiCbDisk.Offset:]) + 511) &^ 511 },
	"vhdx":      func(b []byte) uint64 { return binary.LittleEndian.Uint64(b[vhdxItems+8:]) },
	"vmdk":      vmdkVirtual,
}

// program returns the path of a program, or skips the test without it.
func program(t *testing.T, name string) string {
	t.Helper()
	tool, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return tool
}

// The hostile cases differ from the valid image in what they say, so the
// valid one must be right in the eyes of the tool that reads it.
func TestValidAgainstQemuImg(t *testing.T) {
	tool := program(t, "qemu-img")
	dir := t.TempDir()
	for _, c := range Valid() {
		size := sizeOf[c.WantFormat]
		if size == nil {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			path := filepath.Join(dir, "image")
			image := c.Build()
			if err := os.WriteFile(path, image, 0o600); err != nil {
				t.Fatal(err)
			}
			if c.WantFormat != "qcow" { // which has no check
				out, err := exec.Command(tool, "check", "-f", c.WantFormat, path).CombinedOutput()
				if err != nil || !strings.Contains(string(out), "No errors were found") {
					t.Errorf("qemu-img check: %v\n%s", err, out)
				}
			}
			out, err := exec.Command(tool, "info", "-f", c.WantFormat, "--output", "json", path).Output()
			if err != nil {
				t.Fatalf("qemu-img info: %v", err)
			}
			var info struct {
				VirtualSize uint64 `json:"virtual-size"`
			}
			if err := json.Unmarshal(out, &info); err != nil {
				t.Fatal(err)
			}
			if want := size(image); info.VirtualSize != want {
				t.Errorf("virtual size %d, the header says %d", info.VirtualSize, want)
			}
		})
	}
}

// The same for LUKS: qemu-img checks the header, and says where the payload is.
func TestValidLUKSAgainstQemuImg(t *testing.T) {
	tool := program(t, "qemu-img")
	path := filepath.Join(t.TempDir(), "luks")
	for _, c := range validLUKS() {
		image := c.Build()
		if err := os.WriteFile(path, image, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(tool, "info", "-f", "luks", "--output", "json", path).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: qemu-img info: %v\n%s", c.Name, err, out)
		}
		var info struct {
			VirtualSize int `json:"virtual-size"`
		}
		if err := json.Unmarshal(out, &info); err != nil {
			t.Fatal(err)
		}
		if want := len(image) - luksPayload*512; info.VirtualSize != want {
			t.Errorf("%s: virtual size %d, want %d", c.Name, info.VirtualSize, want)
		}
	}
}

// The same for CDs: isoinfo lists the primary and the Joliet tree, udfinfo
// tells of the UDF.
func TestValidISOAgainstItsTools(t *testing.T) {
	path := filepath.Join(t.TempDir(), "iso")
	for _, c := range validISO() {
		if err := os.WriteFile(path, c.Build(), 0o600); err != nil {
			t.Fatal(err)
		}
		run := func(want, name string, args ...string) {
			out, err := exec.Command(program(t, name), append(args, path)...).CombinedOutput()
			if err != nil || !strings.Contains(string(out), want) {
				t.Errorf("%s: %s: %v\n%s", c.Name, name, err, out)
			}
		}
		if !strings.HasPrefix(c.Name, "udf-with") && c.Name != "udf" {
			run("Volume id: VOLUME", "isoinfo", "-d", "-i")
			run("Directory listing of /", "isoinfo", "-l", "-i")
		}
		if strings.HasPrefix(c.Name, "udf") {
			run("numfiles", "udfinfo")
		}
	}
}

// What is never opened is valid all the same: qemu-img, which knows these
// formats, gives the size of the disk.
func TestUnopenedAgainstQemuImg(t *testing.T) {
	tool := program(t, "qemu-img")
	path := filepath.Join(t.TempDir(), "image")
	for format, build := range map[string]func() []byte{"dmg": DMG, "bochs": Bochs, "cloop": Cloop} {
		if err := os.WriteFile(path, build(), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(tool, "info", "-f", format, "--output", "json", path).CombinedOutput()
		if err != nil || !strings.Contains(string(out), fmt.Sprintf(`"virtual-size": %d`, unopenedSize)) {
			t.Errorf("%s: qemu-img info: %v\n%s", format, err, out)
		}
	}
}
