package hostfuncs

// Keys 0x0500-0x05ff: vhd. The source is Microsoft's Virtual Hard Disk Image
// Format Specification, version 1.0 of 2006; sections and fields are those of
// that document.
var vhdEntries = []Entry{
	{Key: 0x0500, Kind: KindNumber, Name: "vhd.disk_type", Doc: "footer field Disk Type: 2 fixed, 3 dynamic, 4 differencing"},
	{Key: 0x0501, Kind: KindNumber, Name: "vhd.current_size", Doc: "footer field Current Size, in bytes"},
	{Key: 0x0502, Kind: KindNumber, Name: "vhd.original_size", Doc: "footer field Original Size, in bytes"},
	{Key: 0x0503, Kind: KindNumber, Name: "vhd.geometry_size", Doc: "cylinders * heads * sectors per track of the footer field Disk Geometry, in bytes"},
	{Key: 0x0504, Kind: KindText, Name: "vhd.creator_app", Doc: "footer field Creator Application without zeros at its end; decides whether qemu takes the current size or the geometry's"},
	{Key: 0x0505, Kind: KindText, Name: "vhd.unique_id", Doc: "footer field Unique Id as a UUID"},
	{Key: 0x0506, Kind: KindFlag, Name: "vhd.temporary", Doc: "footer field Features, bit 0: the disk may be deleted when the system shuts down"},
	{Key: 0x0507, Kind: KindNumber, Name: "vhd.block_size", Doc: "dynamic header field Block Size, in bytes; tools write 2 MiB, and some of them trust in that"},
	{Key: 0x0508, Kind: KindNumber, Name: "vhd.table_offset", Doc: "dynamic header field Table Offset, in bytes: where the block allocation table (BAT) is"},
	{Key: 0x0509, Kind: KindNumber, Name: "vhd.max_table_entries", Doc: "dynamic header field Max Table Entries: entries of the BAT, of 4 bytes each"},
	{Key: 0x050a, Kind: KindText, Name: "vhd.parent_unique_id", Doc: "dynamic header field Parent Unique ID as a UUID; absent when it is zero"},
	{Key: 0x050b, Kind: KindNumber, Name: "vhd.unset_sectors", Doc: "sectors of allocated blocks that the blocks' bitmaps say are not there (deep)"},

	{Key: 0x0540, Kind: KindReference, Name: "vhd.parent", Class: ExternalReference, Message: "parent disk {target}", Doc: "disk type 4, whatever else it says, or a Parent Unique ID that is not zero; the target is that id"},
	{Key: 0x0541, Kind: KindReference, Name: "vhd.parent-name", Class: ExternalReference, Message: "parent disk named {target}", Doc: "dynamic header field Parent Unicode Name is not zero, in whatever type of disk"},
	{Key: 0x0542, Kind: KindReference, Name: "vhd.parent-locator", Class: ExternalReference, Message: "parent locator {target}", Doc: "a Parent Locator Entry with a field that is not zero, of whatever platform code, in whatever type of disk; the target is the platform data, of codes W2ku and W2ru as UTF-8"},

	{Key: 0x0550, Kind: KindFinding, Name: "vhd.footer-cut", Class: Incomplete, Message: "the file ends after {value} bytes of a footer of {limit}", Doc: "the file starts with the cookie and is shorter than a footer"},
	{Key: 0x0551, Kind: KindFinding, Name: "vhd.short-footer", Class: AmbiguousFormat, Message: "the footer has {value} bytes, not 512: some readers take it for one, others for data of a raw disk", Doc: "section Hard Disk Footer Format: before Virtual PC 2004 a footer had 511 bytes; qemu fills up a footer in the last, cut sector with zeros"},
	{Key: 0x0552, Kind: KindFinding, Name: "vhd.footer-missing", Class: Incomplete, Message: "no footer in the last 512 of {value} bytes: the image is cut, or something follows it", Doc: "the copy at the start is there, the footer is not where it must be"},
	{Key: 0x0553, Kind: KindFinding, Name: "vhd.copy-missing", Class: ClassMalformed, Message: "a footer of disk type {value}, and no copy of it at the start", Doc: "only a fixed disk has no copy"},
	{Key: 0x0554, Kind: KindFinding, Name: "vhd.copies-differ", Class: AmbiguousFormat, Message: "the copy at the start and the footer differ, first in their byte {value}: readers disagree on which rules", Doc: "the two must be the same"},
	{Key: 0x0555, Kind: KindFinding, Name: "vhd.footer-checksum", Class: ClassMalformed, Message: "the checksum of the footer is {value}, its bytes give {limit}", Doc: "footer field Checksum: one's complement of the sum of the other bytes"},
	{Key: 0x0556, Kind: KindFinding, Name: "vhd.unknown-version", Class: Unsupported, Message: "version is {hex}, must be 0x10000", Doc: "footer field File Format Version, dynamic header field Header Version"},
	{Key: 0x0557, Kind: KindFinding, Name: "vhd.features", Class: UnknownFeature, Message: "features are {hex}: bit 1 must be set, and bits above it are not known", Doc: "footer field Features"},
	{Key: 0x0558, Kind: KindFinding, Name: "vhd.type-mismatch", Class: ClassMalformed, Message: "disk type is {value}, must be 2 for a footer without a copy, 3 or 4 for one with", Doc: "footer field Disk Type"},
	{Key: 0x0559, Kind: KindFinding, Name: "vhd.data-offset", Class: ClassMalformed, Message: "the data offset is {hex}, which no disk of type {limit} has", Doc: "footer field Data Offset: all ones in a fixed disk, else a multiple of 512 behind the copy"},
	{Key: 0x055a, Kind: KindFinding, Name: "vhd.virtual-size", Class: ClassMalformed, Message: "the size of the disk is {value} bytes, must be a multiple of 512 and at most {limit}", Doc: "footer field Current Size; 2040 GiB is what qemu opens"},
	{Key: 0x055b, Kind: KindFinding, Name: "vhd.geometry", Class: ClassMalformed, Message: "the geometry gives {value} bytes, the current size is {limit}: readers of this creator's disks take the one or the other", Doc: "footer field Disk Geometry, where it decides: larger than the current size, or smaller by a cylinder or more"},
	{Key: 0x055c, Kind: KindFinding, Name: "vhd.size-by-geometry", Class: Legacy, Message: "the geometry decides the size, as with Virtual PC: {value} bytes, the current size is {limit}", Doc: "the end of the disk, less than a cylinder, is not read"},
	{Key: 0x055d, Kind: KindFinding, Name: "vhd.dynamic-header", Class: ClassMalformed, Message: "no dynamic disk header at byte {value}", Doc: "dynamic header field Cookie"},
	{Key: 0x055e, Kind: KindFinding, Name: "vhd.header-checksum", Class: ClassMalformed, Message: "the checksum of the dynamic disk header is {value}, its bytes give {limit}", Doc: "dynamic header field Checksum"},
	{Key: 0x055f, Kind: KindFinding, Name: "vhd.next-structure", Class: UnknownFeature, Message: "the dynamic disk header points to a further structure at {hex}", Doc: "dynamic header field Data Offset: unused, all ones in its lower half or in both"},
	{Key: 0x0560, Kind: KindFinding, Name: "vhd.odd-block-size", Class: ClassMalformed, Message: "the block size is {value}, must be a power of two of at least {limit}", Doc: "dynamic header field Block Size; of smaller blocks, readers disagree on whether they have a bitmap"},
	{Key: 0x0561, Kind: KindFinding, Name: "vhd.bat-offset", Class: ClassMalformed, Message: "the offset of the block allocation table is {hex}, must be a multiple of {limit}, not 0, and in reach", Doc: "dynamic header field Table Offset"},
	{Key: 0x0562, Kind: KindFinding, Name: "vhd.bat-entries", Class: ClassMalformed, Message: "the block allocation table has {value} entries, the disk needs {limit}", Doc: "dynamic header field Max Table Entries"},
	{Key: 0x0563, Kind: KindFinding, Name: "vhd.incomplete", Class: Incomplete, Message: "the image reaches to byte {value}, the file ends at {limit}", Doc: "a table or data that the image maps lies behind the end of the file; the place is what points there"},
	{Key: 0x0564, Kind: KindFinding, Name: "vhd.overlap", Class: ClassMalformed, Message: "two parts of the image lie over each other, from byte {value} on", Doc: "footer, its copy, dynamic header, BAT and (deep) blocks share bytes"},
	{Key: 0x0565, Kind: KindFinding, Name: "vhd.partial-blocks", Class: AmbiguousFormat, Message: "{value} sectors of allocated blocks are marked as never written: qemu reads what the blocks hold there, other readers zeros", Doc: "section Block Allocation Table and Data Blocks (deep), of a dynamic disk; the two are the same unless the blocks were made to differ"},
	{Key: 0x0566, Kind: KindFinding, Name: "vhd.saved-state-value", Class: ClassMalformed, Message: "saved state is {value}, must be 0 or 1", Doc: "footer field Saved State"},
	{Key: 0x0567, Kind: KindFinding, Name: "vhd.unaligned-footer", Class: AmbiguousFormat, Message: "the footer of the fixed disk is at byte {value}, which is no multiple of 512: some readers find it there, qemu does not", Doc: "the size of the file of a fixed disk"},

	{Key: 0x0580, Kind: KindFinding, Name: "vhd.saved-state", Class: NeedsRepair, Message: "the disk belongs to a machine in saved state: the rest of its state is elsewhere", Doc: "footer field Saved State is 1"},
}
