package engine_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/testdata/images"
	"golang.org/x/sys/unix"
)

// A matrixSource is an image that is accepted, and can be read without a
// secret.
type matrixSource struct {
	name  string
	claim engine.Format
	blank bool // nothing was written to it
	make  func(t *testing.T, dir string) (path string)
}

// matrixSources are every image that qemu-img makes, and the valid ones of
// testdata/images.
func matrixSources() []matrixSource {
	var all []matrixSource
	for _, r := range recipes() {
		if r.severity == engine.Reject || r.object != "" {
			continue
		}
		all = append(all, matrixSource{r.label(), r.format, len(r.steps) == 0, r.make})
	}
	for _, c := range images.Valid() {
		all = append(all, matrixSource{"testdata: " + c.Name, engine.Format(c.WantFormat), false, func(t *testing.T, dir string) string {
			path := filepath.Join(dir, c.Name)
			if err := os.WriteFile(path, c.Build(), 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}})
	}
	return all
}

// TestMatrix: every image that is accepted, written in every format and
// variant, on a file and on devices of either kind of sectors, is the disk that
// plain qemu-img reads. The first output of each kind with a disk is converted
// back, and must be that disk again; the others are the same file as one before,
// or plain qemu-img compares them. With ASSAY_LONG=1; else an image of each
// format takes its turn, with one output.
func TestMatrix(t *testing.T) {
	skipManyImages(t)
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	m := matrix{eng: eng}
	all := outputs()
	seen := map[engine.Format]bool{}
	for i, s := range matrixSources() {
		if !long() && (seen[s.claim] || s.blank) {
			continue
		}
		seen[s.claim] = true
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			dir := quickDir(t)
			path := s.make(t, dir)
			report, err := eng.Inspect(t.Context(), engine.File(open(t, path)), engine.Claim(s.claim))
			if err != nil {
				t.Fatal(err)
			}
			if report.VirtualSize > 256<<20 {
				t.Skip("large disks are converted where their format is tested")
			}
			if report.VirtualSize == 0 {
				t.Skip("a raw disk of no bytes is an empty file, which is no disk")
			}
			if !m.first(string(s.claim), readFile(t, path)) {
				t.Skip("another source is the same file")
			}
			plain := filepath.Join(dir, "plain")
			tool(t, "qemu-img", "convert", "-f", report.QemuDriver, "-O", "raw", path, plain)
			disk := readFile(t, plain)
			for j, o := range all {
				if !long() && j != i%len(all) {
					continue
				}
				out := filepath.Join(dir, "out")
				o.Overwrite = true
				convertTo(t, eng, path, s.claim, engine.ToFile(out), o)
				m.holds(t, out, o, plain)
			}
			if os.Geteuid() != 0 || !long() && i%4 != 0 {
				return
			}
			for _, sector := range []string{"512", "4096"} {
				size := (len(disk)+4095)/4096*4096 + 8192
				device := loopDevice(t, size, sector)
				convertTo(t, eng, path, s.claim, engine.ToDevice(device), engine.ConvertOptions{To: "raw"})
				if !bytes.Equal(readFile(t, device), append(bytes.Clone(disk), make([]byte, size-len(disk))...)) {
					t.Errorf("the device with sectors of %s bytes holds another disk", sector)
				}
			}
		})
	}
}

// A matrix is what its tests, which run at a time, know of each other.
type matrix struct {
	eng *engine.Engine
	met sync.Map // contents, each as something
}

// first tells whether content is met as this for the first time.
func (m *matrix) first(as string, content []byte) bool {
	type key struct {
		as  string
		sum [sha256.Size]byte
	}
	_, met := m.met.LoadOrStore(key{as, sha256.Sum256(content)}, true)
	return !met
}

// holds fails unless an output holds the disk that is in the file plain.
func (m *matrix) holds(t *testing.T, out string, o engine.ConvertOptions, plain string) {
	t.Helper()
	disk, kind := readFile(t, plain), outputName(o)
	another := m.first(fmt.Sprintf("%s of %x", kind, sha256.Sum256(disk)), readFile(t, out))
	switch {
	case m.first(kind, disk):
		back := out + ".back"
		convertTo(t, m.eng, out, o.To, engine.ToFile(back), engine.ConvertOptions{To: "raw", Overwrite: true})
		if !bytes.Equal(readFile(t, back), disk) {
			t.Errorf("to %s: another disk came back", kind)
		}
	case another:
		driver := string(o.To)
		if o.To == "vhd" {
			driver = "vpc"
		}
		tool(t, "qemu-img", "compare", "-f", "raw", "-F", driver, plain, out)
	}
}

// TestSourcesOnDevices: an image that is stored on a device is converted from
// there.
func TestSourcesOnDevices(t *testing.T) {
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	disk := append(randomDisk(300<<10), make([]byte, 100<<10)...)
	for _, format := range []engine.Format{"raw", "qcow2", "vmdk", "vhd", "vhdx", "vdi"} {
		if !long() && format != "raw" && format != "qcow2" && format != "vhd" {
			continue
		}
		for _, sector := range []string{"512", "4096"} {
			if format == "vhd" && sector == "4096" {
				continue // its footer must be at the end, and it is of sectors of 512 bytes
			}
			t.Run(string(format)+" "+sector, func(t *testing.T) {
				dir := quickDir(t)
				path := filepath.Join(dir, "image")
				convertTo(t, eng, makeFile(t, dir, disk), "raw", engine.ToFile(path), engine.ConvertOptions{To: format})
				image := readFile(t, path)
				if format != "vhd" && format != "raw" {
					// What is behind it on a device.
					image = append(image, make([]byte, -len(image)&4095+8192)...)
				}
				device := loopDevice(t, len(image), sector)
				if err := os.WriteFile(device, image, 0); err != nil {
					t.Fatal(err)
				}
				back := filepath.Join(dir, "back")
				convertTo(t, eng, device, format, engine.ToFile(back), engine.ConvertOptions{To: "raw"})
				if !bytes.Equal(readFile(t, back), disk) {
					t.Error("another disk came back")
				}
			})
		}
	}
}

func makeFile(t *testing.T, dir string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, "source")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSourcesThatCannotBeWritten: to read a source is enough, whoever owns it
// and wherever it is; and it stays as it was.
func TestSourcesThatCannotBeWritten(t *testing.T) {
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	disk := randomDisk(1 << 20)
	create := func(t *testing.T, dir string, format engine.Format, mode os.FileMode) string {
		path := filepath.Join(dir, "image")
		convertTo(t, eng, makeFile(t, t.TempDir(), disk), "raw", engine.ToFile(path), engine.ConvertOptions{To: format})
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	needRoot := func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("needs root")
		}
	}
	for name, place := range map[string]func(t *testing.T, dir string, format engine.Format) string{
		"mode 0444": func(t *testing.T, dir string, format engine.Format) string { return create(t, dir, format, 0o444) },
		"mode 0400": func(t *testing.T, dir string, format engine.Format) string { return create(t, dir, format, 0o400) },
		"of another user, for that one only": func(t *testing.T, dir string, format engine.Format) string {
			needRoot(t)
			path := create(t, dir, format, 0o400)
			if err := os.Chown(path, 12345, 12345); err != nil {
				t.Fatal(err)
			}
			return path
		},
		"on a read-only mount": func(t *testing.T, dir string, format engine.Format) string {
			needRoot(t)
			if err := unix.Mount("assay-test", dir, "tmpfs", 0, "size=8m"); err != nil {
				unavailable(t, "no tmpfs: %v", err)
			}
			t.Cleanup(func() {
				if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
					t.Error(err)
				}
			})
			path := create(t, dir, format, 0o600)
			if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
				t.Fatal(err)
			}
			return path
		},
	} {
		for _, format := range []engine.Format{"raw", "qcow2"} {
			for _, handOff := range []string{"", engine.HandOffNBD, engine.HandOffDescriptor} {
				t.Run(name+" "+string(format)+" "+handOff, func(t *testing.T) {
					path := place(t, t.TempDir(), format)
					before, err := os.Stat(path)
					if err != nil {
						t.Fatal(err)
					}
					image := readFile(t, path)
					dst := filepath.Join(t.TempDir(), "dst")
					convertTo(t, eng, path, format, engine.ToFile(dst), engine.ConvertOptions{To: "raw", HandOff: handOff})
					if !bytes.Equal(readFile(t, dst), disk) {
						t.Error("another disk")
					}
					after, err := os.Stat(path)
					if err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(readFile(t, path), image) || before.Mode() != after.Mode() || !before.ModTime().Equal(after.ModTime()) || owner(t, before) != owner(t, after) {
						t.Errorf("the source was %v, and is %v", before, after)
					}
				})
			}
		}
	}
}
