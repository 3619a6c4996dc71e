package hostfuncs

// Keys 0x0a00-0x0aff: qed. The source is docs/interop/qed_spec.txt of qemu;
// sections are those of that document.
var qedEntries = []Entry{
	{Key: 0x0a00, Kind: KindNumber, Name: "qed.cluster_size", Doc: "header field cluster_size, in bytes"},
	{Key: 0x0a01, Kind: KindNumber, Name: "qed.table_bytes", Doc: "size of the L1 table and of each L2 table, table_size clusters, in bytes"},

	{Key: 0x0a40, Kind: KindReference, Name: "qed.backing-file", Class: ExternalReference, Message: "backing file {target}", Doc: "feature bit 0 or header field backing_filename_size not zero; each alone is enough"},

	{Key: 0x0a50, Kind: KindFinding, Name: "qed.header-cut", Class: Incomplete, Message: "the file ends after {value} bytes of a header of {limit}", Doc: "the file is shorter than its header"},
	{Key: 0x0a51, Kind: KindFinding, Name: "qed.wrong-endian", Class: ClassMalformed, Message: "the magic is byte-swapped", Doc: "no reader takes it, some tool may"},
	{Key: 0x0a52, Kind: KindFinding, Name: "qed.other-cluster-size", Class: ClassMalformed, Message: "cluster_size is {value}, must be a power of 2 from 4 KiB to 64 MiB", Doc: "header field cluster_size"},
	{Key: 0x0a53, Kind: KindFinding, Name: "qed.table-size", Class: ClassMalformed, Message: "table_size is {value} clusters, must be a power of 2 from 2 to {limit}", Doc: "header field table_size; the document allows 1, which no reader opens"},
	{Key: 0x0a54, Kind: KindFinding, Name: "qed.header-size", Class: ClassMalformed, Message: "header_size is {value} clusters, must be 1 to {limit}", Doc: "header field header_size"},
	{Key: 0x0a55, Kind: KindFinding, Name: "qed.virtual-size", Class: ClassMalformed, Message: "image_size is {value} bytes, must be a multiple of 512 and at most {limit}", Doc: "header field image_size against what the tables can map"},
	{Key: 0x0a56, Kind: KindFinding, Name: "qed.l1-offset", Class: ClassMalformed, Message: "the offset of the L1 table is {hex}, must be a multiple of the cluster size behind the header's {limit} bytes", Doc: "header field l1_table_offset"},
	{Key: 0x0a57, Kind: KindFinding, Name: "qed.table-entry", Class: ClassMalformed, Message: "the table entry {hex} is not a multiple of the cluster size behind the header's {limit} bytes, or points into the L1 table", Doc: "section Tables (deep)"},
	{Key: 0x0a58, Kind: KindFinding, Name: "qed.overlap", Class: ClassMalformed, Message: "the tables name {value} clusters, the file has {limit}", Doc: "section Tables (deep): an entry is there twice"},
	{Key: 0x0a59, Kind: KindFinding, Name: "qed.incomplete", Class: Incomplete, Message: "the image reaches to byte {value}, the file ends at {limit}", Doc: "a table or a cluster lies behind the end of the file; the place is what points there"},

	{Key: 0x0a80, Kind: KindFinding, Name: "qed.dirty", Class: NeedsRepair, Message: "the need-check bit is set: tables may be wrong", Doc: "feature bit 1"},
	{Key: 0x0a81, Kind: KindFinding, Name: "qed.unknown-feature", Class: UnknownFeature, Message: "unknown feature bits {hex}", Doc: "header field features, bits 3-63"},
	{Key: 0x0a82, Kind: KindFinding, Name: "qed.unknown-compatible", Class: UnknownFeature, Message: "unknown compatible feature bits {hex}", Doc: "header field compat_features"},
	{Key: 0x0a83, Kind: KindFinding, Name: "qed.unknown-autoclear", Class: UnknownFeature, Message: "unknown autoclear feature bits {hex}", Doc: "header field autoclear_features"},
	{Key: 0x0a84, Kind: KindFinding, Name: "qed.legacy", Class: Legacy, Message: "qed is a format that nothing writes any more; qcow2 took its place", Doc: "every qed image"},
}
