package images

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
)

// Where the parts of buildVMDK's default image are, in bytes.
const (
	vmdkRGD       = 21 * vmdkSector
	vmdkRGT       = 22 * vmdkSector
	vmdkGD        = 26 * vmdkSector
	vmdkGT        = 27 * vmdkSector
	vmdkFirstData = 32 * vmdkSector
	vmdkLastData  = 48 * vmdkSector
	vmdkEnd       = 64 * vmdkSector
)

// vmdkPoke writes a little-endian 32-bit number anywhere in the finished
// image.
func vmdkPoke(offset int, value uint32) vmdkOption {
	return vmdkPatch(func(b []byte) { binary.LittleEndian.PutUint32(b[offset:], value) })
}

// vmdkPokeBoth writes an entry of the first grain table and of its copy.
func vmdkPokeBoth(index int, value uint32) vmdkOption {
	return func(v *vmdk) {
		vmdkPoke(vmdkGT+4*index, value)(v)
		vmdkPoke(vmdkRGT+4*index, value)(v)
	}
}

// vmdkPokeEnd writes into the image counted from its end.
func vmdkPokeEnd(back int, value uint32) vmdkOption {
	return vmdkPatch(func(b []byte) { binary.LittleEndian.PutUint32(b[len(b)-back:], value) })
}

// vmdkReferences returns every spelling of something outside the file.
func vmdkReferences() []Case {
	const self = "RW 2048 SPARSE \"disk.vmdk\"\n"
	extent := func(line string) []vmdkOption { return vmdkOf(vmdkEdit(self, line+"\n")) }
	second := func(line string) []vmdkOption { return vmdkOf(vmdkEdit(self, self+line+"\n")) }
	rows := []struct {
		finding string
		vmdkVariant
	}{
		{"vmdk.extent", vmdkVariant{"flat", extent(`RW 2048 FLAT "/etc/passwd" 0`)}},
		{"vmdk.extent", vmdkVariant{"flat-relative", extent(`RW 2048 FLAT "../disk-flat.vmdk" 0`)}},
		{"vmdk.extent", vmdkVariant{"vmfs", extent(`RW 2048 VMFS "/etc/passwd"`)}},
		{"vmdk.extent", vmdkVariant{"vmfssparse", extent(`RW 2048 VMFSSPARSE "/etc/passwd"`)}},
		{"vmdk.extent", vmdkVariant{"vmfsrdm", extent(`RW 2048 VMFSRDM "/dev/sda"`)}},
		{"vmdk.extent", vmdkVariant{"vmfsraw", extent(`RW 2048 VMFSRAW "/dev/sda"`)}},
		{"vmdk.extent", vmdkVariant{"sesparse", extent(`RW 2048 SESPARSE "disk-sesparse.vmdk"`)}},
		{"vmdk.extent", vmdkVariant{"zero", extent(`RW 2048 ZERO`)}},
		{"vmdk.extent", vmdkVariant{"of-no-known-type", extent(`RW 2048 SOMETHING "/etc/passwd"`)}},
		{"vmdk.extent", vmdkVariant{"noaccess", extent(`NOACCESS 2048 SPARSE "disk.vmdk"`)}},
		{"vmdk.read-only-extent", vmdkVariant{"rdonly", extent(`RDONLY 2048 SPARSE "generated-stream.vmdk"`)}},
		{"vmdk.extent", vmdkVariant{"rdonly-flat", extent(`RDONLY 2048 FLAT "/etc/passwd" 0`)}},
		{"vmdk.extent", vmdkVariant{"smaller", extent(`RW 2047 SPARSE "disk.vmdk"`)}},
		{"vmdk.extent", vmdkVariant{"larger", extent(`RW 2049 SPARSE "disk.vmdk"`)}},
		{"vmdk.extent", vmdkVariant{"size-zero", extent(`RW 0 SPARSE "disk.vmdk"`)}},
		{"vmdk.extent", vmdkVariant{"size-negative", extent(`RW -2048 SPARSE "disk.vmdk"`)}},
		{"vmdk.extent", vmdkVariant{"size-wraps", extent(`RW 18446744073709553664 SPARSE "disk.vmdk"`)}},
		{"vmdk.extent", vmdkVariant{"size-hexadecimal", extent(`RW 0x800 SPARSE "disk.vmdk"`)}},
		{"vmdk.extent", vmdkVariant{"with-offset", extent(`RW 2048 SPARSE "disk.vmdk" 0`)}},
		{"vmdk.extent", vmdkVariant{"two-names", extent(`RW 2048 SPARSE "disk.vmdk" "/etc/passwd"`)}},
		{"vmdk.extent", vmdkVariant{"unterminated", extent(`RW 2048 SPARSE "disk.vmdk`)}},
		{"vmdk.extent", vmdkVariant{"not-quoted", extent(`RW 2048 SPARSE disk.vmdk`)}},
		{"vmdk.extent", vmdkVariant{"without-name", extent(`RW 2048 SPARSE`)}},
		{"vmdk.extent", vmdkVariant{"name-empty", extent(`RW 2048 SPARSE ""`)}},
		{"vmdk.extent", vmdkVariant{"access-alone", extent(`RW`)}},
		{"vmdk.extent", vmdkVariant{"lower-case", extent(`rw 2048 sparse "disk.vmdk"`)}},
		{"vmdk.extent", vmdkVariant{"not-utf8", extent("RW 2048 FLAT \"\xff\xfe/etc/passwd\" 0")}},
		{"vmdk.extent", vmdkVariant{"control-characters", extent("RW 2048 FLAT \"\x1b[2Jverified\" 0")}},
		{"vmdk.extent", vmdkVariant{"longest", extent(`RW 2048 FLAT "` + strings.Repeat("a", 511) + `" 0`)}},
		{"vmdk.extent", vmdkVariant{"too-long", extent(`RW 2048 FLAT "` + strings.Repeat("a", 4000) + `" 0`)}},
		{"vmdk.extent", vmdkVariant{"second", second(`RW 2048 FLAT "/etc/passwd" 0`)}},
		{"vmdk.extent", vmdkVariant{"twice", second(`RW 2048 SPARSE "disk.vmdk"`)}},
		{"vmdk.extent", vmdkVariant{"second-with-spaces", second("\t RW\t2048 FLAT \"/etc/passwd\" 0")}},
		{"vmdk.extent", vmdkVariant{"second-mixed-case", second(`Rw 2048 Flat "/etc/passwd" 0`)}},
		{"vmdk.extent", vmdkVariant{"at-end-of-text", vmdkOf(vmdkAdd(`RW 2048 FLAT "/etc/passwd" 0`))}},
		{"vmdk.extent", vmdkVariant{"beyond-4k", vmdkOf(vmdkAdd(strings.Repeat("# x\n", 1500) + `RW 2048 FLAT "/etc/passwd" 0`))}},
		{"vmdk.extent", vmdkVariant{"beyond-20-sectors", vmdkOf(vmdkTextSize(64), vmdkAdd(strings.Repeat("# "+strings.Repeat("x", 60)+"\n", 300)+`RW 2048 FLAT "/etc/passwd" 0`))}},
		{"vmdk.extent", vmdkVariant{"of-capacity-zero", vmdkOf(vmdkWith(vmdkCapacity, 0))}},
		{"vmdk.extent", vmdkVariant{"of-monolithic-flat", vmdkOf(vmdkEdit("monolithicSparse", "monolithicFlat"))}},
		{"vmdk.extent", vmdkVariant{"in-damaged-header", append(second(`RW 2048 FLAT "/etc/passwd" 0`), vmdkWith(vmdkGrainSize, 0))}},
		{"vmdk.extents-limit", vmdkVariant{"of-65", second(strings.Repeat("RW 2048 SPARSE \"disk.vmdk\"\n", 64))}},
		{"vmdk.extents-limit", vmdkVariant{"of-1000", vmdkOf(vmdkTextSize(128), vmdkAdd(strings.Repeat("RW 2048 FLAT \"a\" 0\n", 1000)))}},

		{"vmdk.parent", vmdkVariant{"hint", vmdkOf(vmdkAdd("parentFileNameHint=\"/etc/passwd\"\n"))}},
		{"vmdk.parent", vmdkVariant{"hint-relative", vmdkOf(vmdkAdd("parentFileNameHint=\"base.vmdk\"\n"))}},
		{"vmdk.parent", vmdkVariant{"hint-json", vmdkOf(vmdkAdd("parentFileNameHint=\"json:{\\\"driver\\\":\\\"nbd\\\"}\"\n"))}},
		{"vmdk.parent", vmdkVariant{"hint-empty", vmdkOf(vmdkAdd("parentFileNameHint=\"\"\n"))}},
		{"vmdk.parent", vmdkVariant{"hint-unquoted", vmdkOf(vmdkAdd("parentFileNameHint=base.vmdk\n"))}},
		{"vmdk.parent", vmdkVariant{"hint-other-case", vmdkOf(vmdkAdd("PARENTFILENAMEHINT=\"/etc/passwd\"\n"))}},
		{"vmdk.parent", vmdkVariant{"hint-in-comment", vmdkOf(vmdkAdd("# parentFileNameHint=\"/etc/passwd\"\n"))}},
		{"vmdk.parent", vmdkVariant{"hint-in-value", vmdkOf(vmdkAdd("ddb.comment = \"x parentFileNameHint=\"/etc/passwd\"\n"))}},
		{"vmdk.parent", vmdkVariant{"hint-in-key", vmdkOf(vmdkAdd("xparentFileNameHint=\"/etc/passwd\"\n"))}},
		{"vmdk.parent", vmdkVariant{"hint-beyond-4k", vmdkOf(vmdkAdd(strings.Repeat("# x\n", 1500) + "parentFileNameHint=\"/etc/passwd\"\n"))}},
		{"vmdk.parent", vmdkVariant{"hint-behind-nul", vmdkOf(vmdkAdd("\x00parentFileNameHint=\"/etc/passwd\"\n"))}},
		{"vmdk.parent", vmdkVariant{"hint-behind-descriptor-size", vmdkOf(vmdkTextSize(8), vmdkAdd("#"+strings.Repeat("\n", 3000)+"parentFileNameHint=\"/etc/passwd\"\n"), vmdkWith(vmdkDescriptorSize, 2))}},
		{"vmdk.parent", vmdkVariant{"hint-without-descriptor", vmdkOf(vmdkAdd("parentFileNameHint=\"/etc/passwd\"\n"), vmdkWith(vmdkDescriptorOffset, 0))}},
		{"vmdk.parent", vmdkVariant{"native-hint", vmdkOf(vmdkAdd("ddb.nativeParentHint = \"base.vmdk\"\n"))}},
		{"vmdk.parent", vmdkVariant{"object-uri", vmdkOf(vmdkAdd("ddb.objectParentUri = \"vsan://5f3b\"\n"))}},
		{"vmdk.parent", vmdkVariant{"uuid", vmdkOf(vmdkAdd("ddb.uuid.parent=\"5f3b1c2d-0000-4000-8000-000000000001\"\n"))}},
		{"vmdk.parent-cid", vmdkVariant{"cid", vmdkOf(vmdkEdit("ffffffff", "5f3b1c2d"))}},
		{"vmdk.parent-cid", vmdkVariant{"cid-zero", vmdkOf(vmdkEdit("ffffffff", "0"))}},
		{"vmdk.parent-cid", vmdkVariant{"cid-empty", vmdkOf(vmdkEdit("ffffffff", ""))}},
		{"vmdk.parent-cid", vmdkVariant{"cid-too-long", vmdkOf(vmdkEdit("ffffffff", "ffffffffff"))}},
		{"vmdk.parent-cid", vmdkVariant{"cid-second", vmdkOf(vmdkAdd("parentCID=5f3b1c2d\n"))}},
		{"vmdk.parent-cid", vmdkVariant{"cid-other-case", vmdkOf(vmdkEdit("parentCID=ffffffff", "ParentCid=5f3b1c2d"))}},
		{"vmdk.side-file", vmdkVariant{"change-tracking", vmdkOf(vmdkAdd("changeTrackPath=\"disk-ctk.vmdk\"\n"))}},
		{"vmdk.side-file", vmdkVariant{"digest", vmdkOf(vmdkAdd("ddb.digestFilename = \"digest.vmdk\"\n"))}},
		{"vmdk.side-file", vmdkVariant{"sidecars", vmdkOf(vmdkAdd("ddb.sidecars = \"cache_1,disk.vmfd;\"\n"))}},
	}
	var cases []Case
	for _, r := range rows {
		cases = append(cases, Case{Name: "vmdk-reference-" + r.name, Build: r.build, WantFormat: "vmdk", WantFinding: r.finding})
	}
	return cases
}

// vmdkTexts returns descriptors inside a sound extent that another reader
// would take differently.
func vmdkTexts() []Case {
	const cid = "CID=5f3b1c2d\n"
	rows := []struct {
		finding string
		vmdkVariant
	}{
		{"vmdk.descriptor-start", vmdkVariant{"bom", vmdkOf(vmdkEdit("# Disk", "\ufeff# Disk"))}},
		{"vmdk.descriptor-start", vmdkVariant{"blank-line-first", vmdkOf(vmdkEdit("# Disk", "\n# Disk"))}},
		{"vmdk.descriptor-start", vmdkVariant{"without-title", vmdkOf(vmdkEdit("# Disk DescriptorFile\n", ""))}},
		{"vmdk.descriptor-start", vmdkVariant{"other-title", vmdkOf(vmdkEdit("DescriptorFile", "Description"))}},
		{"vmdk.create-type-missing", vmdkVariant{"utf16", vmdkOf(func(v *vmdk) { v.text = utf16Text(v.text, false) })}},
		{"vmdk.create-type-missing", vmdkVariant{"without-create-type", vmdkOf(vmdkEdit("createType=\"monolithicSparse\"\n", ""))}},
		{"vmdk.create-type-missing", vmdkVariant{"cut-by-nul", vmdkOf(vmdkEdit(cid, cid+"\x00"))}},
		{"vmdk.descriptor-hidden", vmdkVariant{"hidden-by-nul", vmdkOf(vmdkEdit(cid, cid+"\x00"))}},
		{"vmdk.descriptor-hidden", vmdkVariant{"hidden-version", vmdkOf(vmdkAdd("\x00\x00version=2\n"))}},
		{"vmdk.descriptor-hidden", vmdkVariant{"hidden-behind-zeros", vmdkOf(vmdkAdd(strings.Repeat("\x00", 5003) + "RW 2048 FLAT \"/etc/passwd\" 0\n"))}},
		{"vmdk.descriptor-duplicate", vmdkVariant{"create-type-twice", vmdkOf(vmdkEdit(cid, cid+"createType=\"streamOptimized\"\n"))}},
		{"vmdk.descriptor-duplicate", vmdkVariant{"create-type-twice-the-same", vmdkOf(vmdkEdit(cid, cid+"createType=\"monolithicSparse\"\n"))}},
		{"vmdk.descriptor-duplicate", vmdkVariant{"create-type-twice-other-case", vmdkOf(vmdkAdd("CREATETYPE=\"monolithicFlat\"\n"))}},
		{"vmdk.descriptor-duplicate", vmdkVariant{"cid-twice", vmdkOf(vmdkAdd(cid))}},
		{"vmdk.descriptor-duplicate", vmdkVariant{"version-twice", vmdkOf(vmdkAdd("version=3\n"))}},
		{"vmdk.descriptor-key", vmdkVariant{"create-type-lower-case", vmdkOf(vmdkEdit("createType", "createtype"))}},
		{"vmdk.descriptor-key", vmdkVariant{"version-upper-case", vmdkOf(vmdkEdit("version", "VERSION"))}},
		{"vmdk.descriptor-key", vmdkVariant{"cid-lower-case", vmdkOf(vmdkEdit("\nCID", "\ncid"))}},
		{"vmdk.descriptor-key", vmdkVariant{"access-lower-case", vmdkOf(vmdkEdit("RW", "rw"))}},
		{"vmdk.descriptor-key", vmdkVariant{"type-lower-case", vmdkOf(vmdkEdit("SPARSE", "sparse"))}},
		{"vmdk.descriptor-key", vmdkVariant{"create-type-in-comment", vmdkOf(vmdkEdit(cid, cid+"# createType=\"monolithicFlat\"\n"))}},
		{"vmdk.descriptor-text", vmdkVariant{"lone-cr", vmdkOf(vmdkAdd("# x\rRW 2048 FLAT \"/etc/passwd\" 0\n"))}},
		{"vmdk.descriptor-text", vmdkVariant{"form-feed", vmdkOf(vmdkAdd("# x\fRW 2048 FLAT \"/etc/passwd\" 0\n"))}},
		{"vmdk.descriptor-text", vmdkVariant{"escape", vmdkOf(vmdkAdd("ddb.comment=\"\x1b[2J\"\n"))}},
		{"vmdk.descriptor-text", vmdkVariant{"old-mac", vmdkOf(vmdkLines("\r"))}},
		{"vmdk.descriptor-line", vmdkVariant{"of-no-kind", vmdkOf(vmdkAdd("something\n"))}},
		{"vmdk.descriptor-line", vmdkVariant{"of-1025-bytes", vmdkOf(vmdkAdd("#" + strings.Repeat("x", 1024) + "\n"))}},
		{"vmdk.encrypted", vmdkVariant{"encrypted", vmdkOf(vmdkAdd("encryptionKeys = \"vmware:key/list/(pair/(fqid/<VMWARE-NULL>\"\n"))}},
		{"vmdk.subformat", vmdkVariant{"create-type-unknown", vmdkOf(vmdkEdit("monolithicSparse", "monolithicDense"))}},
		{"vmdk.subformat", vmdkVariant{"create-type-other-case", vmdkOf(vmdkEdit("monolithicSparse", "MonolithicSparse"))}},
		{"vmdk.subformat", vmdkVariant{"create-type-empty", vmdkOf(vmdkEdit("\"monolithicSparse\"", ""))}},
		{"vmdk.subformat", vmdkVariant{"create-type-not-closed", vmdkOf(vmdkEdit("monolithicSparse\"", "monolithicSparse"))}},
		{"vmdk.subformat", vmdkVariant{"two-gb-sparse", vmdkOf(vmdkEdit("monolithicSparse", "twoGbMaxExtentSparse"))}},
		{"vmdk.subformat", vmdkVariant{"custom", vmdkOf(vmdkEdit("monolithicSparse", "custom"))}},
		{"vmdk.descriptor-missing", vmdkVariant{"of-zeros", vmdkOf(vmdkDescriptor(""))}},
		{"vmdk.descriptor-missing", vmdkVariant{"offset-0", vmdkOf(vmdkWith(vmdkDescriptorOffset, 0))}},
		{"vmdk.descriptor-missing", vmdkVariant{"size-0", vmdkOf(vmdkWith(vmdkDescriptorSize, 0))}},
		{"vmdk.descriptor-offset", vmdkVariant{"offset-2", vmdkOf(vmdkWith(vmdkDescriptorOffset, 2))}},
		{"vmdk.descriptor-offset", vmdkVariant{"offset-max", vmdkOf(vmdkWith(vmdkDescriptorOffset, 1<<64-1))}},
		{"vmdk.incomplete", vmdkVariant{"offset-beyond-file", vmdkOf(vmdkWith(vmdkDescriptorOffset, 1<<40))}},
		{"vmdk.incomplete", vmdkVariant{"size-beyond-file", vmdkOf(vmdkWith(vmdkDescriptorSize, 100))}},
		{"vmdk.descriptor-bytes-limit", vmdkVariant{"size-129", vmdkOf(vmdkTextSize(129))}},
		{"vmdk.descriptor-size", vmdkVariant{"size-max", vmdkOf(vmdkWith(vmdkDescriptorSize, 1<<64-1))}},
		{"vmdk.descriptor-size", vmdkVariant{"size-wraps", vmdkOf(vmdkWith(vmdkDescriptorSize, 1<<55+1))}},
	}
	var cases []Case
	for _, r := range rows {
		cases = append(cases, Case{Name: "vmdk-text-" + r.name, Build: r.build, WantFormat: "vmdk", WantFinding: r.finding})
	}
	return cases
}

// vmdkGeometry returns images whose numbers do not fit together.
func vmdkGeometry() []Case {
	stream := func(options ...vmdkOption) []vmdkOption { return append(vmdkOf(vmdkStream()), options...) }
	rows := []struct {
		finding string
		deep    bool
		vmdkVariant
	}{
		{"vmdk.unknown-version", false, vmdkVariant{"version-0", vmdkOf(vmdkWith(vmdkVersion, 0))}},
		{"vmdk.unknown-version", false, vmdkVariant{"version-4", vmdkOf(vmdkWith(vmdkVersion, 4))}},
		{"vmdk.unknown-version", false, vmdkVariant{"version-max", vmdkOf(vmdkWith(vmdkVersion, 1<<32-1))}},
		{"vmdk.unknown-version", false, vmdkVariant{"version-big-endian", vmdkOf(vmdkWith(vmdkVersion, 1<<24))}},
		{"vmdk.unknown-flags", false, vmdkVariant{"unknown-flag", vmdkOf(vmdkWith(vmdkFlags, 3|1<<3))}},
		{"vmdk.unknown-flags", false, vmdkVariant{"unknown-flag-highest", vmdkOf(vmdkWith(vmdkFlags, 3|1<<31))}},
		{"vmdk.line-ends", false, vmdkVariant{"line-ends-of-text-mode", vmdkOf(vmdkWith(vmdkLineEnds, 0x0a0a200a))}},
		{"vmdk.zeroed-grains", false, vmdkVariant{"zeroed-grains-in-version-1", vmdkOf(vmdkZeroed(1), vmdkVersioned(1))}},
		{"vmdk.capacity", false, vmdkVariant{"capacity-0-alone", vmdkOf(vmdkWith(vmdkCapacity, 0), vmdkWith(vmdkDescriptorOffset, 0))}},
		{"vmdk.descriptor-only", false, vmdkVariant{"capacity-0", vmdkOf(vmdkWith(vmdkCapacity, 0))}},
		{"vmdk.capacity", false, vmdkVariant{"capacity-max", vmdkOf(vmdkWith(vmdkCapacity, 1<<64-1))}},
		{"vmdk.capacity", false, vmdkVariant{"capacity-sign", vmdkOf(vmdkWith(vmdkCapacity, 1<<54))}},
		{"virtual-size-limit", false, vmdkVariant{"capacity-over-bound", vmdkOf(vmdkWith(vmdkCapacity, 64<<40/vmdkSector+1))}},
		{"vmdk.incomplete", false, vmdkVariant{"capacity-over-directory", vmdkOf(vmdkSize(1<<30), vmdkWritten(), vmdkAsOf(2048))}},
		{"vmdk.grain-directory-bytes-limit", false, vmdkVariant{"directory-over-bound", vmdkOf(vmdkWith(vmdkCapacity, 8<<20*512*16+1))}},
		{"vmdk.grain-size", false, vmdkVariant{"grain-size-0", vmdkOf(vmdkWith(vmdkGrainSize, 0))}},
		{"vmdk.grain-size", false, vmdkVariant{"grain-size-8", vmdkOf(vmdkWith(vmdkGrainSize, 8))}},
		{"vmdk.grain-size", false, vmdkVariant{"grain-size-17", vmdkOf(vmdkWith(vmdkGrainSize, 17))}},
		{"vmdk.grain-bytes-limit", false, vmdkVariant{"grain-size-4m", vmdkOf(vmdkWith(vmdkGrainSize, 1<<13))}},
		{"vmdk.grain-size", false, vmdkVariant{"grain-size-2g", vmdkOf(vmdkWith(vmdkGrainSize, 1<<22))}},
		{"vmdk.grain-size", false, vmdkVariant{"grain-size-highest", vmdkOf(vmdkWith(vmdkGrainSize, 1<<63))}},
		{"vmdk.grain-table-size", false, vmdkVariant{"table-size-0", vmdkOf(vmdkWith(vmdkNumGTEsPerGT, 0))}},
		{"vmdk.grain-table-size", false, vmdkVariant{"table-size-511", vmdkOf(vmdkWith(vmdkNumGTEsPerGT, 511))}},
		{"vmdk.grain-table-size", false, vmdkVariant{"table-size-1024", vmdkOf(vmdkWith(vmdkNumGTEsPerGT, 1024))}},
		{"vmdk.grain-table-size", false, vmdkVariant{"table-size-max", vmdkOf(vmdkWith(vmdkNumGTEsPerGT, 1<<32-1))}},
		{"vmdk.directory-offset", false, vmdkVariant{"directory-0", vmdkOf(vmdkWith(vmdkGDOffset, 0))}},
		{"vmdk.directory-offset", false, vmdkVariant{"directory-in-descriptor", vmdkOf(vmdkWith(vmdkGDOffset, 20))}},
		{"vmdk.directory-offset", false, vmdkVariant{"directory-out-of-reach", vmdkOf(vmdkWith(vmdkGDOffset, 1<<63))}},
		{"vmdk.incomplete", false, vmdkVariant{"directory-beyond-file", vmdkOf(vmdkWith(vmdkGDOffset, 1<<40))}},
		{"vmdk.incomplete", false, vmdkVariant{"directory-at-end", vmdkOf(vmdkWith(vmdkGDOffset, vmdkEnd/vmdkSector))}},
		{"vmdk.compression", false, vmdkVariant{"directory-in-footer", vmdkOf(vmdkPatch(func(b []byte) { putVMDK(b, vmdkGDOffset, 1<<64-1) }))}},
		{"vmdk.overlap", false, vmdkVariant{"directory-is-redundant-one", vmdkOf(vmdkWith(vmdkGDOffset, vmdkRGD/vmdkSector))}},
		{"vmdk.directory-offset", false, vmdkVariant{"redundant-directory-0", vmdkOf(vmdkWith(vmdkRGDOffset, 0))}},
		{"vmdk.incomplete", false, vmdkVariant{"redundant-directory-beyond-file", vmdkOf(vmdkWith(vmdkRGDOffset, 1<<40))}},
		{"vmdk.directory-offset", false, vmdkVariant{"redundant-directory-max", vmdkOf(vmdkWith(vmdkRGDOffset, 1<<64-1))}},
		{"vmdk.incomplete", false, vmdkVariant{"overhead-beyond-file", vmdkOf(vmdkWith(vmdkOverHead, vmdkEnd/vmdkSector+1))}},
		{"vmdk.incomplete", false, vmdkVariant{"overhead-max", vmdkOf(vmdkWith(vmdkOverHead, 1<<64-1))}},
		{"vmdk.compression", false, vmdkVariant{"compressed-without-flags", vmdkOf(vmdkWith(vmdkCompress, 1))}},
		{"vmdk.compression", false, vmdkVariant{"flags-without-compression", vmdkOf(vmdkWith(vmdkFlags, 3|vmdkFlagCompressed|vmdkFlagMarkers))}},
		{"vmdk.compression", false, vmdkVariant{"compressed-without-markers", stream(vmdkWith(vmdkFlags, 1|vmdkFlagCompressed))}},
		{"vmdk.compression", false, vmdkVariant{"compression-2", stream(vmdkWith(vmdkCompress, 2))}},
		{"vmdk.compression", false, vmdkVariant{"compression-max", stream(vmdkWith(vmdkCompress, 1<<16-1))}},
		{"vmdk.compression", false, vmdkVariant{"stream-called-sparse", stream(vmdkEdit("streamOptimized", "monolithicSparse"))}},
		{"vmdk.compression", false, vmdkVariant{"sparse-called-stream", vmdkOf(vmdkEdit("monolithicSparse", "streamOptimized"))}},

		{"vmdk.footer-differs", false, vmdkVariant{"footer-capacity", stream(vmdkPokeEnd(1024-12, 4096))}},
		{"vmdk.footer-differs", false, vmdkVariant{"footer-version", stream(vmdkPokeEnd(1024-4, 3))}},
		{"vmdk.footer-differs", false, vmdkVariant{"footer-compression", stream(vmdkPokeEnd(1024-77, 0))}},
		{"vmdk.footer-differs", false, vmdkVariant{"footer-padding", stream(vmdkPokeEnd(516, 1))}},
		{"vmdk.footer-missing", false, vmdkVariant{"footer-marker-type", stream(vmdkPokeEnd(1536-12, 2))}},
		{"vmdk.footer-missing", false, vmdkVariant{"footer-marker-size", stream(vmdkPokeEnd(1536-8, 1))}},
		{"vmdk.footer-missing", false, vmdkVariant{"footer-magic", stream(vmdkPokeEnd(1024, 0))}},
		{"vmdk.footer-missing", false, vmdkVariant{"end-marker-type", stream(vmdkPokeEnd(512-12, 1))}},
		{"vmdk.footer-missing", false, vmdkVariant{"end-marker-value", stream(vmdkPokeEnd(512, 1))}},
		{"vmdk.footer-missing", false, vmdkVariant{"footer-not-at-end", stream(vmdkTail(strings.Repeat("\x00", 512)))}},
		{"vmdk.footer-missing", false, vmdkVariant{"footer-not-at-sector", stream(vmdkTail("x"))}},
		{"vmdk.directory-offset", false, vmdkVariant{"footer-directory-0", stream(vmdkPokeEnd(1024-56, 0))}},
		{"vmdk.directory-offset", false, vmdkVariant{"footer-directory-in-footer", stream(vmdkPokeEnd(1024-56, 1<<32-1), vmdkPokeEnd(1024-60, 1<<32-1))}},
		{"vmdk.incomplete", false, vmdkVariant{"footer-directory-beyond-file", stream(vmdkPokeEnd(1024-56, 1<<30))}},

		{"vmdk.dirty", false, vmdkVariant{"dirty", vmdkOf(vmdkWith(vmdkUncleanShutdown, 1))}},

		{"vmdk.incomplete", true, vmdkVariant{"table-beyond-file", vmdkOf(vmdkPoke(vmdkGD, 1<<31))}},
		{"vmdk.incomplete", true, vmdkVariant{"table-max", vmdkOf(vmdkPoke(vmdkGD, 1<<32-1))}},
		{"vmdk.incomplete", true, vmdkVariant{"table-at-end", vmdkOf(vmdkPoke(vmdkGD, vmdkEnd/vmdkSector-3))}},
		{"vmdk.overlap", true, vmdkVariant{"table-in-descriptor", vmdkOf(vmdkPoke(vmdkGD, 20))}},
		{"vmdk.overlap", true, vmdkVariant{"table-over-directory", vmdkOf(vmdkPoke(vmdkGD, vmdkGD/vmdkSector-3))}},
		{"vmdk.redundant-tables", true, vmdkVariant{"table-missing", vmdkOf(vmdkPoke(vmdkGD, 0))}},
		{"vmdk.redundant-tables", true, vmdkVariant{"redundant-table-missing", vmdkOf(vmdkPoke(vmdkRGD, 0))}},
		{"vmdk.incomplete", true, vmdkVariant{"redundant-table-beyond-file", vmdkOf(vmdkPoke(vmdkRGD, 1<<31))}},
		{"vmdk.redundant-tables", true, vmdkVariant{"redundant-entry-differs", vmdkOf(vmdkPoke(vmdkRGT, vmdkLastData/vmdkSector))}},
		{"vmdk.redundant-tables", true, vmdkVariant{"redundant-last-entry-differs", vmdkOf(vmdkPoke(vmdkRGT+4*511, 1))}},
		{"vmdk.incomplete", true, vmdkVariant{"grain-beyond-file", vmdkOf(vmdkPokeBoth(7, 1<<31))}},
		{"vmdk.incomplete", true, vmdkVariant{"grain-max", vmdkOf(vmdkPokeBoth(7, 1<<32-1))}},
		{"vmdk.incomplete", true, vmdkVariant{"grain-across-end", vmdkOf(vmdkPokeBoth(7, vmdkLastData/vmdkSector+1))}},
		{"vmdk.incomplete", true, vmdkVariant{"grain-at-end", vmdkOf(vmdkPokeBoth(127, vmdkEnd/vmdkSector))}},
		{"vmdk.overlap", true, vmdkVariant{"grain-in-header", vmdkOf(vmdkPokeBoth(7, 2))}},
		{"vmdk.overlap", true, vmdkVariant{"grain-zeroed-without-flag", vmdkOf(vmdkPokeBoth(7, 1))}},
		{"vmdk.overlap", true, vmdkVariant{"grain-in-overhead", vmdkOf(vmdkPokeBoth(7, vmdkFirstData/vmdkSector-1))}},
		{"vmdk.overlap", true, vmdkVariant{"grain-over-table", vmdkOf(vmdkWith(vmdkOverHead, 0), vmdkPokeBoth(7, vmdkGT/vmdkSector+3))}},
		{"vmdk.overlap", true, vmdkVariant{"grain-over-directory", vmdkOf(vmdkWith(vmdkOverHead, 0), vmdkPokeBoth(7, vmdkGD/vmdkSector-5))}},

		{"vmdk.grain-marker", true, vmdkVariant{"stream-grain-lba", stream(vmdkMarker(0, 8))}},
		{"vmdk.grain-marker", true, vmdkVariant{"stream-grain-lba-high", stream(vmdkMarker(4, 1))}},
		{"vmdk.grain-marker", true, vmdkVariant{"stream-grain-size-0", stream(vmdkMarker(8, 0))}},
		{"vmdk.grain-marker", true, vmdkVariant{"stream-grain-size-over-bound", stream(vmdkMarker(8, 16384-12+1))}},
		{"vmdk.grain-marker", true, vmdkVariant{"stream-grain-size-max", stream(vmdkMarker(8, 1<<32-1))}},
		{"vmdk.overlap", true, vmdkVariant{"stream-grain-into-footer", stream(vmdkWritten(0), vmdkMarker(8, 13000))}},
		{"vmdk.incomplete", true, vmdkVariant{"stream-grain-beyond-file", append(vmdkOf(vmdkStreamInPlace(), vmdkWritten(0)), vmdkMarker(8, 12000))}},
		{"vmdk.metadata-marker", true, vmdkVariant{"stream-directory-marker", stream(vmdkPokeEnd(5*512-12, 1))}},
		{"vmdk.metadata-marker", true, vmdkVariant{"stream-table-marker", stream(vmdkPokeEnd(10*512-12, 2))}},
		{"vmdk.metadata-marker", true, vmdkVariant{"stream-table-marker-size", stream(vmdkPokeEnd(10*512-8, 9))}},
	}
	var cases []Case
	for _, r := range rows {
		cases = append(cases, Case{
			Name: "vmdk-" + r.name, Build: r.build, Deep: r.deep, WantFormat: "vmdk", WantFinding: r.finding,
			WantAccepted: r.finding == "vmdk.dirty",
		})
	}
	return cases
}

// vmdkMarker writes into the marker of the first grain of the file.
func vmdkMarker(at int, value uint32) vmdkOption {
	return vmdkPatch(func(b []byte) {
		grain := int(littleAt(b, vmdkOverHead.Offset)) * vmdkSector
		binary.LittleEndian.PutUint32(b[grain+at:], value)
	})
}

// vmdkAsOf lays the image out for a capacity, whatever its header says.
func vmdkAsOf(sectors uint64) vmdkOption {
	return func(v *vmdk) {
		says := v.capacity
		v.capacity = sectors
		vmdkWith(vmdkCapacity, says)(v)
	}
}

// vmdkCut returns valid images that end too early.
func vmdkCut() []Case {
	var cases []Case
	cut := func(name string, n int, deep bool, finding string, options ...vmdkOption) {
		cases = append(cases, Case{
			Name: fmt.Sprintf("vmdk-cut-%s-%d", name, n), WantFormat: "vmdk", WantFinding: finding, Deep: deep, Claim: "vmdk",
			Build: func() []byte { return buildVMDK(options...)[:n] },
		})
	}
	for _, n := range []int{4, 12, 78, 79, 511} {
		cut("in-header", n, false, "vmdk.header-cut")
	}
	for _, n := range []int{512, 600, 512 + 10239, vmdkRGD, vmdkGD, vmdkGD + 3, vmdkFirstData - 1} {
		cut("in-overhead", n, false, "vmdk.incomplete")
	}
	for _, n := range []int{vmdkFirstData, vmdkFirstData + 1, vmdkLastData, vmdkEnd - 1} {
		cut("in-grains", n, true, "vmdk.incomplete")
	}
	end := len(buildVMDK(vmdkStream()))
	for _, back := range []int{1, 511, 512, 1024, 1536, 2048, 8192} {
		cut("in-stream", end-back, false, "vmdk.footer-missing", vmdkStream())
	}
	return cases
}

// utf16Text returns text in 16-bit characters without a byte order mark.
func utf16Text(s string, big bool) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		if big {
			b = binary.BigEndian.AppendUint16(b, unit)
		} else {
			b = binary.LittleEndian.AppendUint16(b, unit)
		}
	}
	return string(b)
}
