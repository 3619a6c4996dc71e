package images

import "fmt"

// Offsets of fields in the structures of a VHDX.
const (
	vhdxSequence   = 8
	vhdxLogGUID    = 48
	vhdxLogVersion = 64
	vhdxVersion    = 66
	vhdxLogLength  = 68
	vhdxLogOffset  = 72

	vhdxEntryCount   = 8
	vhdxBATEntry     = 16 // of the region table
	vhdxMetadataRow  = 48
	vhdxRegionOffset = 16
	vhdxRegionLength = 24

	vhdxItemCount  = vhdxMetadata + 10
	vhdxFirstItem  = vhdxMetadata + 32
	vhdxItemOffset = 16
	vhdxItemLength = 20
	vhdxItemFlags  = 24
)

// both returns the place of a field in a structure and in its copy.
func both(first, second, field int) []int { return []int{first + field, second + field} }

func vhdxHeaders(width int, field int, value uint64) VHDXOption {
	return vhdxPut(width, value, both(vhdxHeader1, vhdxHeader2, field)...)
}

func vhdxTables(width int, field int, value uint64) VHDXOption {
	return vhdxPut(width, value, both(vhdxRegionTable1, vhdxRegionTable2, field)...)
}

// vhdxField changes a field of a metadata item's entry in the table.
func vhdxField(item, width, field int, value uint64) VHDXOption {
	return vhdxPut(width, value, vhdxFirstItem+32*item+field)
}

func vhdxOptions(options ...VHDXOption) []VHDXOption { return options }

func validVHDX() []Case {
	const mib = 1 << 20
	var full []VHDXOption
	for range 2042 {
		full = append(full, vhdxAddItem(guidUnknown, vhdxUser, []byte{1}))
	}
	for range 254 {
		full = append(full, vhdxAddRegion(vhdxRegion{id: guidUnknown, offset: vhdxData}))
	}
	var cases []Case
	for _, v := range []struct {
		name    string
		options []VHDXOption
	}{
		{"plain", nil},
		{"written", vhdxOptions(vhdxWritten(0, 3))},
		{"log", vhdxOptions(vhdxLog(mib), vhdxWritten(1))},
		{"fixed", vhdxOptions(vhdxParameters(1), vhdxSize(mib), vhdxWritten(0))},
		{"odd-size", vhdxOptions(vhdxSize(4*mib - 512))},
		{"zero-blocks", vhdxOptions(vhdxPut(8, 2, vhdxBAT), vhdxPut(8, 3, vhdxBAT+8), vhdxPut(8, 1, vhdxBAT+16))},
		{"blocks-256m", vhdxOptions(vhdxBlocks(256 * mib))},
		{"second-chunk", vhdxOptions(vhdxBlocks(256*mib), vhdxSize(17*256*mib))},
		{"large-disk", vhdxOptions(vhdxBlocks(32*mib), vhdxSize(3<<40-512))},
		{"first-header-current", vhdxOptions(vhdxPut(8, 9, vhdxHeader1+vhdxSequence))},
		{"headers-equal", vhdxOptions(vhdxHeaders(8, vhdxSequence, 1))},
		{"unknown-optional-region", vhdxOptions(vhdxAddRegion(vhdxRegion{id: guidUnknown, offset: vhdxData}))},
		{"unknown-optional-metadata", vhdxOptions(vhdxAddItem(guidUnknown, vhdxUser, []byte("of a later version")))},
		{"tables-full", full},
	} {
		cases = append(cases, Case{
			Name: "vhdx-" + v.name, WantFormat: "vhdx", WantAccepted: true,
			Build: func() []byte { return VHDX(v.options...) },
		})
	}
	return cases
}

func hostileVHDX() []Case {
	const mib = 1 << 20
	locator := vhdxLocator("parent_linkage", "{83ed0ec8-24c8-49a6-a959-5e4bcca96a8f}",
		"relative_path", `..\base.vhdx`, "absolute_win32_path", `\\?\C:\base.vhdx`)
	withLocator := func(value []byte) VHDXOption { return vhdxAddItem(guidParentLocator, vhdxRequired, value) }
	patchLocator := func(width, at int, value uint64) []VHDXOption {
		// Behind the five other items, of 40 bytes together.
		return vhdxOptions(vhdxParameters(2), withLocator(locator), vhdxPut(width, value, vhdxItems+40+at))
	}
	var manyPairs []string
	for i := range 64 {
		manyPairs = append(manyPairs, "volume_path", fmt.Sprintf(`\\?\Volume{%d}\base.vhdx`, i))
	}
	type row struct {
		finding, name string
		options       []VHDXOption
	}
	rows := []row{
		// The flag and the locator each announce a parent.
		{"vhdx.parent", "parent", vhdxOptions(vhdxParameters(2), withLocator(locator))},
		{"vhdx.parent", "parent-flag-only", vhdxOptions(vhdxParameters(2))},
		{"vhdx.parent", "parent-locator-only", vhdxOptions(withLocator(locator))},
		{"vhdx.parent", "parent-locator-optional", vhdxOptions(vhdxAddItem(guidParentLocator, 0, locator))},
		{"vhdx.parent", "parent-without-paths", vhdxOptions(withLocator(vhdxLocator("parent_linkage", "{83ed0ec8-24c8-49a6-a959-5e4bcca96a8f}")))},
		{"vhdx.parent", "parent-no-pairs", vhdxOptions(withLocator(vhdxLocator()))},
		{"vhdx.parent", "parent-many-pairs", vhdxOptions(withLocator(vhdxLocator(manyPairs...)))},
		{"vhdx.parent", "parent-empty-locator", vhdxOptions(withLocator(nil))},
		{"vhdx.parent", "parent-not-utf16", vhdxOptions(withLocator(vhdxLocator("relative_path", "x")), vhdxPut(2, 0xd800, vhdxItems+40+20+12+26))},
		{"vhdx.parent", "parent-control-characters", vhdxOptions(withLocator(vhdxLocator("volume_path", "\x1b[2J\nverified")))},
		{"vhdx.parent", "parent-pairs-max", patchLocator(2, 18, 1<<16-1)},
		{"vhdx.parent", "parent-key-offset-max", patchLocator(4, 20, 1<<32-1)},
		{"vhdx.parent", "parent-value-offset-max", patchLocator(4, 36, 1<<32-1)},
		{"vhdx.parent", "parent-key-length-max", patchLocator(2, 28, 1<<16-1)},
		{"vhdx.parent", "parent-value-length-max", patchLocator(2, 42, 1<<16-1)},
		{"vhdx.parent", "parent-locator-user", vhdxOptions(vhdxAddItem(guidParentLocator, vhdxUser, locator))},
		{"vhdx.parent", "parent-behind-damage", vhdxOptions(withLocator(locator), vhdxField(1, 4, vhdxItemOffset, 1<<32-1))},

		{"vhdx.header", "header-1-crc", vhdxOptions(vhdxDamage(func(b []byte) { b[vhdxHeader1+4095] ^= 1 }))},
		{"vhdx.header", "header-2-crc", vhdxOptions(vhdxDamage(func(b []byte) { b[vhdxHeader2+vhdxSequence] ^= 1 }))},
		{"vhdx.header", "header-1-erased", vhdxOptions(vhdxDamage(func(b []byte) { clear(b[vhdxHeader1:][:4096]) }))},
		{"vhdx.header", "headers-erased", vhdxOptions(vhdxDamage(func(b []byte) { clear(b[vhdxHeader1:vhdxRegionTable1]) }))},
		{"vhdx.header", "header-signature", vhdxOptions(vhdxHeaders(4, 0, 0))},
		{"vhdx.headers-differ", "headers-differ", vhdxOptions(vhdxHeaders(8, vhdxSequence, 1), vhdxPut(4, 2, vhdxHeader2+vhdxLogLength))},
		{"vhdx.unknown-version", "version-0", vhdxOptions(vhdxHeaders(2, vhdxVersion, 0))},
		{"vhdx.unknown-version", "version-2", vhdxOptions(vhdxHeaders(2, vhdxVersion, 2))},
		{"vhdx.unknown-version", "version-max", vhdxOptions(vhdxHeaders(2, vhdxVersion, 1<<16-1))},
		{"vhdx.unknown-version", "version-of-current", vhdxOptions(vhdxPut(2, 2, vhdxHeader2+vhdxVersion))},
		{"vhdx.log", "log-in-use", vhdxOptions(vhdxLog(mib), vhdxHeaders(8, vhdxLogGUID, 1))},
		{"vhdx.log", "log-in-use-high-half", vhdxOptions(vhdxLog(mib), vhdxHeaders(8, vhdxLogGUID+8, 1<<63))},
		{"vhdx.log", "log-in-use-of-current", vhdxOptions(vhdxPut(8, 1, vhdxHeader2+vhdxLogGUID))},
		{"vhdx.unknown-log-version", "log-version-1", vhdxOptions(vhdxHeaders(2, vhdxLogVersion, 1))},
		{"vhdx.log-place", "log-offset-0", vhdxOptions(vhdxHeaders(8, vhdxLogOffset, 0))},
		{"vhdx.log-place", "log-offset-unaligned", vhdxOptions(vhdxHeaders(8, vhdxLogOffset, vhdxBAT+512))},
		{"vhdx.log-place", "log-offset-max", vhdxOptions(vhdxHeaders(8, vhdxLogOffset, 1<<64-1))},
		{"vhdx.log-place", "log-offset-overflow", vhdxOptions(vhdxHeaders(8, vhdxLogOffset, 1<<64-mib))},
		{"vhdx.log-place", "log-length-unaligned", vhdxOptions(vhdxHeaders(4, vhdxLogLength, 512))},
		{"vhdx.log-place", "log-length-max", vhdxOptions(vhdxHeaders(4, vhdxLogLength, 1<<32-1))},
		{"vhdx.incomplete", "log-beyond-file", vhdxOptions(vhdxHeaders(8, vhdxLogOffset, 1<<40), vhdxHeaders(4, vhdxLogLength, mib))},
		{"vhdx.incomplete", "log-one-past", vhdxOptions(vhdxHeaders(8, vhdxLogOffset, vhdxData), vhdxHeaders(4, vhdxLogLength, mib))},
		{"vhdx.overlap", "log-over-bat", vhdxOptions(vhdxHeaders(4, vhdxLogLength, mib))},
		{"vhdx.overlap", "log-over-metadata", vhdxOptions(vhdxHeaders(8, vhdxLogOffset, vhdxMetadata), vhdxHeaders(4, vhdxLogLength, mib))},

		{"vhdx.region-table", "region-table-crc", vhdxOptions(vhdxDamage(func(b []byte) { b[vhdxRegionTable1+vhdxTableSize-1] ^= 1 }))},
		{"vhdx.region-table", "region-table-signature", vhdxOptions(vhdxTables(4, 0, 0))},
		{"vhdx.region-table", "regions-2048", vhdxOptions(vhdxTables(4, vhdxEntryCount, 2048))},
		{"vhdx.region-table", "regions-max", vhdxOptions(vhdxTables(4, vhdxEntryCount, 1<<32-1))},
		{"vhdx.too-many-regions", "regions-257", vhdxOptions(vhdxTables(4, vhdxEntryCount, 257))},
		{"vhdx.too-many-regions", "regions-2047", vhdxOptions(vhdxTables(4, vhdxEntryCount, 2047))},
		{"vhdx.region-tables-differ", "region-tables-differ", vhdxOptions(vhdxPut(8, 5*mib, vhdxRegionTable2+vhdxMetadataRow+vhdxRegionOffset))},
		{"vhdx.region-tables-differ", "region-table-2-crc", vhdxOptions(vhdxDamage(func(b []byte) { b[vhdxRegionTable2+4] ^= 1 }))},
		{"vhdx.region-tables-differ", "region-table-2-erased", vhdxOptions(vhdxDamage(func(b []byte) { clear(b[vhdxRegionTable2:][:vhdxTableSize]) }))},
		{"vhdx.regions", "regions-0", vhdxOptions(vhdxTables(4, vhdxEntryCount, 0))},
		{"vhdx.regions", "regions-1", vhdxOptions(vhdxTables(4, vhdxEntryCount, 1))},
		{"vhdx.regions", "bat-twice", vhdxOptions(vhdxAddRegion(vhdxRegion{id: guidBAT, offset: vhdxData, required: true}))},
		{"vhdx.regions", "metadata-twice", vhdxOptions(vhdxAddRegion(vhdxRegion{id: guidMetadata, offset: vhdxData, required: true}))},
		{"vhdx.unknown-region", "unknown-region", vhdxOptions(vhdxAddRegion(vhdxRegion{id: guidUnknown, offset: vhdxData, required: true}))},
		{"vhdx.region-place", "bat-offset-0", vhdxOptions(vhdxTables(8, vhdxBATEntry+vhdxRegionOffset, 0))},
		{"vhdx.region-place", "bat-offset-unaligned", vhdxOptions(vhdxTables(8, vhdxBATEntry+vhdxRegionOffset, vhdxBAT+8))},
		{"vhdx.region-place", "bat-offset-max", vhdxOptions(vhdxTables(8, vhdxBATEntry+vhdxRegionOffset, 1<<64-1))},
		{"vhdx.region-place", "bat-offset-overflow", vhdxOptions(vhdxTables(8, vhdxBATEntry+vhdxRegionOffset, 1<<64-mib))},
		{"vhdx.incomplete", "bat-beyond-file", vhdxOptions(vhdxTables(8, vhdxBATEntry+vhdxRegionOffset, 1<<40))},
		{"vhdx.region-place", "bat-length-unaligned", vhdxOptions(vhdxTables(4, vhdxBATEntry+vhdxRegionLength, 8))},
		{"vhdx.region-place", "bat-length-max", vhdxOptions(vhdxTables(4, vhdxBATEntry+vhdxRegionLength, 1<<32-1))},
		{"vhdx.incomplete", "bat-length-beyond-file", vhdxOptions(vhdxLog(mib), vhdxHeaders(8, vhdxLogOffset, vhdxBAT), vhdxTables(8, vhdxBATEntry+vhdxRegionOffset, vhdxData), vhdxTables(4, vhdxBATEntry+vhdxRegionLength, 2*mib))},
		{"vhdx.bat-bytes-limit", "bat-length-over-bound", vhdxOptions(vhdxTables(8, vhdxBATEntry+vhdxRegionOffset, vhdxData), vhdxTables(4, vhdxBATEntry+vhdxRegionLength, 1<<32-mib))},
		{"vhdx.bat-length", "bat-length-0", vhdxOptions(vhdxTables(4, vhdxBATEntry+vhdxRegionLength, 0))},
		{"vhdx.bat-length", "bat-too-short", vhdxOptions(vhdxSize(1 << 40))},
		{"vhdx.overlap", "metadata-over-bat", vhdxOptions(vhdxTables(4, vhdxBATEntry+vhdxRegionLength, 2*mib))},
		{"vhdx.overlap", "unknown-region-over-bat", vhdxOptions(vhdxAddRegion(vhdxRegion{id: guidUnknown, offset: vhdxBAT, length: mib}))},
		{"vhdx.overlap", "unknown-region-over-metadata", vhdxOptions(vhdxAddRegion(vhdxRegion{id: guidUnknown, offset: vhdxMetadata, length: mib}))},

		{"vhdx.metadata-table", "metadata-signature", vhdxOptions(vhdxPut(8, 0, vhdxMetadata))},
		{"vhdx.metadata-table", "metadata-length-0", vhdxOptions(vhdxTables(4, vhdxMetadataRow+vhdxRegionLength, 0))},
		{"vhdx.metadata-table", "items-2048", vhdxOptions(vhdxPut(2, 2048, vhdxItemCount))},
		{"vhdx.metadata-table", "items-max", vhdxOptions(vhdxPut(2, 1<<16-1, vhdxItemCount))},
		{"vhdx.metadata-missing", "items-0", vhdxOptions(vhdxPut(2, 0, vhdxItemCount))},
		{"vhdx.unknown-metadata", "unknown-metadata", vhdxOptions(vhdxAddItem(guidUnknown, vhdxRequired, []byte("of a later version")))},
		{"vhdx.metadata-item", "item-twice", vhdxOptions(vhdxAddItem(guidDiskSize, vhdxRequired, make([]byte, 8)))},
		{"vhdx.metadata-item", "item-of-user", vhdxOptions(vhdxField(1, 4, vhdxItemFlags, vhdxRequired|vhdxUser))},
		{"vhdx.metadata-item", "item-offset-0", vhdxOptions(vhdxField(1, 4, vhdxItemOffset, 0))},
		{"vhdx.metadata-item", "item-in-table", vhdxOptions(vhdxField(1, 4, vhdxItemOffset, 64<<10-8))},
		{"vhdx.metadata-item", "item-one-past", vhdxOptions(vhdxField(1, 4, vhdxItemOffset, mib-7))},
		{"vhdx.metadata-item", "item-offset-max", vhdxOptions(vhdxField(1, 4, vhdxItemOffset, 1<<32-1))},
		{"vhdx.metadata-item", "item-length-0", vhdxOptions(vhdxField(1, 4, vhdxItemLength, 0))},
		{"vhdx.metadata-item", "item-length-max", vhdxOptions(vhdxField(1, 4, vhdxItemLength, 1<<32-1))},
		{"vhdx.metadata-item", "item-length-7", vhdxOptions(vhdxField(1, 4, vhdxItemLength, 7))},

		{"vhdx.file-parameters", "block-size-0", vhdxOptions(vhdxPut(4, 0, vhdxItems))},
		{"vhdx.file-parameters", "block-size-512k", vhdxOptions(vhdxPut(4, mib/2, vhdxItems))},
		{"vhdx.file-parameters", "block-size-3m", vhdxOptions(vhdxPut(4, 3*mib, vhdxItems))},
		{"vhdx.file-parameters", "block-size-512m", vhdxOptions(vhdxPut(4, 512*mib, vhdxItems))},
		{"vhdx.file-parameters", "block-size-max", vhdxOptions(vhdxPut(4, 1<<32-1, vhdxItems))},
		{"vhdx.unknown-parameters", "unknown-parameters", vhdxOptions(vhdxParameters(1 << 31))},
		{"vhdx.virtual-size", "size-unaligned", vhdxOptions(vhdxSize(4*mib - 1))},
		{"vhdx.virtual-size", "size-over-64t", vhdxOptions(vhdxSize(64<<40 + 512))},
		{"vhdx.virtual-size", "size-max", vhdxOptions(vhdxSize(1<<64 - 512))},
		{"vhdx.sector-size", "logical-sector-0", vhdxOptions(vhdxPut(4, 0, vhdxItems+32))},
		{"vhdx.sector-size", "logical-sector-1024", vhdxOptions(vhdxPut(4, 1024, vhdxItems+32))},
		{"vhdx.sector-size", "logical-sector-max", vhdxOptions(vhdxPut(4, 1<<32-1, vhdxItems+32))},
		{"vhdx.sector-size", "physical-sector-0", vhdxOptions(vhdxPut(4, 0, vhdxItems+36))},
		{"vhdx.large-sectors", "sectors-of-4096", vhdxOptions(vhdxSector(4096))},
	}
	deep := []row{
		{"vhdx.bat-entry", "bat-state-4", vhdxOptions(vhdxPut(8, 4, vhdxBAT))},
		{"vhdx.bat-entry", "bat-state-5", vhdxOptions(vhdxPut(8, 5, vhdxBAT))},
		{"vhdx.bat-entry", "bat-partially-present", vhdxOptions(vhdxWritten(0), vhdxPut(8, vhdxData|7, vhdxBAT))},
		{"vhdx.bat-entry", "bat-reserved-bits", vhdxOptions(vhdxWritten(0), vhdxPut(8, vhdxData|8|6, vhdxBAT))},
		{"vhdx.bat-entry", "bat-reserved-bits-unmapped", vhdxOptions(vhdxPut(8, 1<<19, vhdxBAT+24))},
		{"vhdx.bat-entry", "bat-into-header", vhdxOptions(vhdxPut(8, 6, vhdxBAT))},
		{"vhdx.bat-entry", "bat-entry-max", vhdxOptions(vhdxPut(8, 1<<64-mib|6, vhdxBAT))},
		{"vhdx.bat-entry", "bat-sector-bitmap", vhdxOptions(vhdxBlocks(256*mib), vhdxSize(17*256*mib), vhdxPut(8, 6, vhdxBAT+8*16))},
		{"vhdx.incomplete", "bat-entry-beyond-file", vhdxOptions(vhdxPut(8, 1<<40|6, vhdxBAT))},
		{"vhdx.incomplete", "bat-entry-at-end", vhdxOptions(vhdxWritten(0), vhdxPut(8, 4*mib|6, vhdxBAT+8))},
		{"vhdx.overlap", "bat-into-bat", vhdxOptions(vhdxPut(8, vhdxBAT|6, vhdxBAT))},
		{"vhdx.overlap", "bat-into-metadata", vhdxOptions(vhdxPut(8, vhdxMetadata|6, vhdxBAT))},
		{"vhdx.overlap", "bat-into-log", vhdxOptions(vhdxLog(mib), vhdxPut(8, vhdxData|6, vhdxBAT))},
		{"vhdx.overlap", "blocks-over-each-other", vhdxOptions(vhdxSize(8*mib), vhdxWritten(0), vhdxPatch(func(b []byte) {
			for i := range 8 {
				putLittle(b[vhdxBAT+8*i:], 8, vhdxData|6)
			}
		}))},
	}
	var cases []Case
	for i, r := range append(rows, deep...) {
		cases = append(cases, Case{
			Name: "vhdx-" + r.name, WantFormat: "vhdx", WantFinding: r.finding, Deep: i >= len(rows),
			Build: func() []byte { return VHDX(r.options...) },
		})
	}
	return append(cases, vhdxCut()...)
}

// vhdxCut returns a valid image that ends too early.
func vhdxCut() []Case {
	var cases []Case
	for _, n := range []int{8, 520, vhdxHeader1 + 80, vhdxHeader2, vhdxRegionTable1 + 100, 1<<20 - 1} {
		cases = append(cases, Case{
			Name: fmt.Sprintf("vhdx-cut-in-header-%d", n), WantFormat: "vhdx", WantFinding: "vhdx.header-cut",
			Build: func() []byte { return VHDX()[:n] },
		})
	}
	for _, n := range []int{vhdxBAT, vhdxBAT + 32, vhdxMetadata, vhdxItems, vhdxData - 1} {
		cases = append(cases, Case{
			Name: fmt.Sprintf("vhdx-cut-in-region-%d", n), WantFormat: "vhdx", WantFinding: "vhdx.incomplete",
			Build: func() []byte { return VHDX()[:n] },
		})
	}
	return append(cases, Case{
		Name: "vhdx-cut-in-block", WantFormat: "vhdx", WantFinding: "vhdx.incomplete", Deep: true,
		Build: func() []byte { b := VHDX(vhdxWritten(0)); return b[:len(b)-512] },
	})
}
