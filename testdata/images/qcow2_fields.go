package images

import "encoding/binary"

// Field is one big-endian number of a qcow2 header: where it is and how many
// bytes it takes (docs/interop/qcow2.txt, section "Header").
type Field struct {
	Offset, Width int
}

// The fields of the qcow2 header, by the names of the specification. Those
// from IncompatibleFeatures on exist in version 3 only.
var (
	Magic                 = Field{0, 4}
	Version               = Field{4, 4}
	BackingFileOffset     = Field{8, 8}
	BackingFileSize       = Field{16, 4}
	ClusterBits           = Field{20, 4}
	Size                  = Field{24, 8}
	CryptMethod           = Field{32, 4}
	L1Size                = Field{36, 4}
	L1TableOffset         = Field{40, 8}
	RefcountTableOffset   = Field{48, 8}
	RefcountTableClusters = Field{56, 4}
	NbSnapshots           = Field{60, 4}
	SnapshotsOffset       = Field{64, 8}
	IncompatibleFeatures  = Field{72, 8}
	CompatibleFeatures    = Field{80, 8}
	AutoclearFeatures     = Field{88, 8}
	RefcountOrder         = Field{96, 4}
	HeaderLength          = Field{100, 4}
	CompressionType       = Field{104, 1}
)

// Put writes a header field of an image in place.
func Put(image []byte, f Field, value uint64) {
	switch f.Width {
	case 1:
		image[f.Offset] = byte(value)
	case 4:
		binary.BigEndian.PutUint32(image[f.Offset:], uint32(value))
	default:
		binary.BigEndian.PutUint64(image[f.Offset:], value)
	}
}

// Get reads a header field of an image.
func Get(image []byte, f Field) uint64 {
	switch f.Width {
	case 1:
		return uint64(image[f.Offset])
	case 4:
		return uint64(binary.BigEndian.Uint32(image[f.Offset:]))
	default:
		return binary.BigEndian.Uint64(image[f.Offset:])
	}
}

// Bits of the feature fields.
const (
	IncompatibleDirty       = 1 << 0
	IncompatibleCorrupt     = 1 << 1
	IncompatibleDataFile    = 1 << 2
	IncompatibleCompression = 1 << 3
	IncompatibleExtendedL2  = 1 << 4

	CompatibleLazyRefcounts = 1 << 0

	AutoclearBitmaps     = 1 << 0
	AutoclearDataFileRaw = 1 << 1
)

// Types of header extensions.
const (
	ExtensionEnd           = 0x00000000
	ExtensionBackingFormat = 0xe2792aca
	ExtensionFeatureNames  = 0x6803f857
	ExtensionBitmaps       = 0x23852875
	ExtensionEncryption    = 0x0537be77
	ExtensionDataFile      = 0x44415441
)

// Flags of L1 and L2 entries.
const (
	entryCopied = 1 << 63 // the refcount is exactly 1
)
