package hostfuncs

// Keys 0x0900-0x09ff: qcow, version 1. There is no specification; fields and
// limits are those of qemu's driver (block/qcow.c).
var qcowEntries = []Entry{
	{Key: 0x0900, Kind: KindNumber, Name: "qcow.cluster_size", Doc: "1 << cluster_bits, in bytes"},
	{Key: 0x0901, Kind: KindNumber, Name: "qcow.l1_bytes", Doc: "size of the L1 table that the disk needs, in bytes"},

	{Key: 0x0940, Kind: KindReference, Name: "qcow.backing-file", Class: ExternalReference, Message: "backing file {target}", Doc: "header fields backing_file_offset and backing_file_size; either of them not zero"},

	{Key: 0x0950, Kind: KindFinding, Name: "qcow.header-cut", Class: Incomplete, Message: "the file ends after {value} bytes of a header of {limit}", Doc: "the file is shorter than its header"},
	{Key: 0x0951, Kind: KindFinding, Name: "qcow.cluster-bits", Class: ClassMalformed, Message: "cluster_bits is {value}, must be 9 to {limit}", Doc: "header field cluster_bits"},
	{Key: 0x0952, Kind: KindFinding, Name: "qcow.l2-bits", Class: ClassMalformed, Message: "l2_bits is {value}, must be 6 to {limit}", Doc: "header field l2_bits"},
	{Key: 0x0953, Kind: KindFinding, Name: "qcow.virtual-size", Class: ClassMalformed, Message: "size is {value} bytes, must be 2 to {limit}", Doc: "header field size"},
	{Key: 0x0954, Kind: KindFinding, Name: "qcow.l1-offset", Class: ClassMalformed, Message: "the offset of the L1 table is {hex}, must be behind the header's {limit} bytes and in reach", Doc: "header field l1_table_offset"},
	{Key: 0x0955, Kind: KindFinding, Name: "qcow.encryption-method", Class: Unsupported, Message: "crypt_method is {value}, must be at most {limit}", Doc: "header field crypt_method"},
	{Key: 0x0956, Kind: KindFinding, Name: "qcow.l1-entry", Class: ClassMalformed, Message: "the L1 entry {hex} is not a multiple of {limit}, or points into the header or the L1 table", Doc: "entry of the L1 table (deep)"},
	{Key: 0x0957, Kind: KindFinding, Name: "qcow.l2-entry", Class: ClassMalformed, Message: "the L2 entry {hex} is not a multiple of {limit}, is compressed to nothing, or points into the header or the L1 table", Doc: "entry of an L2 table (deep)"},
	{Key: 0x0958, Kind: KindFinding, Name: "qcow.overlap", Class: ClassMalformed, Message: "the tables name {value} bytes, the file has {limit}", Doc: "entries of the tables (deep): one is there twice"},
	{Key: 0x0959, Kind: KindFinding, Name: "qcow.incomplete", Class: Incomplete, Message: "the image reaches to byte {value}, the file ends at {limit}", Doc: "a table or a cluster lies behind the end of the file; the place is what points there"},

	{Key: 0x0980, Kind: KindFinding, Name: "qcow.aes", Class: Encrypted, Message: "encrypted with AES-CBC, which is broken", Doc: "header field crypt_method is 1"},
	{Key: 0x0981, Kind: KindFinding, Name: "qcow.legacy", Class: Legacy, Message: "qcow version 1 is a format that nothing writes any more; qcow2 took its place", Doc: "every qcow image of version 1"},
}
