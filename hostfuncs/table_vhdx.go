package hostfuncs

// Keys 0x0600-0x06ff: vhdx. The source is [MS-VHDX]; sections are those of
// that document.
var vhdxEntries = []Entry{
	{Key: 0x0600, Kind: KindNumber, Name: "vhdx.block_size", Doc: "BlockSize of the file parameters, in bytes"},
	{Key: 0x0601, Kind: KindNumber, Name: "vhdx.logical_sector_size", Doc: "LogicalSectorSize, in bytes"},
	{Key: 0x0602, Kind: KindNumber, Name: "vhdx.physical_sector_size", Doc: "PhysicalSectorSize, in bytes"},
	{Key: 0x0603, Kind: KindNumber, Name: "vhdx.log_bytes", Doc: "LogLength of the current header, in bytes"},
	{Key: 0x0604, Kind: KindNumber, Name: "vhdx.bat_bytes", Doc: "size of the BAT region, in bytes; a reader may keep all of it in memory"},
	{Key: 0x0605, Kind: KindFlag, Name: "vhdx.fixed", Doc: "LeaveBlockAllocated of the file parameters: blocks are never given back"},

	{Key: 0x0640, Kind: KindReference, Name: "vhdx.parent", Class: ExternalReference, Message: "parent {target}", Doc: "HasParent of the file parameters, or a parent locator; each alone is enough. Targets are the paths of the locator, in UTF-8"},

	{Key: 0x0650, Kind: KindFinding, Name: "vhdx.header-cut", Class: Incomplete, Message: "the file ends at byte {value}, the header section at {limit}", Doc: "section 2.2: the header section has 1 MiB"},
	{Key: 0x0651, Kind: KindFinding, Name: "vhdx.header", Class: ClassMalformed, Message: "header {value} of {limit} is damaged", Doc: "section 2.2.2: Signature, Checksum"},
	{Key: 0x0652, Kind: KindFinding, Name: "vhdx.headers-differ", Class: ClassMalformed, Message: "the headers differ and have the same sequence number {value}", Doc: "section 2.2.2: SequenceNumber says which of the two is current"},
	{Key: 0x0653, Kind: KindFinding, Name: "vhdx.unknown-version", Class: Unsupported, Message: "version is {value}, must be {limit}", Doc: "section 2.2.2: Version"},
	{Key: 0x0654, Kind: KindFinding, Name: "vhdx.unknown-log-version", Class: Unsupported, Message: "the log has version {value}, must be {limit}", Doc: "section 2.2.2: LogVersion"},
	{Key: 0x0655, Kind: KindFinding, Name: "vhdx.log-place", Class: ClassMalformed, Message: "the log of {limit} bytes at {hex} is not aligned to 1 MiB or not behind the header section", Doc: "section 2.2.2: LogOffset, LogLength"},
	{Key: 0x0656, Kind: KindFinding, Name: "vhdx.region-table", Class: ClassMalformed, Message: "the region table at byte {value} is damaged", Doc: "section 2.2.3: Signature, Checksum, EntryCount"},
	{Key: 0x0657, Kind: KindFinding, Name: "vhdx.region-tables-differ", Class: ClassMalformed, Message: "the two region tables differ, from byte {value} on", Doc: "section 2.2.3: the second table is a copy of the first"},
	{Key: 0x0658, Kind: KindFinding, Name: "vhdx.region-place", Class: ClassMalformed, Message: "a region of {limit} bytes at {hex} is not aligned to 1 MiB or not behind the header section", Doc: "section 2.2.3.2: FileOffset, Length"},
	{Key: 0x0659, Kind: KindFinding, Name: "vhdx.regions", Class: ClassMalformed, Message: "{value} BAT and {limit} metadata regions, must be one of each", Doc: "section 2.2.3.2: Guid"},
	{Key: 0x065a, Kind: KindFinding, Name: "vhdx.overlap", Class: ClassMalformed, Message: "two parts of the file share bytes, from byte {value} on", Doc: "log, BAT, metadata, other regions and payload blocks must not share bytes; or there are more blocks than the file has room for (deep)"},
	{Key: 0x065b, Kind: KindFinding, Name: "vhdx.metadata-table", Class: ClassMalformed, Message: "the metadata table at byte {value} is damaged", Doc: "section 2.6.1: Signature, EntryCount"},
	{Key: 0x065c, Kind: KindFinding, Name: "vhdx.metadata-item", Class: ClassMalformed, Message: "a metadata item of {limit} bytes at {hex} of its region is there twice, has a wrong size or lies outside", Doc: "section 2.6.1.2: ItemId, Offset, Length, IsUser of an item the specification defines"},
	{Key: 0x065d, Kind: KindFinding, Name: "vhdx.metadata-missing", Class: ClassMalformed, Message: "a required metadata item is missing", Doc: "section 2.6.2: file parameters, virtual disk size, virtual disk id, logical and physical sector size"},
	{Key: 0x065e, Kind: KindFinding, Name: "vhdx.file-parameters", Class: ClassMalformed, Message: "the block size is {value}, must be a power of 2 from 1 MiB to 256 MiB", Doc: "section 2.6.2.1: BlockSize"},
	{Key: 0x065f, Kind: KindFinding, Name: "vhdx.virtual-size", Class: ClassMalformed, Message: "the virtual disk size is {value} bytes, must be a multiple of {limit} and at most 64 TiB", Doc: "section 2.6.2.2: VirtualDiskSize"},
	{Key: 0x0660, Kind: KindFinding, Name: "vhdx.sector-size", Class: ClassMalformed, Message: "a sector size is {value}, must be 512 or 4096", Doc: "sections 2.6.2.4 and 2.6.2.5: LogicalSectorSize, PhysicalSectorSize"},
	{Key: 0x0661, Kind: KindFinding, Name: "vhdx.large-sectors", Class: Unsupported, Message: "the logical sector size is {value}; only {limit} is supported", Doc: "section 2.6.2.4: LogicalSectorSize 4096, which qemu's driver does not read"},
	{Key: 0x0662, Kind: KindFinding, Name: "vhdx.bat-length", Class: ClassMalformed, Message: "the BAT has {value} bytes, the virtual size needs {limit}", Doc: "section 2.5: entries of the BAT"},
	{Key: 0x0663, Kind: KindFinding, Name: "vhdx.bat-entry", Class: ClassMalformed, Message: "the BAT entry {hex} has an unknown or impossible state or reserved bits set", Doc: "section 2.5.1 (deep)"},
	{Key: 0x0664, Kind: KindFinding, Name: "vhdx.incomplete", Class: Incomplete, Message: "the image reaches to byte {value}, the file ends at {limit}", Doc: "a region, the log or a payload block lies behind the end of the file; the place is what points there"},
	{Key: 0x0665, Kind: KindFinding, Name: "vhdx.too-many-regions", Class: ResourceBomb, Message: "{value} regions, {limit} are looked at", Doc: "section 2.2.3.1: EntryCount; the specification defines two regions"},

	{Key: 0x0680, Kind: KindFinding, Name: "vhdx.log", Class: NeedsRepair, Message: "the log is in use and must be replayed", Doc: "section 2.2.2: LogGuid is not zero"},
	{Key: 0x0681, Kind: KindFinding, Name: "vhdx.unknown-region", Class: UnknownFeature, Message: "a required region at byte {value} is not known", Doc: "section 2.2.3.2: Required"},
	{Key: 0x0682, Kind: KindFinding, Name: "vhdx.unknown-optional-region", Class: UnknownFeature, Message: "an optional region at byte {value} is not known", Doc: "section 2.2.3.2: Required is not set; the first of them"},
	{Key: 0x0683, Kind: KindFinding, Name: "vhdx.unknown-metadata", Class: UnknownFeature, Message: "a required metadata item is not known", Doc: "section 2.6.1.2: IsRequired"},
	{Key: 0x0684, Kind: KindFinding, Name: "vhdx.unknown-optional-metadata", Class: UnknownFeature, Message: "an optional metadata item is not known", Doc: "section 2.6.1.2: IsRequired is not set; the first of them"},
	{Key: 0x0685, Kind: KindFinding, Name: "vhdx.unknown-parameters", Class: UnknownFeature, Message: "unknown bits {hex} of the file parameters", Doc: "section 2.6.2.1: bits 2-31"},
}
