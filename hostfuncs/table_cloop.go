package hostfuncs

// Keys 0x0e00-0x0eff: cloop. The source is cloop.h of cloop 2; the bounds are
// those of qemu's driver cloop.
var cloopEntries = []Entry{
	{Key: 0x0e00, Kind: KindText, Name: "cloop.version", Doc: "version in the second line of the script: 2.0"},

	{Key: 0x0e50, Kind: KindFinding, Name: "cloop.unsupported", Class: Unsupported, Message: "a compressed loop image is not opened; extract it first", Doc: "the file is one"},
	{Key: 0x0e51, Kind: KindFinding, Name: "cloop.header-cut", Class: Incomplete, Message: "the file ends after {value} bytes of a header of {limit}", Doc: "the file is shorter than the header"},
	{Key: 0x0e52, Kind: KindFinding, Name: "cloop.header", Class: ClassMalformed, Message: "a header field is {hex}, which no valid one has", Doc: "block size, number of blocks, first offset; the place says which"},
	{Key: 0x0e53, Kind: KindFinding, Name: "cloop.incomplete", Class: Incomplete, Message: "the image reaches to byte {value}, the file ends at {limit}", Doc: "the offsets, or the end of the last block as the last of them says"},
}
