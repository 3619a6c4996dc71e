package engine_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/testdata/images"
)

// vhdRecipes are every kind of VHD that qemu-img makes; the last have disks
// around the largest geometry, the largest disk, and none.
func vhdRecipes() []recipe {
	var list []recipe
	add := func(options, size string, steps ...string) {
		list = append(list, recipe{format: "vhd", name: options + " " + size, options: options, size: size, steps: steps})
	}
	for _, subformat := range []string{"dynamic", "fixed"} {
		for _, force := range []string{"on", "off"} {
			options := fmt.Sprintf("subformat=%s,force_size=%s", subformat, force)
			for _, size := range []string{"1", "1000", "3333333"} {
				add(options, size, "write -q -P 5 0 512")
			}
			add(options, "10000000")
			add(options, "33554944", "write -q -P 7 20M 3M", "write -q -P 9 0 96k", "write -q -P 1 16777k 512")
		}
	}
	return append(list,
		recipe{format: "vhd", name: "empty", options: "force_size=on", size: "0"},
		recipe{format: "vhd", name: "empty by geometry", options: "force_size=off", size: "0"},
		recipe{format: "vhd", name: "below the largest geometry", options: "force_size=off", size: "127G"},
		recipe{format: "vhd", name: "of the largest geometry", options: "force_size=off", size: "136899993600"},
		recipe{format: "vhd", name: "above the largest geometry", options: "force_size=off", size: "200G"},
		recipe{format: "vhd", name: "largest", options: "force_size=on", size: "2040G", steps: []string{"write -q -P 3 2000G 1M"}},
	)
}

// checkVHD has an image accepted, with the size that qemu-img gives, and
// converted to the bytes that qemu-img gives unless it is empty or large.
func checkVHD(t *testing.T, eng *engine.Engine, path string) {
	t.Helper()
	var info struct {
		VirtualSize int64 `json:"virtual-size"`
	}
	if err := json.Unmarshal([]byte(tool(t, "qemu-img", "info", "--output=json", "-f", "vpc", path)), &info); err != nil {
		t.Fatal(err)
	}
	size := info.VirtualSize
	shallow, err := eng.Inspect(t.Context(), engine.File(open(t, path)), engine.Claim("vhd"))
	if err != nil {
		t.Fatal(err)
	}
	if !shallow.Accepted || shallow.VirtualSize != size {
		t.Errorf("header: accepted %v with a size of %d, qemu-img says %d: %s", shallow.Accepted, shallow.VirtualSize, size, text(shallow.Findings))
	}
	image, err := eng.Vet(t.Context(), engine.File(open(t, path)), engine.Claim("vhd"))
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	report := image.Report()
	if report.Format != "vhd" || report.QemuDriver != "vpc" || report.VirtualSize != size {
		t.Errorf("format %s, driver %s, size %d; want vhd, vpc, %d", report.Format, report.QemuDriver, report.VirtualSize, size)
	}
	if size == 0 || size > 64<<20 {
		return // there is no raw disk without bytes
	}
	plain, dst := path+".plain", path+".raw"
	tool(t, "qemu-img", "convert", "-f", "vpc", "-O", "raw", path, plain)
	if _, err := eng.Convert(t.Context(), image, engine.ToFile(dst), engine.ConvertOptions{To: "raw"}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(readFile(t, dst), readFile(t, plain)) {
		t.Error("the output differs from what plain qemu-img writes")
	}
}

// Every VHD that qemu-img can make is accepted, with the size and the contents
// that qemu-img sees, and no part of one is.
func TestEveryVHDOfQemuImg(t *testing.T) {
	skipManyImages(t)
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	for _, r := range vhdRecipes() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			path := r.make(t, quickDir(t))
			checkVHD(t, eng, path)
			refuseParts(t, eng, readFile(t, path))
		})
	}
}

// refuseParts cuts an image at the boundaries and in the middle of its parts,
// and has every part refused.
func refuseParts(t *testing.T, eng *engine.Engine, image []byte) {
	t.Helper()
	size := int64(len(image))
	cuts := []int64{0, 1, 8, 511, 512, 1024, 1536, 2048, size / 4, size / 2, size - 1024, size - 513, size - 512, size - 511, size - 1}
	for _, n := range cuts {
		if n < 0 || n >= size {
			continue
		}
		report, err := eng.Inspect(t.Context(), engine.ReaderAt(bytes.NewReader(image), n), engine.Claim("vhd"))
		if err != nil {
			t.Fatal(err)
		}
		if report.Accepted {
			t.Errorf("the first %d of %d bytes are accepted as %s", n, size, report.Format)
		}
	}
}

// The valid VHDs among the cases are valid in the eyes of the tool that reads
// them, and are what it sees.
func TestValidVHDsAgainstQemuImg(t *testing.T) {
	skipManyImages(t)
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	for _, c := range images.All() {
		if c.WantFormat != "vhd" || !c.WantAccepted || c.Claim != "vhd" {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(quickDir(t), c.Name)
			if err := os.WriteFile(path, c.Build(), 0o600); err != nil {
				t.Fatal(err)
			}
			checkVHD(t, eng, path)
		})
	}
}
