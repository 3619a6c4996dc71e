package hostfuncs

// Keys 0x0c00-0x0cff: iso. The sources are ECMA-119 (ISO 9660), the El Torito
// specification, version 1.0, ECMA-167 and OSTA UDF 2.60.
var isoEntries = []Entry{
	{Key: 0x0c00, Kind: KindNumber, Name: "iso.block_bytes", Doc: "logical block size of the primary volume, in bytes (ECMA-119, 8.4.12)"},
	{Key: 0x0c01, Kind: KindNumber, Name: "iso.volume_bytes", Doc: "volume space size of the primary volume, in bytes (ECMA-119, 8.4.8)"},
	{Key: 0x0c02, Kind: KindFlag, Name: "iso.joliet", Doc: "a supplementary volume has an escape sequence of Joliet"},
	{Key: 0x0c03, Kind: KindFlag, Name: "iso.el_torito", Doc: "a boot record points to a boot catalog"},
	{Key: 0x0c04, Kind: KindFlag, Name: "iso.udf", Doc: "an extended area names NSR02 or NSR03 (ECMA-167, part 3, 9.1)"},
	{Key: 0x0c05, Kind: KindNumber, Name: "iso.boot_images", Doc: "entries of the boot catalog's first sector that have an image"},
	{Key: 0x0c06, Kind: KindNumber, Name: "iso.udf_block_bytes", Doc: "block size at which the UDF's anchor was found, in bytes"},

	{Key: 0x0c50, Kind: KindFinding, Name: "iso.no-terminator", Class: ClassMalformed, Message: "the sequence of volume descriptors breaks off at byte {value}", Doc: "ECMA-119, 6.7.1: a terminator ends the descriptors; ECMA-167, part 2, 8.3: TEA01 an extended area; at most 64 structures are looked at"},
	{Key: 0x0c51, Kind: KindFinding, Name: "iso.no-volume", Class: ClassMalformed, Message: "neither a primary volume descriptor nor a UDF", Doc: "ECMA-119, 6.7.1.1"},
	{Key: 0x0c52, Kind: KindFinding, Name: "iso.second-primary", Class: ClassMalformed, Message: "two primary volume descriptors describe different volumes", Doc: "ECMA-119, 6.7.1.1: sizes, root directory, path tables"},
	{Key: 0x0c53, Kind: KindFinding, Name: "iso.version", Class: ClassMalformed, Message: "a volume descriptor of version {value}, file structure version {limit}", Doc: "ECMA-119, 8.4.3, 8.4.31, 8.5.2"},
	{Key: 0x0c54, Kind: KindFinding, Name: "iso.byte-orders", Class: ClassMalformed, Message: "a number differs between its two byte orders", Doc: "ECMA-119, 7.2.3, 7.3.3: volume space size, block size, path table size, place and size of the root directory"},
	{Key: 0x0c55, Kind: KindFinding, Name: "iso.block-size", Class: ClassMalformed, Message: "the logical block size is {value}, must be 512, 1024 or 2048", Doc: "ECMA-119, 6.2.2"},
	{Key: 0x0c56, Kind: KindFinding, Name: "iso.root-directory", Class: ClassMalformed, Message: "the root directory at byte {value} is none, or leaves the volume of {limit} bytes", Doc: "ECMA-119, 8.4.18, 9.1"},
	{Key: 0x0c57, Kind: KindFinding, Name: "iso.path-table", Class: ClassMalformed, Message: "a path table at byte {value} is empty or leaves the volume of {limit} bytes", Doc: "ECMA-119, 8.4.13 to 8.4.17"},
	{Key: 0x0c58, Kind: KindFinding, Name: "iso.boot-catalog", Class: ClassMalformed, Message: "the boot catalog at byte {value} is damaged", Doc: "El Torito, section 2: validation entry, section headers and their counts"},
	{Key: 0x0c59, Kind: KindFinding, Name: "iso.udf-anchor", Class: ClassMalformed, Message: "a UDF without an anchor", Doc: "ECMA-167, part 3, 8.4.2.1: looked for in block 256, the last block and 256 before it, for blocks of 512 to 4096 bytes"},
	{Key: 0x0c5a, Kind: KindFinding, Name: "iso.udf-sequence", Class: ClassMalformed, Message: "the UDF's volume descriptors break off at byte {value}, or lack one", Doc: "ECMA-167, part 3, 8.4.2: tags, CRC, primary, partition and logical volume descriptor, block size"},
	{Key: 0x0c5b, Kind: KindFinding, Name: "iso.incomplete", Class: Incomplete, Message: "the image reaches to byte {value}, the file ends at {limit}", Doc: "the volume, a boot image, or the UDF's partition or descriptors end behind the file"},
	{Key: 0x0c5c, Kind: KindFinding, Name: "iso.high-sierra", Class: Unsupported, Message: "High Sierra, the predecessor of ISO 9660", Doc: "standard identifier CDROM"},
}
