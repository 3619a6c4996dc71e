package hostfuncs

// Keys 0x0200-0x02ff: mbr. There is no specification; the layout is that of
// the IBM PC/AT, the meaning of types 05, 0f, 85 and ee what partitioning
// tools agree on (and, for ee, section 5.2 of the UEFI specification).
var mbrEntries = []Entry{
	{Key: 0x0200, Kind: KindNumber, Name: "mbr.partitions", Doc: "partitions that are not empty, logical ones included"},
	{Key: 0x0201, Kind: KindFlag, Name: "mbr.protective", Doc: "an entry has type ee: the record protects a GPT, or is a hybrid of both"},

	{Key: 0x0250, Kind: KindFinding, Name: "mbr.beyond-disk", Class: Incomplete, Message: "a partition ends at byte {value}, the disk at {limit}", Doc: "first sector and sector count of an entry, with sectors of 512 bytes"},
	{Key: 0x0251, Kind: KindFinding, Name: "mbr.overlap", Class: ClassMalformed, Message: "two partitions share bytes, from {value} on", Doc: "primary entries that overlap"},
	{Key: 0x0252, Kind: KindFinding, Name: "mbr.logical-chain", Class: ClassMalformed, Message: "the chain of logical partitions is broken at byte {value}", Doc: "an extended boot record without signature or outside its extended partition, or more than 128 of them"},
}
