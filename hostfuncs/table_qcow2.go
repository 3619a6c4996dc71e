package hostfuncs

// Keys 0x0100-0x01ff: qcow2. The source is docs/interop/qcow2.txt of qemu.
var qcow2Entries = []Entry{
	{Key: 0x0100, Kind: KindNumber, Name: "qcow2.version", Doc: "header field version: 2 or 3"},
	{Key: 0x0101, Kind: KindNumber, Name: "qcow2.cluster_size", Doc: "1 << cluster_bits, in bytes"},
	{Key: 0x0140, Kind: KindReference, Name: "qcow2.backing-file", Class: ExternalReference, Message: "backing file {target}", Doc: "header fields backing_file_offset and backing_file_size"},
}
