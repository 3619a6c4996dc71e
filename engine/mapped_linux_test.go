package engine_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/testdata/images"
)

// mappedRecipe is an image of vhdx, vdi, parallels, qed or qcow that qemu-img
// can make.
type mappedRecipe struct {
	format, name string
	options      string   // of qemu-img create -o
	object       string   // a secret
	unbased      bool     // its backing file is removed again
	packed       bool     // converted with -c
	blank        bool     // nothing is written
	want         []string // ids of the findings, but for those of severity info
	rejected     bool
}

func mappedRecipes() []mappedRecipe {
	var list []mappedRecipe
	add := func(format, name, options string, want ...string) {
		list = append(list, mappedRecipe{format: format, name: name, options: options, want: want})
	}
	for _, size := range []string{"1M", "2M", "32M", "256M"} {
		add("vhdx", "blocks of "+size, "block_size="+size)
	}
	add("vhdx", "defaults", "")
	add("vhdx", "fixed", "subformat=fixed")
	add("vhdx", "fixed, blocks of 1M", "subformat=fixed,block_size=1M")
	add("vhdx", "larger log", "log_size=4M")
	add("vhdx", "without zero blocks", "block_state_zero=off")
	add("vdi", "dynamic", "")
	add("vdi", "static", "static=on")
	for _, size := range []string{"512", "4k", "64k", "1M", "8M"} {
		add("parallels", "clusters of "+size, "cluster_size="+size)
	}
	for _, options := range []string{"cluster_size=4k,table_size=2", "cluster_size=4k,table_size=16", "cluster_size=64k", "cluster_size=1M,table_size=8"} {
		add("qed", options, options, "qed.legacy")
	}
	add("qcow", "defaults", "", "qcow.legacy")
	for _, format := range []string{"vhdx", "vdi", "parallels", "qed", "qcow"} {
		r := mappedRecipe{format: format, name: "blank", blank: true}
		if format[0] == 'q' {
			r.want = []string{format + ".legacy"}
		}
		list = append(list, r)
	}
	return append(list,
		mappedRecipe{format: "qcow", name: "compressed", packed: true, want: []string{"qcow.legacy"}},
		mappedRecipe{
			format: "qcow", name: "AES", object: "secret,id=s,data=secret", options: "encrypt.format=aes,encrypt.key-secret=s",
			blank: true, want: []string{"qcow.aes", "qcow.legacy"}, rejected: true,
		},
		mappedRecipe{
			format: "qcow", name: "backing file", options: "backing_file=BASE,backing_fmt=raw",
			blank: true, want: []string{"qcow.backing-file", "qcow.legacy"}, rejected: true,
		},
		mappedRecipe{
			format: "qed", name: "backing file", options: "backing_file=BASE,backing_fmt=raw",
			blank: true, want: []string{"qed.backing-file", "qed.legacy"}, rejected: true,
		},
		mappedRecipe{
			format: "qed", name: "backing file removed", options: "backing_file=BASE,backing_fmt=raw",
			unbased: true, want: []string{"qed.legacy"},
		},
	)
}

// make makes the image in dir and returns its path.
func (r mappedRecipe) make(t *testing.T, dir, size string) string {
	t.Helper()
	path, base := filepath.Join(dir, "image"), filepath.Join(dir, "base.raw")
	if err := os.WriteFile(base, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	create := []string{"create", "-q", "-f", r.format}
	if r.object != "" {
		create = append(create, "--object", r.object)
	}
	if r.options != "" {
		create = append(create, "-o", strings.ReplaceAll(r.options, "BASE", base))
	}
	tool(t, "qemu-img", append(create, path, size)...)
	if !r.blank {
		tool(t, "qemu-io", "-f", r.format, "-c", "write -P 7 0 96k", "-c", "write -P 9 5M 1M",
			"-c", "write -z 2M 128k", "-c", "write -P 1 16777k 512", path)
	}
	if r.unbased {
		tool(t, "qemu-img", "rebase", "-u", "-f", r.format, "-b", "", path)
	}
	if !r.packed {
		return path
	}
	// For qcow, qemu-img 7.2 writes the whole image and then exits with 1; what
	// it is worth, comparing shows.
	packed := filepath.Join(dir, "packed")
	_ = exec.CommandContext(t.Context(), "qemu-img", "convert", "-q", "-c", "-f", r.format, "-O", r.format, path, packed).Run()
	tool(t, "qemu-img", "compare", "-q", "-f", r.format, "-F", r.format, path, packed)
	return packed
}

// size is one that is not a multiple of any cluster, but for compressed
// images: qemu-img writes those in whole clusters.
func (r mappedRecipe) size() string {
	if r.packed {
		return "32M"
	}
	return "33554944"
}

// qemuSize returns the size of the disk that qemu-img gives, in bytes, or
// false when it refuses the image.
func qemuSize(t *testing.T, format, path string) (int64, bool) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "qemu-img", "info", "--output=json", "-f", format, path).Output()
	if err != nil {
		return 0, false
	}
	var info struct {
		VirtualSize int64 `json:"virtual-size"`
	}
	if err := json.Unmarshal(out, &info); err != nil {
		t.Fatal(err)
	}
	return info.VirtualSize, true
}

// Every image of these formats that qemu-img can make is judged as the
// contract says, with the size that qemu-img gives; an accepted one converts
// to the bytes that plain qemu-img gives.
func TestEveryMappedImageOfQemuImg(t *testing.T) {
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	for _, r := range mappedRecipes() {
		t.Run(r.format+", "+r.name, func(t *testing.T) {
			t.Parallel()
			dir := quickDir(t)
			path := r.make(t, dir, r.size())
			size, ok := qemuSize(t, r.format, path)
			if !ok {
				t.Fatal("qemu-img does not open it")
			}
			for _, depth := range []engine.Depth{engine.Header, engine.Deep} {
				report, err := eng.Inspect(t.Context(), engine.File(open(t, path)), engine.Claim(engine.Format(r.format)), engine.AtDepth(depth))
				if err != nil {
					t.Fatal(err)
				}
				var found []string
				for _, f := range report.Findings {
					if f.Severity != engine.Info {
						found = append(found, f.ID)
					}
				}
				slices.Sort(found)
				if report.VirtualSize != size || report.Accepted == r.rejected || !slices.Equal(found, r.want) {
					t.Errorf("%v: size %d, qemu-img says %d; accepted %v; findings %s", depth, report.VirtualSize, size, report.Accepted, text(report.Findings))
				}
			}
			if r.rejected {
				return
			}
			plain, ours := filepath.Join(dir, "plain.raw"), filepath.Join(dir, "ours.raw")
			tool(t, "qemu-img", "convert", "-f", r.format, "-O", "raw", path, plain)
			image := vet(t, eng, open(t, path), engine.Claim(engine.Format(r.format)))
			if _, err := eng.Convert(t.Context(), image, engine.ToFile(ours), engine.ConvertOptions{To: "raw"}); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(readFile(t, plain), readFile(t, ours)) {
				t.Error("the output differs from what plain qemu-img writes")
			}
		})
	}
}

// However a real image is cut, it is refused when its format is claimed.
func TestTruncatedMappedImages(t *testing.T) {
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	for _, r := range []mappedRecipe{
		{format: "vhdx", options: "block_size=1M"}, {format: "vdi"}, {format: "parallels", options: "cluster_size=64k"},
		{format: "qed"}, {format: "qcow"}, {format: "qcow", packed: true},
	} {
		t.Run(fmt.Sprintf("%s, packed %v", r.format, r.packed), func(t *testing.T) {
			t.Parallel()
			whole := readFile(t, r.make(t, quickDir(t), "32M"))
			cuts := []int{0, 1, 4, 8, 47, 63, 64, 68, 511, 512, len(whole) - 512, len(whole) - 1}
			for i := range 24 {
				cuts = append(cuts, len(whole)*i/24)
			}
			for _, n := range cuts {
				source := engine.ReaderAt(bytes.NewReader(whole[:n]), int64(n))
				report, err := eng.Inspect(t.Context(), source, engine.Claim(engine.Format(r.format)), engine.AtDepth(engine.Deep))
				if err != nil {
					t.Fatal(err)
				}
				if report.Accepted {
					t.Errorf("%d of %d bytes are accepted", n, len(whole))
				}
			}
		})
	}
}

// Whatever byte of the metadata is changed, an image that is still accepted
// has the size that qemu-img gives it.
func TestChangedMetadataOfMappedImages(t *testing.T) {
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	type span struct{ from, to int }
	for _, row := range []struct {
		format string
		image  []byte
		spans  []span
	}{
		{"vhdx", images.VHDX(), []span{{0, 8}, {64 << 10, 64<<10 + 88}, {192 << 10, 192<<10 + 80}, {256 << 10, 256<<10 + 80}, {2 << 20, 2<<20 + 192}, {2<<20 + 64<<10, 2<<20 + 64<<10 + 40}}},
		{"vdi", images.VDI(1<<20+512, []uint32{1<<32 - 1, 0}), []span{{64, 84}, {340, 520}}},
		{"parallels", images.Parallels([]uint32{0, 2, 0, 1}), []span{{0, 80}}},
		{"qed", images.QED(), []span{{0, 64}, {4096, 4104}}},
		{"qcow", images.Qcow(), []span{{0, 56}}},
	} {
		t.Run(row.format, func(t *testing.T) {
			t.Parallel()
			size, _ := qemuSize(t, row.format, writeImage(t, row.image))
			for _, s := range row.spans {
				for at := s.from; at < s.to; at++ {
					for _, flip := range []byte{0x01, 0x80, 0xff} {
						changed := bytes.Clone(row.image)
						changed[at] ^= flip
						report, err := eng.Inspect(t.Context(), engine.ReaderAt(bytes.NewReader(changed), int64(len(changed))),
							engine.Claim(engine.Format(row.format)), engine.AtDepth(engine.Deep))
						if err != nil {
							t.Fatal(err)
						}
						if !report.Accepted || report.VirtualSize == size && flip != 0xff {
							continue
						}
						if want, ok := qemuSize(t, row.format, writeImage(t, changed)); ok && want != report.VirtualSize {
							t.Errorf("byte %d changed by %#x: size %d is accepted, qemu-img says %d", at, flip, report.VirtualSize, want)
						}
					}
				}
			}
		})
	}
}

// writeImage writes an image to a file of its own and returns its path.
func writeImage(t *testing.T, image []byte) string {
	t.Helper()
	path := filepath.Join(quickDir(t), "image")
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
