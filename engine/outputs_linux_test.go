package engine_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/assay-dev/assay/engine"
)

// outputs are every variant of every format that is written, and some options.
func outputs() []engine.ConvertOptions {
	var all []engine.ConvertOptions
	for _, f := range engine.Outputs() {
		if f == "luks" {
			continue // TestToLUKS: the way back takes a passphrase
		}
		all = append(all, engine.ConvertOptions{To: f})
		for i, s := range engine.OutputSubformats(f) {
			if i > 0 {
				all = append(all, engine.ConvertOptions{To: f, Subformat: s})
			}
		}
	}
	return append(all,
		engine.ConvertOptions{To: "qcow2", Compress: "zstd", Options: map[string]string{"extended_l2": "on", "cluster_size": "128k"}},
		engine.ConvertOptions{To: "qcow2", Compress: "zlib", Options: map[string]string{"compat": "0.10", "cluster_size": "4096"}},
		engine.ConvertOptions{To: "qcow2", Options: map[string]string{"preallocation": "full", "refcount_bits": "64"}},
		engine.ConvertOptions{To: "qcow2", Options: map[string]string{"cluster_size": "2M", "lazy_refcounts": "on", "refcount_bits": "1"}},
		engine.ConvertOptions{To: "vhdx", Options: map[string]string{"block_size": "1M"}},
		engine.ConvertOptions{To: "vmdk", Options: map[string]string{"adapter_type": "lsilogic", "zeroed_grain": "on"}},
	)
}

func outputName(o engine.ConvertOptions) string {
	name := string(o.To) + o.Subformat + o.Compress
	for _, k := range slices.Sorted(maps.Keys(o.Options)) {
		name += fmt.Sprintf(",%s=%s", k, o.Options[k])
	}
	return name
}

// TestOutputs: a disk that is written in any format, variant and option, as
// the engine accepts it, is the same disk when it is converted back; and from
// each of them to each other, with ASSAY_LONG=1.
func TestOutputs(t *testing.T) {
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	// Data, holes and zeros that are stored; a size of no whole cluster, block
	// or grain.
	disk := slices.Concat(randomDisk(700_000), make([]byte, 1<<20), bytes.Repeat([]byte{0xff}, 3*512), make([]byte, 2<<20+100), randomDisk(777))
	disk = append(disk, make([]byte, -len(disk)&511)...)
	dir := quickDir(t)
	raw := filepath.Join(dir, "source")
	if err := os.WriteFile(raw, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	convert := func(t *testing.T, from string, claim engine.Format, to string, o engine.ConvertOptions) {
		t.Helper()
		result := convertTo(t, eng, from, claim, engine.ToFile(to), o)
		if result.Format != o.To || result.VirtualSize != int64(len(disk)) {
			t.Errorf("result %+v", result)
		}
	}
	back := func(t *testing.T, from string, claim engine.Format) {
		t.Helper()
		to := filepath.Join(t.TempDir(), "back")
		convert(t, from, claim, to, engine.ConvertOptions{To: "raw"})
		if !bytes.Equal(readFile(t, to), disk) {
			t.Error("another disk came back")
		}
	}
	made := map[string]engine.Format{}
	for _, o := range outputs() {
		t.Run(outputName(o), func(t *testing.T) {
			path := filepath.Join(dir, outputName(o))
			convert(t, raw, "raw", path, o)
			back(t, path, o.To)
			made[path] = o.To
		})
	}
	if !long() {
		return
	}
	for from, claim := range made {
		for _, o := range outputs() {
			t.Run(filepath.Base(from)+" to "+outputName(o), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "out")
				convert(t, from, claim, path, o)
				back(t, path, o.To)
			})
		}
	}
}

// TestVMDKNamesItself: the extent line of a VMDK holds the name of its own
// file, and whatever the name is, nothing but that.
func TestVMDKNamesItself(t *testing.T) {
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	disk := randomDisk(200 << 10)
	dir := quickDir(t)
	raw := filepath.Join(dir, "source")
	if err := os.WriteFile(raw, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"of a guest.vmdk":   "of a guest.vmdk",
		"größe":             "größe",
		"x\" RW 1 FLAT \"y": "disk.vmdk",
		"two\nlines":        "disk.vmdk",
	} {
		for _, subformat := range engine.OutputSubformats("vmdk") {
			path := filepath.Join(dir, name)
			convertTo(t, eng, raw, "raw", engine.ToFile(path), engine.ConvertOptions{To: "vmdk", Subformat: subformat, Overwrite: true})
			if line := fmt.Appendf(nil, "\nRW %d SPARSE \"%s\"\n", len(disk)/512, want); bytes.Count(readFile(t, path), line) != 1 {
				t.Errorf("%s %q has no line %q", subformat, name, line)
			}
			back := filepath.Join(t.TempDir(), "back")
			convertTo(t, eng, path, "vmdk", engine.ToFile(back), engine.ConvertOptions{To: "raw"})
			if !bytes.Equal(readFile(t, back), disk) {
				t.Errorf("%s %q is another disk", subformat, name)
			}
		}
	}
}
