package hostfuncs

// Keys 0x0f00-0x0fff: dmg. There is no specification; the fields are those of
// the trailer ("koly") as qemu's driver dmg and hdiutil read it.
var dmgEntries = []Entry{
	{Key: 0x0f00, Kind: KindNumber, Name: "dmg.segment_count", Doc: "SegmentCount: files that make up the image"},

	{Key: 0x0f40, Kind: KindReference, Name: "dmg.segments", Class: ExternalReference, Message: "parts of the image are in other files", Doc: "SegmentCount is more than 1; the names follow from the image's own"},

	{Key: 0x0f50, Kind: KindFinding, Name: "dmg.unsupported", Class: Unsupported, Message: "an Apple disk image is not opened; convert it to raw first", Doc: "the file is one"},
	{Key: 0x0f51, Kind: KindFinding, Name: "dmg.trailer", Class: ClassMalformed, Message: "the trailer has version {value} and {limit} bytes, must have 4 and 512", Doc: "Version, HeaderSize"},
	{Key: 0x0f52, Kind: KindFinding, Name: "dmg.trailer-cut", Class: Incomplete, Message: "the trailer reaches to byte {value}, the file ends at {limit}", Doc: "the trailer has 512 bytes"},
	{Key: 0x0f53, Kind: KindFinding, Name: "dmg.trailing-bytes", Class: ClassMalformed, Message: "{value} bytes follow the trailer: not every reader finds it", Doc: "the trailer is looked for in the last 4096 bytes"},
	{Key: 0x0f54, Kind: KindFinding, Name: "dmg.incomplete", Class: Incomplete, Message: "a part of the image reaches to byte {value}, there are {limit} in front of the trailer", Doc: "offset and length of data fork, resource fork, XML property list"},
	{Key: 0x0f55, Kind: KindFinding, Name: "dmg.no-map", Class: ClassMalformed, Message: "neither a resource fork nor a property list maps the image", Doc: "RsrcForkLength and XMLLength are 0"},
	{Key: 0x0f56, Kind: KindFinding, Name: "dmg.sector-count", Class: ClassMalformed, Message: "the disk has {value} sectors, an offset can be at most that of sector {limit}", Doc: "SectorCount"},

	{Key: 0x0f80, Kind: KindFinding, Name: "dmg.encrypted", Class: Encrypted, Message: "an encrypted Apple disk image", Doc: "signature encrcdsa at the start, or cdsaencr at the end"},
}
