package hostfuncs

// Keys 0x0400-0x04ff: vmdk. The source is VMware's technical note Virtual
// Disk Format 5.0; sections are those of that document. Of COWD it describes
// version 1.1; seSparse has no public description but qemu's driver.
var vmdkEntries = []Entry{
	{Key: 0x0400, Kind: KindText, Name: "vmdk.create_type", Doc: "createType of the descriptor; of COWD and seSparse extents, which have none, vmfsSparse and seSparse"},
	{Key: 0x0401, Kind: KindText, Name: "vmdk.self_extent", Doc: "file name in the one extent line that describes the file itself"},
	{Key: 0x0402, Kind: KindNumber, Name: "vmdk.version", Doc: "header field version"},
	{Key: 0x0403, Kind: KindNumber, Name: "vmdk.extents", Doc: "extent lines of the descriptor, the one of the file itself included"},
	{Key: 0x0404, Kind: KindNumber, Name: "vmdk.descriptor_bytes", Doc: "size of the descriptor, in bytes: header field descriptorSize, or the text of a file that is one"},
	{Key: 0x0405, Kind: KindNumber, Name: "vmdk.grain_bytes", Doc: "header field grainSize, in bytes"},
	{Key: 0x0406, Kind: KindNumber, Name: "vmdk.grain_directory_bytes", Doc: "size of the grain directory that the capacity needs, in bytes"},
	{Key: 0x0407, Kind: KindFlag, Name: "vmdk.compressed", Doc: "grains are compressed (compressAlgorithm is 1)"},
	{Key: 0x0408, Kind: KindFlag, Name: "vmdk.footer", Doc: "the grain directory is found by the footer (gdOffset is ffffffffffffffff)"},

	{Key: 0x0440, Kind: KindReference, Name: "vmdk.extent", Class: ExternalReference, Message: "extent {target}", Doc: "section Extent Descriptions: an extent line, whatever its access and type, that does not describe the file itself"},
	{Key: 0x0441, Kind: KindReference, Name: "vmdk.read-only-extent", Class: ExternalReference, Message: "read-only extent {target}", Doc: "the one extent line would describe the file itself, but its access is RDONLY: what the exports of VMware's tools have"},
	{Key: 0x0442, Kind: KindReference, Name: "vmdk.parent", Class: ExternalReference, Message: "parent {target}", Doc: "section The Descriptor File: parentFileNameHint, wherever it stands in the text; a COWD header's parent; any other key that names a parent"},
	{Key: 0x0443, Kind: KindReference, Name: "vmdk.parent-cid", Class: ExternalReference, Message: "content id of a parent {target}", Doc: "parentCID is there and not ffffffff"},
	{Key: 0x0444, Kind: KindReference, Name: "vmdk.side-file", Class: ExternalReference, Message: "file beside the disk {target}", Doc: "a key that names a file: changeTrackPath, a digest, sidecars, an object's URI"},

	{Key: 0x0450, Kind: KindFinding, Name: "vmdk.header-cut", Class: Incomplete, Message: "the file ends after {value} bytes of a header of {limit}", Doc: "the file is shorter than its header"},
	{Key: 0x0451, Kind: KindFinding, Name: "vmdk.wrong-endian", Class: ClassMalformed, Message: "the magic is byte-swapped", Doc: "no reader takes it, some tool may"},
	{Key: 0x0452, Kind: KindFinding, Name: "vmdk.unknown-version", Class: Unsupported, Message: "version is {value}, must be 1 to {limit}", Doc: "header field version"},
	{Key: 0x0453, Kind: KindFinding, Name: "vmdk.capacity", Class: ClassMalformed, Message: "capacity is {value} sectors, must be 1 to {limit}", Doc: "header field capacity of a file that no descriptor spreads over others"},
	{Key: 0x0454, Kind: KindFinding, Name: "vmdk.grain-size", Class: ClassMalformed, Message: "grainSize is {value} sectors, must be a power of 2 from 16 to {limit}", Doc: "header field grainSize"},
	{Key: 0x0455, Kind: KindFinding, Name: "vmdk.grain-table-size", Class: ClassMalformed, Message: "numGTEsPerGT is {value}, must be {limit}", Doc: "header field numGTEsPerGT"},
	{Key: 0x0456, Kind: KindFinding, Name: "vmdk.directory-offset", Class: ClassMalformed, Message: "a grain directory is at sector {hex}, which none can have", Doc: "header fields gdOffset and, when it is used, rgdOffset: not 0, not over the header or the descriptor, in reach of a file offset"},
	{Key: 0x0457, Kind: KindFinding, Name: "vmdk.descriptor-offset", Class: ClassMalformed, Message: "the descriptor has {limit} sectors at sector {value}, must be at sector 1", Doc: "header fields descriptorOffset and descriptorSize: readers look at sector 1 whatever they say"},
	{Key: 0x0458, Kind: KindFinding, Name: "vmdk.compression", Class: ClassMalformed, Message: "compressAlgorithm is {value} with flags {limit}, which contradict each other or createType", Doc: "header fields compressAlgorithm and flags (bits 16 and 17): 1 and both set if and only if createType is streamOptimized"},
	{Key: 0x0459, Kind: KindFinding, Name: "vmdk.zeroed-grains", Class: ClassMalformed, Message: "zeroed grains are in use in a header of version {value}, must be at least {limit}", Doc: "header field flags, bit 2"},
	{Key: 0x045a, Kind: KindFinding, Name: "vmdk.line-ends", Class: ClassMalformed, Message: "the line end characters are {hex}: the file was changed as text", Doc: "header fields singleEndLineChar to doubleEndLineChar2, when bit 0 of flags is set"},
	{Key: 0x045b, Kind: KindFinding, Name: "vmdk.incomplete", Class: Incomplete, Message: "the image reaches to byte {value}, the file ends at {limit}", Doc: "metadata, or a grain that is in use, lies behind the end of the file; the place is what points there"},
	{Key: 0x045c, Kind: KindFinding, Name: "vmdk.overlap", Class: ClassMalformed, Message: "a table or grain lies over other metadata, at sector {value}", Doc: "header, descriptor, grain directories, grain tables and grains share no sectors"},
	{Key: 0x045d, Kind: KindFinding, Name: "vmdk.footer-missing", Class: Incomplete, Message: "no footer at byte {value}, where the last three sectors of the file start", Doc: "section Stream-Optimized Compressed Sparse Extents: footer marker, footer, end-of-stream marker"},
	{Key: 0x045e, Kind: KindFinding, Name: "vmdk.footer-differs", Class: ClassMalformed, Message: "byte {value} of the footer is not that of the header", Doc: "the footer is a copy of the header but for gdOffset and rgdOffset"},
	{Key: 0x045f, Kind: KindFinding, Name: "vmdk.redundant-tables", Class: ClassMalformed, Message: "the grain table for sector {value} and its redundant copy differ", Doc: "section Grain Directory and Grain Tables (deep)"},
	{Key: 0x0460, Kind: KindFinding, Name: "vmdk.grain-marker", Class: ClassMalformed, Message: "the marker of a grain names sector {value}, must name {limit}, with a size that fits", Doc: "section Stream-Optimized Compressed Sparse Extents: fields lba and size of a grain marker (deep)"},
	{Key: 0x0461, Kind: KindFinding, Name: "vmdk.metadata-marker", Class: ClassMalformed, Message: "the sector before a table is a marker of type {value}, must be {limit}", Doc: "metadata markers before grain directory and grain tables of a file with a footer (deep)"},

	{Key: 0x0466, Kind: KindFinding, Name: "vmdk.descriptor-lines", Class: ResourceBomb, Message: "the descriptor has too many lines, at most {limit} are looked at", Doc: "a line that is not blank or a comment counts as eight; what is behind the last one is not known"},
	{Key: 0x0467, Kind: KindFinding, Name: "vmdk.descriptor-size", Class: ResourceBomb, Message: "the descriptor has {value} bytes, {limit} are looked at", Doc: "header field descriptorSize, or the text of a file that is a descriptor"},
	{Key: 0x0468, Kind: KindFinding, Name: "vmdk.descriptor-missing", Class: Unsupported, Message: "no descriptor: an extent of a disk in several files", Doc: "header field descriptorOffset or descriptorSize is 0, or there is no text"},
	{Key: 0x0469, Kind: KindFinding, Name: "vmdk.descriptor-start", Class: ClassMalformed, Message: "the descriptor does not start with its title line", Doc: "a byte order mark, blank lines, or something else before \"# Disk DescriptorFile\""},
	{Key: 0x046a, Kind: KindFinding, Name: "vmdk.descriptor-encoding", Class: ClassMalformed, Message: "the descriptor is text of 16-bit characters", Doc: "UTF-16, which some readers take and some do not see"},
	{Key: 0x046b, Kind: KindFinding, Name: "vmdk.descriptor-text", Class: ClassMalformed, Message: "the descriptor holds the byte {hex}", Doc: "a control character, or a CR without LF, at which readers split lines differently"},
	{Key: 0x046c, Kind: KindFinding, Name: "vmdk.descriptor-line", Class: ClassMalformed, Message: "a line of the descriptor is no comment, extent or key with a value, or longer than {limit} bytes", Doc: "section The Descriptor File"},
	{Key: 0x046d, Kind: KindFinding, Name: "vmdk.descriptor-key", Class: ClassMalformed, Message: "a key or word of the descriptor is not in its usual case, or not alone", Doc: "some readers compare ignoring case, some do not; some search for a key anywhere in the text"},
	{Key: 0x046e, Kind: KindFinding, Name: "vmdk.descriptor-duplicate", Class: ClassMalformed, Message: "a key of the descriptor is given twice", Doc: "createType, CID, parentCID, parentFileNameHint, version or encoding: readers differ in which they take"},
	{Key: 0x046f, Kind: KindFinding, Name: "vmdk.descriptor-hidden", Class: ClassMalformed, Message: "something that counts stands behind the end of the descriptor's text", Doc: "an extent or a key behind the first NUL byte, or behind descriptorSize and before the end of the 20 sectors that readers take"},
	{Key: 0x0470, Kind: KindFinding, Name: "vmdk.create-type-missing", Class: ClassMalformed, Message: "the descriptor has no createType", Doc: "section The Descriptor File"},

	{Key: 0x0480, Kind: KindFinding, Name: "vmdk.descriptor-only", Class: Unsupported, Message: "the file is a descriptor, the disk is in other files", Doc: "a file that is only a descriptor, or a header of capacity 0 with one"},
	{Key: 0x0481, Kind: KindFinding, Name: "vmdk.cowd", Class: Unsupported, Message: "a COWD extent of ESX", Doc: "section ESX Server Sparse Extents of version 1.1"},
	{Key: 0x0482, Kind: KindFinding, Name: "vmdk.sesparse", Class: Unsupported, Message: "a seSparse extent of ESXi", Doc: "the constant header of qemu's driver"},
	{Key: 0x0483, Kind: KindFinding, Name: "vmdk.unknown-flags", Class: UnknownFeature, Message: "unknown flags {hex}", Doc: "header field flags, bits other than 0, 1, 2, 16 and 17"},
	{Key: 0x0484, Kind: KindFinding, Name: "vmdk.dirty", Class: NeedsRepair, Message: "the image was not closed", Doc: "header field uncleanShutdown is not 0"},
	{Key: 0x0485, Kind: KindFinding, Name: "vmdk.encrypted", Class: Encrypted, Message: "the descriptor holds keys of an encrypted disk", Doc: "a key that starts with encryption, or ddb.encryption"},

	{Kind: KindFinding, Name: "vmdk.subformat", Class: Unsupported, Message: "subformat {target} is not allowed by the policy", Doc: "the policy's vmdk_subformats does not list createType"},
}
