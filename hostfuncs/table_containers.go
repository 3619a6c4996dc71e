package hostfuncs

import "slices"

// Keys 0x1000-0x18ff: containers, each with a block of its own. They are no
// disks, but may hold one; a probe names them and checks the first header.
var containerEntries = slices.Concat(
	container(0x1000, "gzip", "a gzip stream", decompress, "RFC 1952, section 2.3: flags"),
	container(0x1100, "xz", "an xz stream", decompress, "The .xz File Format, section 2.1.1: stream flags and their CRC"),
	container(0x1200, "zstd", "a zstd stream", decompress, "RFC 8878, section 3.1: frame header descriptor, type of the first block"),
	container(0x1300, "bzip2", "a bzip2 stream", unpack, "sources of bzip2"),
	container(0x1400, "lz4", "an lz4 stream", unpack, "LZ4 frame format: frame descriptor and its check sum"),
	container(0x1500, "lzma", "an lzma stream", unpack, "lzma-specification.txt of the LZMA SDK"),
	container(0x1600, "zip", "a zip archive", unpack, "APPNOTE.TXT, section 4.3.7: version needed to extract, file name length"),
	container(0x1700, "tar", "a tar archive", unpack, "POSIX.1, pax, ustar interchange format: check sum and size of the first member"),
	incompleteMember(0x1700, "tar"),
	container(0x1800, "ova", "an OVA, an archive of a virtual machine", unpack, "POSIX.1, pax, ustar interchange format: check sum and size of the first member"),
	incompleteMember(0x1800, "ova"),
)

// What to do with a container.
const (
	decompress = "--decompress looks at what is in it"
	unpack     = "unpack it first"
)

// container returns the findings that every container has.
func container(base uint16, format, what, hint, source string) []Entry {
	return []Entry{
		{Key: base | 0x50, Kind: KindFinding, Name: format + ".container", Class: Container, Message: what + ", not a disk: " + hint, Doc: "the file is a container of this format"},
		{Key: base | 0x51, Kind: KindFinding, Name: format + ".header-cut", Class: Incomplete, Message: "the file ends after {value} bytes, inside its first header", Doc: "the file is shorter than the shortest of its kind, or than its first header says"},
		{Key: base | 0x52, Kind: KindFinding, Name: format + ".header", Class: ClassMalformed, Message: "the first header is one that no reader takes", Doc: source},
	}
}

// incompleteMember returns the finding of an archive that ends in its first
// member.
func incompleteMember(base uint16, format string) []Entry {
	return []Entry{{Key: base | 0x53, Kind: KindFinding, Name: format + ".incomplete", Class: Incomplete, Message: "the first member reaches to byte {value}, the file ends at {limit}", Doc: "size of the first member"}}
}
