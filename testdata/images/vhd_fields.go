package images

// The fields of a VHD's footer, by the names of the specification (Virtual
// Hard Disk Image Format Specification, "Hard Disk Footer Format").
var (
	VHDFeatures     = Field{8, 4}
	VHDVersion      = Field{12, 4}
	VHDDataOffset   = Field{16, 8}
	VHDOriginalSize = Field{40, 8}
	VHDCurrentSize  = Field{48, 8}
	VHDDiskGeometry = Field{56, 4} // cylinders (2 bytes), heads, sectors per track
	VHDDiskType     = Field{60, 4}
	VHDChecksum     = Field{64, 4}
	VHDSavedState   = Field{84, 1}
)

// The fields of its dynamic disk header ("Dynamic Disk Header Format").
var (
	VHDHeaderDataOffset = Field{8, 8}
	VHDTableOffset      = Field{16, 8}
	VHDHeaderVersion    = Field{24, 4}
	VHDMaxTableEntries  = Field{28, 4}
	VHDBlockSize        = Field{32, 4}
	VHDHeaderChecksum   = Field{36, 4}
	VHDParentUniqueID   = Field{40, 8} // the first half
	VHDParentName       = Field{64, 8} // the first four characters
)
