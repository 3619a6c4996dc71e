package hostfuncs

// Keys 0x0b00-0x0bff: parallels. The source is docs/interop/parallels.txt of
// qemu; sections are those of that document.
var parallelsEntries = []Entry{
	{Key: 0x0b00, Kind: KindFlag, Name: "parallels.extended", Doc: "the magic is WithouFreSpacExt: offsets in the BAT count clusters, not sectors"},
	{Key: 0x0b01, Kind: KindNumber, Name: "parallels.cluster_size", Doc: "512 * tracks, in bytes"},
	{Key: 0x0b02, Kind: KindNumber, Name: "parallels.bat_bytes", Doc: "size of the BAT, 4 * nb_bat_entries, in bytes; a reader may keep all of it in memory"},

	{Key: 0x0b50, Kind: KindFinding, Name: "parallels.header-cut", Class: Incomplete, Message: "the file ends after {value} bytes of a header of {limit}", Doc: "the file is shorter than its header"},
	{Key: 0x0b51, Kind: KindFinding, Name: "parallels.unknown-version", Class: Unsupported, Message: "version is {value}, must be {limit}", Doc: "header field version"},
	{Key: 0x0b52, Kind: KindFinding, Name: "parallels.tracks", Class: ClassMalformed, Message: "a cluster has {value} sectors, must have 1 to {limit}", Doc: "header field tracks"},
	{Key: 0x0b53, Kind: KindFinding, Name: "parallels.bat-entries", Class: ClassMalformed, Message: "the BAT has {value} entries, the virtual size needs {limit}", Doc: "header field nb_bat_entries; a reader takes what is behind the BAT for zeros"},
	{Key: 0x0b54, Kind: KindFinding, Name: "parallels.virtual-size", Class: ClassMalformed, Message: "the disk has {value} sectors, can have at most {limit}", Doc: "header field nb_sectors; with the magic WithoutFreeSpace 32 bits"},
	{Key: 0x0b55, Kind: KindFinding, Name: "parallels.in-use", Class: ClassMalformed, Message: "in_use is {hex}, which no version writes", Doc: "header field in_use"},
	{Key: 0x0b56, Kind: KindFinding, Name: "parallels.data-offset", Class: ClassMalformed, Message: "the data is at sector {value}, must be behind the BAT, which ends at byte {limit}, and with the magic WithouFreSpacExt at a multiple of the cluster size", Doc: "header field data_off"},
	{Key: 0x0b57, Kind: KindFinding, Name: "parallels.extension-offset", Class: ClassMalformed, Message: "the format extension is at sector {value}, where no cluster can be", Doc: "header field ext_off"},
	{Key: 0x0b58, Kind: KindFinding, Name: "parallels.extension", Class: ClassMalformed, Message: "the format extension is damaged at byte {value} of it", Doc: "section Format Extension: magic, features within the cluster, end of features; its checksum is left to the reader"},
	{Key: 0x0b59, Kind: KindFinding, Name: "parallels.bitmap", Class: ClassMalformed, Message: "a field of a dirty bitmap is {value}, which no valid one has", Doc: "section Dirty bitmaps feature: size, granularity, l1_size, entries of the L1 table; the place says which"},
	{Key: 0x0b5a, Kind: KindFinding, Name: "parallels.bat-entry", Class: ClassMalformed, Message: "the BAT names sector {value}, where no cluster can be: data starts at {limit}", Doc: "section BAT (deep)"},
	{Key: 0x0b5b, Kind: KindFinding, Name: "parallels.overlap", Class: ClassMalformed, Message: "the BAT names {value} clusters, the file has room for {limit}", Doc: "section BAT (deep): an entry is there twice"},
	{Key: 0x0b5c, Kind: KindFinding, Name: "parallels.empty-flag", Class: ClassMalformed, Message: "flags say that the image is empty, the BAT maps sector {value}", Doc: "header field flags, bit 0 (deep): readers that know the bit and others see different disks"},
	{Key: 0x0b5d, Kind: KindFinding, Name: "parallels.incomplete", Class: Incomplete, Message: "the image reaches to byte {value}, the file ends at {limit}", Doc: "the BAT, the format extension or a cluster lies behind the end of the file; the place is what points there"},

	{Key: 0x0b80, Kind: KindFinding, Name: "parallels.dirty", Class: NeedsRepair, Message: "in_use is set: the image was not closed", Doc: "header field in_use is 746f6e59"},
	{Key: 0x0b81, Kind: KindFinding, Name: "parallels.unknown-flags", Class: UnknownFeature, Message: "unknown flags {hex}", Doc: "header field flags, bits 1-31"},
	{Key: 0x0b82, Kind: KindFinding, Name: "parallels.unknown-extension", Class: UnknownFeature, Message: "the format extension has feature {hex}, which is not known, or flags", Doc: "section Format Extension: magic and flags of a feature"},
	{Key: 0x0b83, Kind: KindFinding, Name: "parallels.persistent-bitmaps", Class: UnknownFeature, Message: "persistent bitmaps", Doc: "section Dirty bitmaps feature"},
}
