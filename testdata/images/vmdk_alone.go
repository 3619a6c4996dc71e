package images

import (
	"encoding/binary"
	"strings"
)

// flatText is a descriptor whose disk is in another file.
const flatText = `# Disk DescriptorFile
version=1
CID=5f3b1c2d
parentCID=ffffffff
createType="monolithicFlat"

# Extent description
RW 2048 FLAT "disk-flat.vmdk" 0

# The Disk Data Base
#DDB

ddb.adapterType = "ide"
`

// vmdkAlone returns files that are a descriptor and nothing else, and extents
// that are recognized and not supported.
func vmdkAlone() []Case {
	text := func(s string) func() []byte { return func() []byte { return []byte(s) } }
	edit := func(was, is string) string { return strings.Replace(flatText, was, is, 1) }
	rows := []struct {
		name, finding string
		build         func() []byte
	}{
		{"monolithic-flat", "vmdk.subformat", text(flatText)},
		{"monolithic-flat-extent", "vmdk.extent", text(flatText)},
		{"monolithic-sparse", "vmdk.descriptor-only", text(vmdkText("monolithicSparse", 2048))},
		{"monolithic-sparse-extent", "vmdk.extent", text(vmdkText("monolithicSparse", 2048))},
		{"without-extents", "vmdk.descriptor-only", text("# Disk DescriptorFile\nversion=1\ncreateType=\"monolithicSparse\"\n")},
		{"two-gb-flat", "vmdk.subformat", text(edit("monolithicFlat", "twoGbMaxExtentFlat"))},
		{"two-gb-sparse", "vmdk.subformat", text(edit("monolithicFlat", "twoGbMaxExtentSparse"))},
		{"vmfs", "vmdk.subformat", text(edit("monolithicFlat", "vmfs"))},
		{"vmfs-sparse", "vmdk.subformat", text(edit("monolithicFlat", "vmfsSparse"))},
		{"sesparse", "vmdk.subformat", text(edit("monolithicFlat", "seSparse"))},
		{"full-device", "vmdk.subformat", text(edit("monolithicFlat", "fullDevice"))},
		{"device", "vmdk.extent", text(edit(`"disk-flat.vmdk" 0`, `"/dev/sda" 0`))},
		{"parent", "vmdk.parent", text(flatText + "parentFileNameHint=\"base.vmdk\"\n")},
		{"title-only", "vmdk.create-type-missing", text("# Disk DescriptorFile\n")},
		{"title-and-zeros", "vmdk.create-type-missing", text("# Disk DescriptorFile\n" + strings.Repeat("\x00", 4096))},
		{"padded", "vmdk.extent", text(flatText + strings.Repeat("\x00", 100_000))},
		{"crlf", "vmdk.extent", text(strings.ReplaceAll(flatText, "\n", "\r\n"))},
		{"bom", "vmdk.descriptor-start", text("\ufeff" + flatText)},
		{"bom-without-title", "vmdk.descriptor-start", text("\ufeff" + edit("# Disk DescriptorFile\n", ""))},
		{"blank-lines", "vmdk.descriptor-start", text("\n \r\n\t\n" + flatText)},
		{"comment-first", "vmdk.descriptor-start", text("# made by hand\n" + flatText)},
		{"without-title", "vmdk.descriptor-start", text(edit("# Disk DescriptorFile\n", ""))},
		{"version-2-first", "vmdk.descriptor-start", text("version=2\nsomething\n")},
		{"keys-upper-case", "vmdk.descriptor-key", text(strings.ToUpper(flatText))},
		{"keys-lower-case", "vmdk.descriptor-key", text(strings.ToLower(flatText))},
		{"create-type-first", "vmdk.descriptor-start", text("createType=\"monolithicFlat\"\nRW 2048 FLAT \"/etc/passwd\" 0\n")},
		{"create-type-twice", "vmdk.descriptor-duplicate", text(flatText + "createType=\"vmfs\"\n")},
		{"beyond-4k", "vmdk.extent", text(edit("\nversion", "\n"+strings.Repeat("# x\n", 2000)+"version"))},
		{"title-beyond-4k", "vmdk.descriptor-start", text(strings.Repeat("\n", 5000) + flatText)},
		{"of-64k", "vmdk.extent", text(flatText + strings.Repeat("#", 64<<10-len(flatText)))},
		{"over-64k", "vmdk.descriptor-size", text(flatText + strings.Repeat("# "+strings.Repeat("x", 60)+"\n", 1100))},
		{"over-64k-bound", "vmdk.descriptor-bytes-limit", text(flatText + strings.Repeat("# "+strings.Repeat("x", 60)+"\n", 1100))},
		{"lines-of-4096", "vmdk.descriptor-lines", text(flatText + strings.Repeat("\n", 4096))},
		{"extents-of-65", "vmdk.extents-limit", text(flatText + strings.Repeat("RW 2048 FLAT \"a\" 0\n", 64))},
		{"sizes-overflow", "vmdk.extents-limit", text(flatText + strings.Repeat("RW 18446744073709551615 FLAT \"a\" 0\n", 64))},
		{"utf16-little", "vmdk.descriptor-encoding", text("\xff\xfe" + utf16Text(flatText, false))},
		{"utf16-big", "vmdk.descriptor-encoding", text("\xfe\xff" + utf16Text(flatText, true))},
		{"utf16-little-without-bom", "vmdk.descriptor-encoding", text(utf16Text(flatText, false))},
		{"utf16-big-without-bom", "vmdk.descriptor-encoding", text(utf16Text(flatText, true))},

		{"cowd", "vmdk.cowd", func() []byte { return cowd("") }},
		{"cowd-child", "vmdk.parent", func() []byte { return cowd("/etc/passwd") }},
		{"cowd-cut", "vmdk.header-cut", func() []byte { return cowd("")[:12] }},
		{"cowd-cut-to-magic", "vmdk.header-cut", func() []byte { return cowd("")[:4] }},
		{"cowd-wrong-endian", "vmdk.wrong-endian", func() []byte { return append([]byte("DWOC"), cowd("")[4:]...) }},
		{"sesparse-extent", "vmdk.sesparse", sesparse},
		{"sesparse-extent-cut", "vmdk.header-cut", func() []byte { return sesparse()[:20] }},
		{"wrong-endian", "vmdk.wrong-endian", func() []byte { return append([]byte("VMDK"), buildVMDK()[4:]...) }},
	}
	var cases []Case
	for _, r := range rows {
		cases = append(cases, Case{Name: "vmdk-alone-" + r.name, Build: r.build, WantFormat: "vmdk", WantFinding: r.finding})
	}
	return cases
}

// vmdkLookalikes returns files that start like a descriptor, or say so in
// their text, and are none.
func vmdkLookalikes() []Case {
	var cases []Case
	for name, s := range map[string]string{
		"script":             "#!/bin/sh\n# makes a disk\nversion=1.2\necho done\n",
		"configuration":      "# createType is not set here\n[main]\nname = x\n",
		"about-create-types": "# Notes\ncreateType=something\nis a key of a format.\n",
		"spaces":             strings.Repeat(" ", 4096),
		"newlines":           strings.Repeat("\n", 100_000),
		"long-line":          "#" + strings.Repeat("x", 100_000),
		"bom-and-text":       "\ufeffsome text\n",
		"utf16-text":         "\xff\xfe" + utf16Text("some text\n", false),
		"version-later":      "name=x\nversion=1\n",
		"class-file":         "\xbe\xba\xfe\xca\x01\x00\x00\x00",
	} {
		cases = append(cases, Case{
			Name: "raw-like-vmdk-" + name, Build: func() []byte { return []byte(s) },
			WantFormat: "raw", WantFinding: "raw.unclaimed", WantAccepted: true,
		})
	}
	return cases
}

// cowd builds the header of a COWD extent (Virtual Disk Format 1.1, section
// "ESX Server Sparse Extents"), of one with a parent when there is a name.
func cowd(parent string) []byte {
	b := make([]byte, 4096)
	copy(b, "COWD")
	flags := uint32(3)
	if parent != "" {
		flags = 2
		copy(b[32:], parent)
	}
	for i, field := range []uint32{1, flags, 2048, 1, 4, 1, 5} { // from version to freeSector
		binary.LittleEndian.PutUint32(b[4+4*i:], field)
	}
	return b
}

// sesparse builds the constant header of a seSparse extent, as qemu's driver
// reads it.
func sesparse() []byte {
	b := make([]byte, 4096)
	for i, field := range []uint64{0xcafebabe, 0x0000000200000001, 2048, 8, 64} { // from magic to grain table size
		binary.LittleEndian.PutUint64(b[8*i:], field)
	}
	return b
}
