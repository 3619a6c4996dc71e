package hostfuncs

// Keys 0x0d00-0x0dff: bochs. The source is redolog_header_t in Bochs'
// iodev/hdimage/hdimage.h; the bounds are those of qemu's driver bochs.
var bochsEntries = []Entry{
	{Key: 0x0d40, Kind: KindReference, Name: "bochs.base", Class: ExternalReference, Message: "a redo log: the rest of the disk is in another file", Doc: "subtype Undoable or Volatile; the base's name is not in the image"},

	{Key: 0x0d50, Kind: KindFinding, Name: "bochs.unsupported", Class: Unsupported, Message: "a disk image of Bochs is not opened; convert it to raw first", Doc: "the file is one"},
	{Key: 0x0d51, Kind: KindFinding, Name: "bochs.header-cut", Class: Incomplete, Message: "the file ends after {value} bytes of a header of {limit}", Doc: "the file is shorter than the header"},
	{Key: 0x0d52, Kind: KindFinding, Name: "bochs.kind", Class: Unsupported, Message: "an unknown type or subtype", Doc: "type must be Redolog, subtype Growing, Undoable or Volatile"},
	{Key: 0x0d53, Kind: KindFinding, Name: "bochs.header", Class: ClassMalformed, Message: "a header field is {hex}, which no valid one has", Doc: "version, header, catalog, bitmap, extent, disk; the place says which"},
	{Key: 0x0d54, Kind: KindFinding, Name: "bochs.incomplete", Class: Incomplete, Message: "the catalog reaches to byte {value}, the file ends at {limit}", Doc: "header and catalog"},
}
