package hostfuncs

// Keys 0x0300-0x03ff: gpt. The source is the UEFI specification, section 5.3.
var gptEntries = []Entry{
	{Key: 0x0300, Kind: KindNumber, Name: "gpt.sector_size", Doc: "size of a logical block as the place of the header shows it, in bytes: 512 or 4096"},
	{Key: 0x0301, Kind: KindNumber, Name: "gpt.partitions", Doc: "entries whose type is not zero"},

	{Key: 0x0350, Kind: KindFinding, Name: "gpt.primary-header", Class: ClassMalformed, Message: "the primary header at byte {value} is missing or damaged", Doc: "table 5-5: signature, revision, header size, CRC, own and alternate block, usable blocks"},
	{Key: 0x0351, Kind: KindFinding, Name: "gpt.backup-header", Class: ClassMalformed, Message: "the backup header at byte {value} is missing or damaged", Doc: "as gpt.primary-header"},
	{Key: 0x0352, Kind: KindFinding, Name: "gpt.primary-entries", Class: ClassMalformed, Message: "the primary partition entries at byte {value} are missing or damaged", Doc: "number and size of the entries, their place, their CRC"},
	{Key: 0x0353, Kind: KindFinding, Name: "gpt.backup-entries", Class: ClassMalformed, Message: "the backup partition entries at byte {value} are missing or damaged", Doc: "as gpt.primary-entries"},
	{Key: 0x0354, Kind: KindFinding, Name: "gpt.copies-differ", Class: ClassMalformed, Message: "the primary and the backup header describe different tables", Doc: "disk GUID, usable blocks, number, size and CRC of the entries must agree"},
	{Key: 0x0355, Kind: KindFinding, Name: "gpt.backup-misplaced", Class: Incomplete, Message: "the backup header is at byte {value}, the last block of the disk at {limit}", Doc: "the disk was enlarged, or cut, after it was partitioned"},
	{Key: 0x0356, Kind: KindFinding, Name: "gpt.outside-usable", Class: ClassMalformed, Message: "a partition from block {value} to block {limit} is empty or leaves the usable blocks", Doc: "table 5-6: starting and ending block against the header's first and last usable block"},
	{Key: 0x0357, Kind: KindFinding, Name: "gpt.beyond-disk", Class: Incomplete, Message: "a partition ends at byte {value}, the disk at {limit}", Doc: "ending block of an entry"},
	{Key: 0x0358, Kind: KindFinding, Name: "gpt.overlap", Class: ClassMalformed, Message: "two partitions share blocks, from {value} on", Doc: "entries that overlap; looked for among the first 128 that are in use"},
	{Key: 0x0359, Kind: KindFinding, Name: "gpt.no-protective-mbr", Class: ClassMalformed, Message: "no protective MBR", Doc: "section 5.2.3: the first block has no entry of type ee"},
	{Key: 0x035a, Kind: KindFinding, Name: "gpt.hybrid-mbr", Class: ClassMalformed, Message: "the MBR lists partitions of its own beside the protective one", Doc: "section 5.2.3: readers of the MBR and of the GPT see different disks"},
}
