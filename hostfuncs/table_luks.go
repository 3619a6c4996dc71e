package hostfuncs

// Keys 0x0800-0x08ff: luks. The sources are the LUKS On-Disk Format
// Specification, version 1.2.3, and the LUKS2 On-Disk Format Specification,
// version 1.1.1.
var luksEntries = []Entry{
	{Key: 0x0800, Kind: KindNumber, Name: "luks.version", Doc: "header field version: 1 or 2"},
	{Key: 0x0801, Kind: KindNumber, Name: "luks.payload_offset", Doc: "version 1: payload-offset, in bytes; the driver luks reads the disk from here on"},
	{Key: 0x0802, Kind: KindNumber, Name: "luks.key_bytes", Doc: "version 1: key-bytes, length of the master key in bytes"},
	{Key: 0x0803, Kind: KindNumber, Name: "luks.key_slots", Doc: "version 1: key slots that are in use, of 8"},
	{Key: 0x0804, Kind: KindNumber, Name: "luks.iterations", Doc: "version 1: largest number of PBKDF2 iterations, of the slots in use and mk-digest-iter"},
	{Key: 0x0805, Kind: KindText, Name: "luks.cipher", Doc: "version 1: cipher-name"},
	{Key: 0x0806, Kind: KindText, Name: "luks.cipher_mode", Doc: "version 1: cipher-mode"},
	{Key: 0x0807, Kind: KindText, Name: "luks.hash", Doc: "version 1: hash-spec"},
	{Key: 0x0808, Kind: KindNumber, Name: "luks.header_bytes", Doc: "version 2: hdr_size, one header with its JSON area, in bytes"},

	{Key: 0x0850, Kind: KindFinding, Name: "luks.header-cut", Class: Incomplete, Message: "the file ends after {value} bytes of a header of {limit}", Doc: "the file is shorter than the header of its version"},
	{Key: 0x0851, Kind: KindFinding, Name: "luks.unknown-version", Class: Unsupported, Message: "version is {value}, must be 1 or 2", Doc: "header field version"},
	{Key: 0x0852, Kind: KindFinding, Name: "luks.luks2", Class: Unsupported, Message: "LUKS version 2; only version 1 can be opened", Doc: "header field version is 2"},
	{Key: 0x0853, Kind: KindFinding, Name: "luks.string", Class: ClassMalformed, Message: "a name of {value} bytes is not terminated", Doc: "version 1, figure 1: cipher-name, cipher-mode, hash-spec, uuid; the place says which"},
	{Key: 0x0854, Kind: KindFinding, Name: "luks.key-length", Class: ClassMalformed, Message: "key-bytes is {value}, must be 1 to {limit}", Doc: "version 1: key-bytes"},
	{Key: 0x0855, Kind: KindFinding, Name: "luks.payload-in-header", Class: ClassMalformed, Message: "the payload starts at byte {value}, inside the header of {limit}", Doc: "version 1: payload-offset"},
	{Key: 0x0856, Kind: KindFinding, Name: "luks.detached-header", Class: Incomplete, Message: "a detached header: the payload is in another file", Doc: "version 1: payload-offset is 0"},
	{Key: 0x0857, Kind: KindFinding, Name: "luks.iterations-zero", Class: ClassMalformed, Message: "a count of PBKDF2 iterations is 0", Doc: "version 1: mk-digest-iter, or iterations of a slot in use"},
	{Key: 0x0858, Kind: KindFinding, Name: "luks.key-slot-state", Class: ClassMalformed, Message: "a key slot's state is {hex}, must be 0xac71f3 or 0xdead", Doc: "version 1, section 2.4: active"},
	{Key: 0x0859, Kind: KindFinding, Name: "luks.stripes", Class: ClassMalformed, Message: "a key slot has {value} stripes, must have {limit}", Doc: "version 1, section 2.4: stripes"},
	{Key: 0x085a, Kind: KindFinding, Name: "luks.key-material", Class: ClassMalformed, Message: "a key slot's material starts at byte {value}, inside the header of {limit}", Doc: "version 1: key-material-offset"},
	{Key: 0x085b, Kind: KindFinding, Name: "luks.key-material-in-payload", Class: ClassMalformed, Message: "a key slot's material reaches to byte {value}, the payload starts at {limit}", Doc: "version 1: key-material-offset, stripes and key-bytes"},
	{Key: 0x085c, Kind: KindFinding, Name: "luks.key-material-overlap", Class: ClassMalformed, Message: "two key slots share bytes, from {value} on", Doc: "version 1: key-material-offset, stripes and key-bytes"},
	{Key: 0x085d, Kind: KindFinding, Name: "luks.incomplete", Class: Incomplete, Message: "the image reaches to byte {value}, the file ends at {limit}", Doc: "key material, the start of the payload, or the headers of version 2 lie behind the end of the file"},
	{Key: 0x085e, Kind: KindFinding, Name: "luks.primary-header", Class: ClassMalformed, Message: "the primary header is missing or damaged", Doc: "version 2, section 2.1: magic, version, hdr_offset"},
	{Key: 0x085f, Kind: KindFinding, Name: "luks.secondary-header", Class: ClassMalformed, Message: "the secondary header at byte {value} is missing or damaged", Doc: "version 2, section 2.1: magic, version, hdr_offset"},
	{Key: 0x0860, Kind: KindFinding, Name: "luks.header-size", Class: ClassMalformed, Message: "hdr_size is {value}, must be a power of two from 16 KiB to 4 MiB", Doc: "version 2, section 2.2"},
	{Key: 0x0861, Kind: KindFinding, Name: "luks.copies-differ", Class: ClassMalformed, Message: "the primary and the secondary header differ", Doc: "version 2: hdr_size, seqid, uuid"},

	{Key: 0x0880, Kind: KindFinding, Name: "luks.encrypted", Class: Encrypted, Message: "encrypted with LUKS", Doc: "the disk can be read with a secret only"},
}
