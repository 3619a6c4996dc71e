package engine_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/testdata/images"
	"github.com/google/go-cmp/cmp"
)

// strictBut returns the strict policy with one more rule.
func strictBut(t *testing.T, rule string) engine.Policy {
	t.Helper()
	text := strings.Replace(string(engine.Strict().Document()), `"rules": [`, `"rules": [`+rule+`,`, 1)
	policy, err := engine.ParsePolicy([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

// What a fixed VHD holds is the guest's: a defect of its partition table does
// not count against the image, also not while only the contents of a stream
// have arrived. It does in an image that is not claimed to be a VHD.
func TestContentsOfFixedVHD(t *testing.T) {
	const size = 2 << 20
	policy := strictBut(t, `{"id":"mbr.*","severity":"reject"}`)
	eng := newEngine(t, engine.NewConfig().WithSpoolDir(t.TempDir()).WithPolicy(policy))
	broken := images.MBR(size, images.Partition{Type: 0x83, Start: 8, Count: 1 << 20}) // beyond the disk
	unsupported := make([]byte, size)
	copy(unsupported, images.LUKS2())
	for name, contents := range map[engine.Format][]byte{"mbr": broken, "luks": unsupported} {
		t.Run(string(name), func(t *testing.T) {
			image := images.VHD(images.VHDContents(contents))
			file := func() engine.Source { return engine.ReaderAt(bytes.NewReader(image), int64(len(image))) }
			stream := func() engine.Source { return engine.Stream(bytes.NewReader(image)) }
			for _, source := range []func() engine.Source{file, stream} {
				report, err := eng.Inspect(t.Context(), source(), engine.Claim("vhd"), engine.AtDepth(engine.Deep))
				if err != nil {
					t.Fatal(err)
				}
				if !report.Accepted || report.Format != "vhd" || report.VirtualSize != size || len(report.FindingsOf(engine.Warn)) != 0 {
					t.Errorf("format %s, size %d, findings %s", report.Format, report.VirtualSize, text(report.Findings))
				}
				if !slices.ContainsFunc(report.Matches, func(m engine.MatchInfo) bool { return m.Format == name }) {
					t.Errorf("the contents are not among the matches: %s", text(report.Matches))
				}
				for _, claim := range []engine.Format{"", "raw", name} {
					report, err := eng.Inspect(t.Context(), source(), engine.Claim(claim))
					if err != nil {
						t.Fatal(err)
					}
					if report.Accepted {
						t.Errorf("claim %q: accepted as %s", claim, report.Format)
					}
				}
			}
		})
	}
}

// An ambiguous image that a claim decides says so, and no other does.
func TestAmbiguousNamesTheClaim(t *testing.T) {
	eng := newEngine(t, engine.NewConfig())
	for name, tc := range map[string]struct {
		contents []byte
		want     string
	}{
		"partitions": {images.GPT(512), "several formats match: gpt, mbr, vhd; a claim of vhd decides"},
		"qcow2":      {images.Qcow2(), "several formats match: qcow2, vhd"},
	} {
		t.Run(name, func(t *testing.T) {
			image := images.VHD(images.VHDContents(tc.contents))
			report, err := eng.Inspect(t.Context(), engine.ReaderAt(bytes.NewReader(image), int64(len(image))))
			if err != nil {
				t.Fatal(err)
			}
			if i := slices.IndexFunc(report.Findings, func(f engine.Finding) bool { return f.ID == "format.ambiguous" }); i < 0 || report.Findings[i].Message != tc.want {
				t.Errorf("want the message %q among %s", tc.want, text(report.Findings))
			}
		})
	}
}

// A parent ends the download of a stream; nothing is said to be missing of one
// that is still to come.
func TestStreamedVHD(t *testing.T) {
	whole := images.VHD(images.VHDSize(4<<20), images.VHDBlocks(1<<20, 0, 2))
	child := images.VHD(images.VHDSize(4<<20), images.VHDBlocks(1<<20, 0, 2), images.VHDDifferencing("../base.vhd"))
	eng := newEngine(t, engine.NewConfig().WithSpoolDir(t.TempDir()))
	report, err := eng.Inspect(t.Context(), engine.Stream(bytes.NewReader(whole)), engine.AtDepth(engine.Deep))
	if err != nil {
		t.Fatal(err)
	}
	if !report.Accepted || report.Format != "vhd" {
		t.Errorf("format %s: %s", report.Format, text(report.Findings))
	}
	stream := &counted{r: bytes.NewReader(child)}
	report, err = eng.Inspect(t.Context(), engine.Stream(stream))
	if err != nil {
		t.Fatal(err)
	}
	if report.Accepted || report.Size != engine.SizeUnknown || stream.n > 1<<20 {
		t.Errorf("accepted %v, size %d, after %d bytes", report.Accepted, report.Size, stream.n)
	}
	for _, want := range []engine.Reference{
		{Kind: "parent", Target: "01234567-89ab-cdef-0000-000000000000", Offset: 552},
		{Kind: "parent-name", Target: "../base.vhd", Offset: 576},
		{Kind: "parent-locator", Target: "../base.vhd", Offset: 1088},
		{Kind: "parent-locator", Target: "file://./../base.vhd", Offset: 1112},
	} {
		if !slices.ContainsFunc(report.References, func(r engine.Reference) bool {
			return r.Kind == want.Kind && r.Target == want.Target && r.Offset == want.Offset
		}) {
			t.Errorf("no reference %s among %s", text(want), text(report.References))
		}
	}
}

// sparseVHD is a dynamic disk with every block allocated, whose bitmaps and
// data are zeros that are not stored.
type sparseVHD struct {
	head, footer []byte
	size         int64
}

const sparseBlock = 2<<20 + 512

// newSparseVHD returns a disk of some blocks of 2 MiB in a shuffled order.
func newSparseVHD(blocks int) *sparseVHD {
	image := images.VHD(images.VHDSize(int64(blocks)<<21), images.VHDBlocks(2<<20))
	head := image[:len(image)-512]
	v := &sparseVHD{head: head, footer: image[len(image)-512:], size: int64(len(head)) + int64(blocks)*sparseBlock + 512}
	for i := range blocks {
		// A step that is odd and no multiple of 5 visits every place once.
		place := (i*7777 + 3) % blocks
		v.setBlock(i, int64(len(head))+int64(place)*sparseBlock)
	}
	return v
}

func (v *sparseVHD) setBlock(i int, offset int64) {
	binary.BigEndian.PutUint32(v.head[1536+4*i:], uint32(offset/512))
}

func (v *sparseVHD) ReadAt(p []byte, off int64) (int, error) {
	n := int(max(0, min(int64(len(p)), v.size-off)))
	clear(p[:n])
	if off < int64(len(v.head)) {
		copy(p[:n], v.head[off:])
	}
	if at := v.size - 512 - off; at < int64(n) {
		copy(p[max(at, 0):n], v.footer[max(-at, 0):])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Blocks that lie over each other are found in a table and a file that are
// looked at in several passes, wherever the blocks are; and the budget of a
// deep run suffices for them.
func TestOverlapInLargeVHD(t *testing.T) {
	eng := newEngine(t, engine.NewConfig())
	const blocks = 11111 // of 22 GiB; a pass looks at 10240
	first := int64((1536 + 4*blocks + 511) &^ 511)
	for name, tc := range map[string]struct {
		offset func(offset int64) int64 // of block 5
		want   string
	}{
		"apart":                   {func(at int64) int64 { return at }, ""},
		"one sector early":        {func(at int64) int64 { return at - 512 }, "vhd.overlap"},
		"one sector late":         {func(at int64) int64 { return at + 512 }, "vhd.overlap"},
		"twice the first":         {func(int64) int64 { return first }, "vhd.overlap"},
		"twice the last":          {func(int64) int64 { return first + (blocks-1)*sparseBlock }, "vhd.overlap"},
		"across a pass":           {func(int64) int64 { return first + 10239*sparseBlock - 512 }, "vhd.overlap"},
		"across a pass, later":    {func(int64) int64 { return first + 10239*sparseBlock + 512 }, "vhd.overlap"},
		"in the last pass, early": {func(int64) int64 { return first + 10800*sparseBlock - 512 }, "vhd.overlap"},
	} {
		t.Run(name, func(t *testing.T) {
			v := newSparseVHD(blocks)
			at := int64(binary.BigEndian.Uint32(v.head[1536+4*5:])) * 512
			v.setBlock(5, tc.offset(at))
			report, err := eng.Inspect(t.Context(), engine.ReaderAt(v, v.size), engine.Claim("vhd"), engine.AtDepth(engine.Deep))
			if err != nil {
				t.Fatal(err)
			}
			if report.Accepted != (tc.want == "") {
				t.Errorf("accepted %v: %s", report.Accepted, text(report.Findings))
			}
			if tc.want != "" && !slices.ContainsFunc(report.Findings, func(f engine.Finding) bool { return f.ID == tc.want }) {
				t.Errorf("no finding %s among %s", tc.want, text(report.Findings))
			}
			m := report.Matches[0]
			t.Logf("%d µs, %d units of fuel, %d reads, %d bytes read", report.ElapsedMicros, m.Fuel, m.Reads, m.BytesRead)
		})
	}
}

// The properties are what the fields say, for those who read blocks by them.
func TestVHDProperties(t *testing.T) {
	eng := newEngine(t, engine.NewConfig())
	// Of the second and last block, the disk has 11 of 16 sectors.
	const size = (16 + 11) * 512
	image := images.VHD(images.VHDSize(size), images.VHDCreator("tap\x00"), images.VHDGeometry(1, 2, 3), images.VHDFooter(images.VHDFeatures, 3),
		images.VHDBlocks(8192, 0, 1), images.VHDPatch(func(b []byte) {
			b[2048], b[2049] = 0x7f, 0xfe                  // the first and the last sector
			b[2048+8704], b[2048+8705] = 0b1111_0111, 0x9f // the 5th, the 10th, the 11th, and none behind the disk
		}))
	report, err := eng.Inspect(t.Context(), engine.ReaderAt(bytes.NewReader(image), int64(len(image))), engine.AtDepth(engine.Deep))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"vhd.disk_type": uint64(3), "vhd.current_size": uint64(size), "vhd.original_size": uint64(size),
		"vhd.geometry_size": uint64(6 * 512), "vhd.creator_app": "tap", "vhd.unique_id": "6f1c293b-8e4d-4a5f-9012-3456789abcde",
		"vhd.temporary": true, "vhd.block_size": uint64(8192), "vhd.table_offset": uint64(1536),
		"vhd.max_table_entries": uint64(2), "vhd.unset_sectors": uint64(5),
	}
	if diff := cmp.Diff(want, report.Properties); diff != "" {
		t.Errorf("properties (-want +got):\n%s", diff)
	}
	if report.VirtualSize != size || !report.Accepted {
		t.Errorf("size %d, findings %s", report.VirtualSize, text(report.Findings))
	}
}
