package images

import "encoding/binary"

// vhdNumber is a VHD in which one number does not fit.
type vhdNumber struct {
	finding        string
	deep, accepted bool
	vhdVariant
}

// vhdNumbers returns images whose numbers do not fit together.
func vhdNumbers() []vhdNumber {
	footer := func(finding, name string, f Field, value uint64) vhdNumber {
		return vhdNumber{finding: finding, vhdVariant: vhdVariant{name, vhdWith(VHDFooter(f, value))}}
	}
	header := func(finding, name string, f Field, value uint64) vhdNumber {
		return vhdNumber{finding: finding, vhdVariant: vhdVariant{name, vhdWith(VHDHeader(f, value))}}
	}
	// An entry of the BAT, in sectors.
	entry := func(finding, name string, index int, value uint32) vhdNumber {
		return vhdNumber{finding: finding, deep: true, vhdVariant: vhdVariant{name, vhdWith(VHDPatch(func(b []byte) {
			binary.BigEndian.PutUint32(b[vhdTable+4*index:], value)
		}))}}
	}
	spareEntry := func(finding, name string, value uint32) vhdNumber {
		n := entry(finding, name, 99, value)
		n.options = append(n.options, VHDHeader(VHDMaxTableEntries, 100))
		return n
	}
	other := func(finding, name string, options ...VHDOption) vhdNumber {
		return vhdNumber{finding: finding, vhdVariant: vhdVariant{name, options}}
	}
	warn := func(n vhdNumber) vhdNumber {
		n.accepted = true
		return n
	}
	fixed := VHDContents(Random(4096, 10))
	return []vhdNumber{
		footer("vhd.unknown-version", "version-0", VHDVersion, 0),
		footer("vhd.unknown-version", "version-2", VHDVersion, 0x20000),
		footer("vhd.unknown-version", "version-max", VHDVersion, 1<<32-1),
		footer("vhd.features", "features-0", VHDFeatures, 0),
		footer("vhd.features", "features-unknown", VHDFeatures, 6),
		footer("vhd.features", "features-max", VHDFeatures, 1<<32-1),
		footer("vhd.type-mismatch", "type-0", VHDDiskType, 0),
		footer("vhd.type-mismatch", "type-1", VHDDiskType, 1),
		footer("vhd.type-mismatch", "type-fixed-with-copy", VHDDiskType, VHDTypeFixed),
		footer("vhd.type-mismatch", "type-5", VHDDiskType, 5),
		footer("vhd.type-mismatch", "type-max", VHDDiskType, 1<<32-1),
		other("vhd.type-mismatch", "fixed-type-0", fixed, VHDFooter(VHDDiskType, 0)),
		other("vhd.copy-missing", "fixed-type-dynamic", fixed, VHDFooter(VHDDiskType, VHDTypeDynamic)),
		other("vhd.copy-missing", "fixed-type-differencing", fixed, VHDFooter(VHDDiskType, VHDTypeDifferencing)),

		footer("vhd.data-offset", "data-offset-0", VHDDataOffset, 0),
		footer("vhd.data-offset", "data-offset-unaligned", VHDDataOffset, 520),
		footer("vhd.data-offset", "data-offset-sign", VHDDataOffset, 1<<63),
		footer("vhd.data-offset", "data-offset-max", VHDDataOffset, 1<<64-1),
		footer("vhd.data-offset", "data-offset-overflow", VHDDataOffset, 1<<64-512),
		footer("vhd.incomplete", "data-offset-beyond-file", VHDDataOffset, 1<<40),
		footer("vhd.incomplete", "data-offset-across-end", VHDDataOffset, vhdEnd-512),
		footer("vhd.incomplete", "data-offset-at-end", VHDDataOffset, vhdEnd),
		footer("vhd.incomplete", "data-offset-last", VHDDataOffset, 1<<63-512),
		footer("vhd.dynamic-header", "data-offset-elsewhere", VHDDataOffset, 1024),
		other("vhd.data-offset", "fixed-data-offset-512", fixed, VHDFooter(VHDDataOffset, 512)),
		other("vhd.data-offset", "fixed-data-offset-0", fixed, VHDFooter(VHDDataOffset, 0)),

		footer("vhd.virtual-size", "size-unaligned", VHDCurrentSize, 64<<10-1),
		footer("vhd.virtual-size", "size-over-2040-gib", VHDCurrentSize, 2040<<30+512),
		footer("vhd.virtual-size", "size-sign", VHDCurrentSize, 1<<63),
		footer("vhd.virtual-size", "size-max", VHDCurrentSize, 1<<64-1),
		other("vhd.incomplete", "fixed-size-one-over", fixed, VHDSize(4096+512)),
		other("vhd.incomplete", "fixed-size-over-file", fixed, VHDSize(1<<40)),
		other("vhd.virtual-size", "fixed-size-max", fixed, VHDFooter(VHDCurrentSize, 1<<64-1)),
		other("vhd.virtual-size", "fixed-odd-size", VHDContents(Random(4000, 11))),
		other("vhd.unaligned-footer", "fixed-odd-file", VHDContents(Random(4000, 11)), VHDSize(3584)),

		other("vhd.geometry", "geometry-0", VHDCreator("vpc "), VHDFooter(VHDDiskGeometry, 0)),
		other("vhd.geometry", "geometry-max", VHDCreator("vpc "), VHDFooter(VHDDiskGeometry, 1<<32-1)),
		other("vhd.geometry", "geometry-one-over", VHDCreator("vpc "), VHDGeometry(1, 1, 129)),
		other("vhd.geometry", "geometry-cylinder-less", VHDCreator("vpc "), VHDGeometry(7, 1, 16)),
		other("vhd.geometry", "geometry-of-unknown-creator", VHDCreator("zzzz"), VHDGeometry(1, 1, 1)),
		other("vhd.geometry", "geometry-of-wa", VHDCreator("wa\x00\x00"), VHDGeometry(1, 1, 1)),
		other("vhd.geometry", "geometry-of-tap-with-space", VHDCreator("tap "), VHDGeometry(1, 1, 1)),
		warn(other("vhd.size-by-geometry", "size-by-geometry-vpc", VHDCreator("vpc "))),
		warn(other("vhd.size-by-geometry", "size-by-geometry-vbox", VHDCreator("vbox"))),
		warn(other("vhd.size-by-geometry", "size-by-geometry-vs", VHDCreator("vs  "))),
		warn(other("vhd.size-by-geometry", "fixed-size-by-geometry", VHDContents(Random(64<<10, 12)), VHDCreator("qemu"))),

		warn(footer("vhd.saved-state", "saved-state", VHDSavedState, 1)),
		footer("vhd.saved-state-value", "saved-state-2", VHDSavedState, 2),
		footer("vhd.saved-state-value", "saved-state-max", VHDSavedState, 255),

		header("vhd.unknown-version", "header-version-0", VHDHeaderVersion, 0),
		header("vhd.unknown-version", "header-version-max", VHDHeaderVersion, 1<<32-1),
		header("vhd.next-structure", "next-structure-0", VHDHeaderDataOffset, 0),
		header("vhd.next-structure", "next-structure", VHDHeaderDataOffset, 2048),
		other("vhd.dynamic-header", "header-cookie", VHDPatch(func(b []byte) { b[vhdFooter+7] = 'E' })),
		other("vhd.header-checksum", "header-checksum", VHDPatch(func(b []byte) { b[vhdFooter+vhdHeader-1] = 1 })),
		other("vhd.header-checksum", "header-checksum-0", VHDPatch(func(b []byte) { Put(b[vhdFooter:], VHDHeaderChecksum, 0) })),

		header("vhd.odd-block-size", "block-size-0", VHDBlockSize, 0),
		header("vhd.odd-block-size", "block-size-1", VHDBlockSize, 1),
		header("vhd.odd-block-size", "block-size-512", VHDBlockSize, 512),
		header("vhd.odd-block-size", "block-size-2048", VHDBlockSize, 2048),
		header("vhd.odd-block-size", "block-size-no-power", VHDBlockSize, 12<<10),
		header("vhd.odd-block-size", "block-size-max", VHDBlockSize, 1<<32-1),
		header("vhd.bat-entries", "block-size-half", VHDBlockSize, vhdBlock/2),

		header("vhd.bat-entries", "entries-0", VHDMaxTableEntries, 0),
		header("vhd.bat-entries", "entries-one-less", VHDMaxTableEntries, 7),
		header("vhd.overlap", "entries-into-footer", VHDMaxTableEntries, (vhdEnd-vhdTable)/4),
		header("vhd.incomplete", "entries-beyond-file", VHDMaxTableEntries, (vhdEnd-vhdTable)/4+1),
		header("vhd.max-table-entries-limit", "entries-over-bound", VHDMaxTableEntries, 4<<20+1),
		header("vhd.max-table-entries-limit", "entries-max", VHDMaxTableEntries, 1<<32-1),

		header("vhd.bat-offset", "table-offset-0", VHDTableOffset, 0),
		header("vhd.bat-offset", "table-offset-unaligned", VHDTableOffset, vhdTable+8),
		header("vhd.bat-offset", "table-offset-sign", VHDTableOffset, 1<<63),
		header("vhd.bat-offset", "table-offset-max", VHDTableOffset, 1<<64-1),
		header("vhd.bat-offset", "table-offset-overflow", VHDTableOffset, 1<<64-512),
		header("vhd.incomplete", "table-offset-beyond-file", VHDTableOffset, 1<<40),
		header("vhd.incomplete", "table-offset-at-end", VHDTableOffset, vhdEnd-vhdEnd%512+512),
		header("vhd.overlap", "table-over-header", VHDTableOffset, 1024),
		header("vhd.overlap", "table-over-footer", VHDTableOffset, vhdEnd-vhdFooter),
		footer("vhd.dynamic-header", "header-over-table", VHDDataOffset, vhdTable),

		entry("vhd.overlap", "entry-0", 0, 0),
		entry("vhd.overlap", "entry-into-header", 0, 2),
		entry("vhd.overlap", "entry-into-table", 0, vhdTable/512),
		entry("vhd.overlap", "entry-into-footer", 0, (vhdEnd-vhdSector-vhdBlock)/512),
		entry("vhd.incomplete", "entry-across-end", 0, (vhdEnd-vhdSector-vhdBlock)/512+1),
		entry("vhd.incomplete", "entry-at-end", 0, vhdEnd/512),
		entry("vhd.incomplete", "entry-beyond-file", 0, 1<<31),
		entry("vhd.incomplete", "entry-last", 0, 1<<32-2),
		entry("vhd.overlap", "entry-twice", 3, vhdFirstBlock/512),
		entry("vhd.overlap", "entry-one-further", 3, vhdFirstBlock/512+1),
		entry("vhd.overlap", "entry-half-way", 3, (vhdFirstBlock+vhdSecondBlock)/2/512),
		entry("vhd.overlap", "entry-of-last-block", 7, vhdFirstBlock/512+16),
		// Entries behind those that the disk needs count as well.
		spareEntry("vhd.overlap", "spare-entry-twice", vhdFirstBlock/512),
		spareEntry("vhd.incomplete", "spare-entry-beyond-file", 1<<31),
	}
}
