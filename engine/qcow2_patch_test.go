package engine_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/engine/sandbox"
	"github.com/assay-dev/assay/hostfuncs"
	"github.com/assay-dev/assay/testdata/images"
)

// qcow2Base is a valid image whose header is patched, field by field.
type qcow2Base struct {
	name    string
	options []images.Option
}

var qcow2Bases = []qcow2Base{
	{"v3", nil},
	{"v3-zstd", []images.Option{images.Zstd()}},
	{"v2", []images.Option{images.V2()}},
}

// qcow2Patch is one value in one field of an image.
type qcow2Patch struct {
	name  string
	field images.Field
	image []byte
	// size is the disk that the patched header describes, in bytes.
	size int64
	// harmless says that the image still holds the same, or only as much of it
	// as the new size says: it must be accepted. Nothing else may be.
	harmless bool
}

// qcow2Field is a header field with the values, valid and new, that leave the
// image what it is. A nil harmless means none but the valid one.
type qcow2Field struct {
	images.Field
	name     string
	harmless func(base string, value uint64) bool
}

// qcow2Fields are all fields of the header; those from IncompatibleFeatures on
// do not exist in version 2.
var qcow2Fields = []qcow2Field{
	{images.Magic, "magic", nil},
	// Version 3 without features reads the same as version 2.
	{images.Version, "version", func(base string, v uint64) bool { return base != "v2" && v == 2 }},
	{images.BackingFileOffset, "backing_file_offset", nil},
	{images.BackingFileSize, "backing_file_size", nil},
	{images.ClusterBits, "cluster_bits", nil},
	// As much as the one L1 entry maps.
	{images.Size, "size", func(_ string, v uint64) bool { return v <= 2<<20 }},
	{images.CryptMethod, "crypt_method", nil},
	// Entries behind the first are zero until the cluster ends.
	{images.L1Size, "l1_size", func(_ string, v uint64) bool { return v >= 1 && v <= 512 }},
	{images.L1TableOffset, "l1_table_offset", nil},
	{images.RefcountTableOffset, "refcount_table_offset", nil},
	{images.RefcountTableClusters, "refcount_table_clusters", nil},
	{images.NbSnapshots, "nb_snapshots", nil},
	// There are no snapshots; the driver wants an offset that could be one.
	{images.SnapshotsOffset, "snapshots_offset", func(_ string, v uint64) bool { return v%4096 == 0 && v < 1<<63 }},
	// Bit 0 is a warning: dirty.
	{images.IncompatibleFeatures, "incompatible_features", func(base string, v uint64) bool {
		return base == "v3" && v == 1 || base == "v3-zstd" && v == 9
	}},
	{images.CompatibleFeatures, "compatible_features", func(string, uint64) bool { return true }},
	// Bit 1 says that there is an external data file.
	{images.AutoclearFeatures, "autoclear_features", func(_ string, v uint64) bool { return v&2 == 0 }},
	// Read as wider numbers the refcounts are higher: leaked space, at worst.
	{images.RefcountOrder, "refcount_order", func(_ string, v uint64) bool { return v == 5 || v == 6 }},
	// What follows the fields reads as zeros: no compression type, no
	// extensions. With zstd the type must be inside.
	{images.HeaderLength, "header_length", func(base string, v uint64) bool {
		return v%8 == 0 && v <= 4096 && (v > 104 || v == 104 && base == "v3")
	}},
	{images.CompressionType, "compression_type", nil},
}

// qcow2Patches returns every patch of an image: for each field zero, one,
// other small numbers, the largest, the highest bit, the neighbours of the valid
// value, the end of the file and one past it, far beyond it, and the place of
// every structure.
func qcow2Patches(base qcow2Base) []qcow2Patch {
	valid := images.Qcow2(base.options...)
	var patches []qcow2Patch
	for _, f := range qcow2Fields {
		switch {
		case base.name == "v2" && f.Offset >= images.IncompatibleFeatures.Offset,
			base.name != "v3-zstd" && f.Field == images.CompressionType:
			continue
		}
		was := images.Get(valid, f.Field)
		most := ^uint64(0) >> (64 - 8*f.Width)
		end := uint64(len(valid))
		seen := map[uint64]bool{was: true}
		values := []uint64{0, 1, 2, 3, 4, 5, 6, 7, 9, 104, 112, most, most - 1, most>>1 + 1, most >> 1, was + 1, was - 1, was << 1, was + 512,
			end - 1, end, end + 1, end + 4096, 1 << 40, 1<<63 - 4096, most - 4095}
		for structure := uint64(0); structure < end; structure += 4096 {
			values = append(values, structure)
		}
		for _, v := range values {
			v &= most
			if seen[v] {
				continue
			}
			seen[v] = true
			p := qcow2Patch{
				name: fmt.Sprintf("%s %s=%#x", base.name, f.name, v), field: f.Field, image: bytes.Clone(valid),
				size:     int64(images.Get(valid, images.Size)),
				harmless: f.harmless != nil && f.harmless(base.name, v),
			}
			images.Put(p.image, f.Field, v)
			if f.Field == images.Size {
				p.size = int64(v &^ 511) // the driver counts whole sectors
			}
			patches = append(patches, p)
		}
	}
	return patches
}

// Whatever value a header field has, an image is accepted only with the size
// of disk that it describes, and by a deep look only where the value does not
// matter; no value makes a probe fail, and both engines say the same.
func TestPatchedQcow2(t *testing.T) {
	skipManyImages(t)
	compiled := newEngine(t, engine.NewConfig().WithSandbox(sandbox.Config{Mode: sandbox.ModeCompiler}))
	interpreted := newEngine(t, engine.NewConfig().WithSandbox(sandbox.Config{Mode: sandbox.ModeInterpreter}))
	for _, base := range qcow2Bases {
		for _, p := range qcow2Patches(base) {
			var accepted [2]bool
			for i, depth := range []engine.Depth{engine.Header, engine.Deep} {
				r := inspectBoth(t, p.name, compiled, interpreted, p.image, depth)
				if r.Accepted && (r.Format != "qcow2" || r.VirtualSize != p.size) {
					t.Errorf("%s: accepted as %s of %d bytes, the disk has %d", p.name, r.Format, r.VirtualSize, p.size)
				}
				accepted[i] = r.Accepted
				if depth == engine.Deep && r.Accepted != p.harmless {
					t.Errorf("%s: accepted %v by a deep look, must be %v: %s", p.name, r.Accepted, p.harmless, text(r.Findings))
				}
			}
			if accepted[1] && !accepted[0] {
				t.Errorf("%s: a deep look accepts what the header rejects", p.name)
			}
		}
	}
}

// A file that ends anywhere within the header is a damaged qcow2 from the last
// byte of its magic on, and never accepted.
func TestTruncatedQcow2Header(t *testing.T) {
	compiled := newEngine(t, engine.NewConfig().WithSandbox(sandbox.Config{Mode: sandbox.ModeCompiler}))
	interpreted := newEngine(t, engine.NewConfig().WithSandbox(sandbox.Config{Mode: sandbox.ModeInterpreter}))
	for _, base := range qcow2Bases {
		valid := images.Qcow2(base.options...)
		for n := range 129 {
			name := fmt.Sprintf("%s cut at byte %d", base.name, n)
			r := inspectBoth(t, name, compiled, interpreted, valid[:n], engine.Deep)
			if r.Accepted {
				t.Errorf("%s: accepted", name)
			}
			if want := engine.Format("qcow2"); n >= 4 && (r.Format != want || len(r.FindingsOf(engine.Reject)) == 0) {
				t.Errorf("%s: format %s, findings %s", name, r.Format, text(r.Findings))
			}
		}
	}
}

// inspectBoth inspects an image claimed to be qcow2 with two engines that must
// agree, and whose probes must not fail.
func inspectBoth(t *testing.T, name string, a, b *engine.Engine, image []byte, depth engine.Depth) *engine.Report {
	t.Helper()
	var reports [2]*engine.Report
	for i, eng := range []*engine.Engine{a, b} {
		var err error
		reports[i], err = eng.Inspect(t.Context(), engine.ReaderAt(bytes.NewReader(image), int64(len(image))), engine.Claim("qcow2"), engine.AtDepth(depth))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if diff := sameReport(reports[0], reports[1]); diff != "" {
		t.Errorf("%s: the engines differ:\n%s", name, diff)
	}
	for _, f := range reports[0].Findings {
		if f.Class == hostfuncs.ProbeFailure {
			t.Errorf("%s: %s", name, f.Message)
		}
	}
	return reports[0]
}
