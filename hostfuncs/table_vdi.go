package hostfuncs

// Keys 0x0700-0x07ff: vdi. There is no specification; the layout and the
// names of the fields are those of VirtualBox (VDICore.h), the limits those of
// qemu's driver (block/vdi.c).
var vdiEntries = []Entry{
	{Key: 0x0700, Kind: KindNumber, Name: "vdi.type", Doc: "u32Type: 1 dynamic, 2 fixed, 3 undo, 4 differencing"},
	{Key: 0x0701, Kind: KindNumber, Name: "vdi.block_size", Doc: "cbBlock, in bytes"},
	{Key: 0x0702, Kind: KindNumber, Name: "vdi.blocks_allocated", Doc: "cBlocksAllocated"},
	{Key: 0x0703, Kind: KindNumber, Name: "vdi.map_bytes", Doc: "size of the block map, 4 * cBlocks, in bytes; a reader may keep all of it in memory"},

	{Key: 0x0740, Kind: KindReference, Name: "vdi.parent", Class: ExternalReference, Message: "parent image {target}", Doc: "uuidLinkage or uuidParentModify is not zero, or the type is undo or differencing; each alone is enough. The target is the UUID, if there is one"},

	{Key: 0x0750, Kind: KindFinding, Name: "vdi.header-cut", Class: Incomplete, Message: "the file ends after {value} bytes of a header of {limit}", Doc: "the file is shorter than its header"},
	{Key: 0x0751, Kind: KindFinding, Name: "vdi.wrong-endian", Class: ClassMalformed, Message: "the signature is byte-swapped", Doc: "no reader takes it, some tool may"},
	{Key: 0x0752, Kind: KindFinding, Name: "vdi.unknown-version", Class: Unsupported, Message: "version is {hex}, must be 1.1 (0x10001)", Doc: "u32Version"},
	{Key: 0x0753, Kind: KindFinding, Name: "vdi.unknown-type", Class: Unsupported, Message: "the image type is {value}, must be 1 or 2", Doc: "u32Type"},
	{Key: 0x0754, Kind: KindFinding, Name: "vdi.header-size", Class: ClassMalformed, Message: "the header has {value} bytes, must have {limit} or more and end before the block map", Doc: "cbHeader"},
	{Key: 0x0755, Kind: KindFinding, Name: "vdi.map-offset", Class: ClassMalformed, Message: "the block map is at byte {value}, must be at a multiple of {limit}", Doc: "offBlocks"},
	{Key: 0x0756, Kind: KindFinding, Name: "vdi.data-offset", Class: ClassMalformed, Message: "the data is at byte {value}, must be at a multiple of {limit}", Doc: "offData"},
	{Key: 0x0757, Kind: KindFinding, Name: "vdi.sector-size", Class: Unsupported, Message: "the sector size is {value}, must be {limit}", Doc: "cbSector of the geometry"},
	{Key: 0x0758, Kind: KindFinding, Name: "vdi.other-block-size", Class: Unsupported, Message: "the block size is {value}, must be {limit}", Doc: "cbBlock"},
	{Key: 0x0759, Kind: KindFinding, Name: "vdi.block-extra", Class: Unsupported, Message: "{value} bytes before each block; readers disagree on them", Doc: "cbBlockExtra is not 0"},
	{Key: 0x075a, Kind: KindFinding, Name: "vdi.virtual-size", Class: ClassMalformed, Message: "the disk has {value} bytes, the block map is for {limit}", Doc: "cbDisk, cBlocks"},
	{Key: 0x075b, Kind: KindFinding, Name: "vdi.blocks", Class: ClassMalformed, Message: "{value} blocks, can be at most {limit}", Doc: "cBlocks; or cBlocksAllocated, which is at most cBlocks"},
	{Key: 0x075c, Kind: KindFinding, Name: "vdi.overlap", Class: ClassMalformed, Message: "the data starts at byte {value}, the block map ends at {limit}", Doc: "offBlocks, offData, cBlocks"},
	{Key: 0x075d, Kind: KindFinding, Name: "vdi.map-entry", Class: ClassMalformed, Message: "the block map names block {value}, only {limit} are allocated", Doc: "entry of the block map (deep)"},
	{Key: 0x075e, Kind: KindFinding, Name: "vdi.map", Class: ClassMalformed, Message: "the block map names {value} blocks, not each of the {limit} allocated ones once", Doc: "entries of the block map against cBlocksAllocated (deep)"},
	{Key: 0x075f, Kind: KindFinding, Name: "vdi.incomplete", Class: Incomplete, Message: "the image reaches to byte {value}, the file ends at {limit}", Doc: "the block map or a block lies behind the end of the file; the place is what points there"},
}
