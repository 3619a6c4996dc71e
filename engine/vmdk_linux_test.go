package engine_test

import (
	"bytes"
	"path/filepath"
	"slices"
	"testing"

	"github.com/assay-dev/assay/engine"
)

// vmdkRecipes are the subformats that are one file.
func vmdkRecipes() []recipe {
	write := []string{"write -q -P 7 0 96k", "write -q -P 9 5M 1M", "write -q -z 6M 128k", "write -q -P 1 16777k 512"}
	var list []recipe
	add := func(name, size, options string, packed bool, steps ...string) {
		list = append(list, recipe{format: "vmdk", name: name, size: size, options: options, packed: packed, steps: steps})
	}
	add("sparse", "", "", false, write...)
	add("sparse, never written", "", "", false)
	add("sparse, of one sector", "512", "", false, "write -q -P 7 0 512")
	add("sparse, two directory sectors", "8G", "", false, "write -q -P 7 0 512", "write -q -P 7 8388544k 64k")
	add("sparse, with zeroed grains", "", "zeroed_grain=on", false, write...)
	add("sparse, compatible with version 6", "", "compat6=on", false, write...)
	add("sparse, of hardware version 13", "", "hwversion=13,toolsversion=2147483647", false, write...)
	for _, adapter := range []string{"ide", "buslogic", "lsilogic", "legacyESX"} {
		add("sparse, adapter "+adapter, "", "adapter_type="+adapter, false)
	}
	add("stream", "", "subformat=streamOptimized", true, write...)
	add("stream, never written", "", "subformat=streamOptimized", false)
	add("stream, compatible with version 6", "", "subformat=streamOptimized,compat6=on", true, write...)
	return list
}

// vmdkSize returns the size of the disk as qemu-img sees it, in bytes.
func vmdkSize(t *testing.T, path string) int64 {
	t.Helper()
	return parseInfo(t, []byte(tool(t, "qemu-img", "info", "--output=json", "-f", "vmdk", path)), nil, path).size
}

// Every VMDK of one file that qemu-img makes converts to the bytes that
// qemu-img makes of it, and no part of one is accepted.
func TestEveryVMDKOfQemuImg(t *testing.T) {
	skipManyImages(t)
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	for _, r := range vmdkRecipes() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			path := r.make(t, quickDir(t))
			image, err := eng.Vet(t.Context(), engine.File(open(t, path)), engine.Claim("vmdk"))
			if err != nil {
				t.Fatal(err)
			}
			defer image.Close()
			size := vmdkSize(t, path)
			if report := image.Report(); report.QemuDriver != "vmdk" || report.VirtualSize != size {
				t.Errorf("driver %s, virtual size %d, qemu-img says %d", report.QemuDriver, report.VirtualSize, size)
			}
			if size <= 64<<20 {
				plain, dst := path+".plain", path+".raw"
				tool(t, "qemu-img", "convert", "-f", "vmdk", "-O", "raw", path, plain)
				if _, err := eng.Convert(t.Context(), image, engine.ToFile(dst), engine.ConvertOptions{To: "raw"}); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(readFile(t, dst), readFile(t, plain)) {
					t.Error("the output differs from what plain qemu-img writes")
				}
			}
			refuseVMDKParts(t, eng, readFile(t, path))
		})
	}
}

// refuseVMDKParts cuts an image inside its header, descriptor, tables and
// grains.
func refuseVMDKParts(t *testing.T, eng *engine.Engine, image []byte) {
	t.Helper()
	size := int64(len(image))
	last := int64(len(bytes.TrimRight(image, "\x00"))) // of what is not padding
	for _, n := range []int64{0, 1, 4, 511, 512, 1024, 11 << 10, 12 << 10, 16 << 10, size / 4, size / 2, last - 600, last - 1} {
		if n < 0 || n >= size || len(bytes.TrimRight(image[n:], "\x00")) == 0 {
			continue // nothing is missing
		}
		report, err := eng.Inspect(t.Context(), engine.ReaderAt(bytes.NewReader(image), n), engine.Claim("vmdk"), engine.AtDepth(engine.Deep))
		if err != nil {
			t.Fatal(err)
		}
		if report.Accepted {
			t.Errorf("the first %d of %d bytes are accepted as %s", n, size, report.Format)
		}
	}
}

// The subformats that spread over several files, and an image with a parent,
// are recognized with the size that qemu-img gives, and each of their files is
// reported.
func TestVMDKsOfSeveralFiles(t *testing.T) {
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	for _, c := range []struct {
		options string
		size    string
		want    []string // ids of all findings
		targets []string
	}{
		{"subformat=monolithicFlat", "1M", []string{"vmdk.descriptor-only", "vmdk.extent", "vmdk.subformat"}, []string{"image-flat.vmdk"}},
		{"subformat=twoGbMaxExtentFlat", "3G", []string{"vmdk.descriptor-only", "vmdk.extent", "vmdk.subformat"}, []string{"image-f001.vmdk", "image-f002.vmdk"}},
		{"subformat=twoGbMaxExtentSparse", "3G", []string{"vmdk.descriptor-only", "vmdk.extent", "vmdk.subformat"}, []string{"image-s001.vmdk", "image-s002.vmdk"}},
		{"backing_file=BASE,backing_fmt=vmdk", "1M", []string{"vmdk.parent", "vmdk.parent-cid"}, []string{"BASE"}},
	} {
		t.Run(c.options, func(t *testing.T) {
			dir := quickDir(t)
			path, base := filepath.Join(dir, "image.vmdk"), filepath.Join(dir, "BASE")
			tool(t, "qemu-img", "create", "-q", "-f", "vmdk", base, c.size)
			cmd := []string{"create", "-q", "-f", "vmdk", "-o", c.options, path, c.size}
			if c.targets[0] == "BASE" {
				cmd = []string{"create", "-q", "-f", "vmdk", "-b", base, "-F", "vmdk", path}
			}
			tool(t, "qemu-img", cmd...)
			report, err := eng.Inspect(t.Context(), engine.File(open(t, path)), engine.Claim("vmdk"))
			if err != nil {
				t.Fatal(err)
			}
			var found, targets []string
			for _, f := range report.Findings {
				found = append(found, f.ID)
			}
			for _, r := range report.References {
				if r.Kind != "parent-cid" {
					targets = append(targets, filepath.Base(r.Target))
				}
			}
			slices.Sort(found)
			slices.Sort(targets)
			if !slices.Equal(slices.Compact(found), c.want) || !slices.Equal(targets, c.targets) {
				t.Errorf("findings %s, references %s", found, targets)
			}
			if size := vmdkSize(t, path); report.VirtualSize != size {
				t.Errorf("virtual size %d, qemu-img says %d", report.VirtualSize, size)
			}
		})
	}
}
