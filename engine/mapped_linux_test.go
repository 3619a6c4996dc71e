package engine_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/testdata/images"
)

// mappedRecipes are images of vhdx, vdi, parallels, qed and qcow.
func mappedRecipes() []recipe {
	var list []recipe
	write := []string{"write -q -P 7 0 96k", "write -q -P 9 5M 1M", "write -q -z 2M 128k", "write -q -P 1 16777k 512"}
	add := func(format engine.Format, options string) {
		list = append(list, recipe{format: format, name: "written " + options, options: options, steps: write})
	}
	for _, format := range []engine.Format{"vhdx", "vdi", "parallels", "qed", "qcow"} {
		list = append(list, recipe{format: format, name: "blank"})
		add(format, "")
	}
	for _, options := range []string{
		"block_size=1M", "block_size=32M", "block_size=256M", "log_size=4M", "block_state_zero=off",
		"subformat=fixed", "subformat=fixed,block_size=1M",
	} {
		add("vhdx", options)
	}
	add("vdi", "static=on")
	for _, size := range []string{"512", "4k", "64k", "8M"} {
		add("parallels", "cluster_size="+size)
	}
	for _, options := range []string{"cluster_size=4k,table_size=2", "cluster_size=4k,table_size=16", "cluster_size=1M,table_size=8"} {
		add("qed", options)
	}
	const base = "backing_file=BASE,backing_fmt=raw"
	return append(list,
		recipe{format: "qcow", name: "compressed", size: "32M", steps: write, packed: true},
		recipe{format: "qcow", name: "AES", object: "secret,id=s,data=secret", options: "encrypt.format=aes,encrypt.key-secret=s", want: "qcow.aes", severity: engine.Reject},
		recipe{format: "qcow", name: "backing file", options: base, want: "qcow.backing-file", severity: engine.Reject},
		recipe{format: "qed", name: "backing file", options: base, want: "qed.backing-file", severity: engine.Reject},
		recipe{format: "qed", name: "backing file removed", options: base, steps: []string{`qemu-img rebase -u -f qed -b "" IMAGE`}},
	)
}

// What is accepted of these formats converts to the bytes that plain qemu-img
// gives.
func TestConvertMappedImages(t *testing.T) {
	skipManyImages(t)
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	for _, r := range mappedRecipes() {
		if r.severity == engine.Reject {
			continue
		}
		t.Run(r.label(), func(t *testing.T) {
			t.Parallel()
			dir := quickDir(t)
			path := r.make(t, dir)
			plain, ours := filepath.Join(dir, "plain.raw"), filepath.Join(dir, "ours.raw")
			tool(t, "qemu-img", "convert", "-f", string(r.format), "-O", "raw", path, plain)
			image := vet(t, eng, open(t, path), engine.Claim(r.format))
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
	skipManyImages(t)
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	for _, r := range []recipe{
		{format: "vhdx", options: "block_size=1M"}, {format: "vdi"}, {format: "parallels", options: "cluster_size=64k"},
		{format: "qed"}, {format: "qcow"}, {format: "qcow", name: "compressed", packed: true},
	} {
		r.size, r.steps = "32M", []string{"write -q -P 7 0 96k", "write -q -P 9 5M 1M"}
		t.Run(r.label(), func(t *testing.T) {
			t.Parallel()
			whole := readFile(t, r.make(t, quickDir(t)))
			cuts := []int{0, 1, 4, 8, 47, 63, 64, 68, 511, 512, len(whole) - 512, len(whole) - 1}
			for i := range 24 {
				cuts = append(cuts, len(whole)*i/24)
			}
			for _, n := range cuts {
				source := engine.ReaderAt(bytes.NewReader(whole[:n]), int64(n))
				report, err := eng.Inspect(t.Context(), source, engine.Claim(r.format), engine.AtDepth(engine.Deep))
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
	skipManyImages(t)
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
			size, ok := qemuSize(t, row.format, row.image)
			if !ok {
				t.Fatal("qemu-img refuses the image")
			}
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
						// Where the size is the same, qemu-img is asked now and then.
						asked := flip == 0xff && (long() || at%4 == 0)
						if !report.Accepted || report.VirtualSize == size && !asked {
							continue
						}
						if want, ok := qemuSize(t, row.format, changed); ok && want != report.VirtualSize {
							t.Errorf("byte %d changed by %#x: size %d is accepted, qemu-img says %d", at, flip, report.VirtualSize, want)
						}
					}
				}
			}
		})
	}
}

// qemuSize returns the size of the disk that qemu-img gives, in bytes, or
// false when it refuses the image.
func qemuSize(t *testing.T, format string, image []byte) (int64, bool) {
	t.Helper()
	path := writeImage(t, quickDir(t), image)
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
