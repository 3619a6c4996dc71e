package images

import (
	"encoding/binary"
	"hash/crc32"
	"unicode/utf16"
)

// Where the parts of VHDX's image are, in bytes ([MS-VHDX], section 2.2).
const (
	vhdxHeader1      = 64 << 10
	vhdxHeader2      = 128 << 10
	vhdxRegionTable1 = 192 << 10
	vhdxRegionTable2 = 256 << 10
	vhdxBAT          = 1 << 20
	vhdxMetadata     = 2 << 20
	vhdxData         = 3 << 20 // the first payload block; the log, if there is one, is behind the blocks

	vhdxItems     = vhdxMetadata + 64<<10 // the first metadata item
	vhdxTableSize = 64 << 10
)

// GUIDs of regions and metadata items, as they are in the file.
var (
	guidBAT            = guid(0x2dc27766, 0xf623, 0x4200, "\x9d\x64\x11\x5e\x9b\xfd\x4a\x08")
	guidMetadata       = guid(0x8b7ca206, 0x4790, 0x4b9a, "\xb8\xfe\x57\x5f\x05\x0f\x88\x6e")
	guidFileParameters = guid(0xcaa16737, 0xfa36, 0x4d43, "\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b")
	guidDiskSize       = guid(0x2fa54224, 0xcd1b, 0x4876, "\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8")
	guidDiskID         = guid(0xbeca12ab, 0xb2e6, 0x4523, "\x93\xef\xc3\x09\xe0\x00\xc7\x46")
	guidLogicalSector  = guid(0x8141bf1d, 0xa96f, 0x4709, "\xba\x47\xf2\x33\xa8\xfa\xab\x5f")
	guidPhysicalSector = guid(0xcda348c7, 0x445d, 0x4471, "\x9c\xc9\xe9\x88\x52\x51\xc5\x56")
	guidParentLocator  = guid(0xa8d35f2d, 0xb30b, 0x454d, "\xab\xf7\xd3\xd8\x48\x34\xab\x0c")
	guidParentType     = guid(0xb04aefb7, 0xd19e, 0x4a81, "\xb7\x89\x25\xb8\xe9\x44\x59\x13")
	guidUnknown        = guid(0x12345678, 0x9abc, 0x4def, "\x81\x23\x45\x67\x89\xab\xcd\xef")
)

func guid(a uint32, b, c uint16, rest string) []byte {
	g := binary.LittleEndian.AppendUint32(nil, a)
	g = binary.LittleEndian.AppendUint16(g, b)
	g = binary.LittleEndian.AppendUint16(g, c)
	return append(g, rest...)
}

// Flags of a metadata item.
const (
	vhdxUser        = 1 << 0
	vhdxVirtualDisk = 1 << 1
	vhdxRequired    = 1 << 2
)

// vhdxItem is a metadata item and its value.
type vhdxItem struct {
	id    []byte
	flags uint32
	value []byte
}

// vhdxRegion is an entry of the region table.
type vhdxRegion struct {
	id       []byte
	offset   uint64
	length   uint32
	required bool
}

// vhdx is what an image is to hold.
type vhdx struct {
	size       uint64
	blockSize  uint32
	parameters uint32
	sector     uint32
	logLength  uint32
	written    []int64 // payload blocks that hold data
	regions    []vhdxRegion
	items      []vhdxItem
	patches    []func([]byte) // before the checksums
	damages    []func([]byte) // behind them
}

// VHDXOption changes what VHDX builds.
type VHDXOption func(*vhdx)

func vhdxSize(size uint64) VHDXOption        { return func(v *vhdx) { v.size = size } }
func vhdxBlocks(size uint32) VHDXOption      { return func(v *vhdx) { v.blockSize = size } }
func vhdxParameters(bits uint32) VHDXOption  { return func(v *vhdx) { v.parameters |= bits } }
func vhdxSector(size uint32) VHDXOption      { return func(v *vhdx) { v.sector = size } }
func vhdxLog(length uint32) VHDXOption       { return func(v *vhdx) { v.logLength = length } }
func vhdxWritten(blocks ...int64) VHDXOption { return func(v *vhdx) { v.written = blocks } }

func vhdxAddRegion(r vhdxRegion) VHDXOption {
	return func(v *vhdx) { v.regions = append(v.regions, r) }
}

func vhdxAddItem(id []byte, flags uint32, value []byte) VHDXOption {
	return func(v *vhdx) { v.items = append(v.items, vhdxItem{id, flags, value}) }
}

// vhdxPatch changes the image before its checksums are made, so that the
// change is seen for itself; vhdxDamage behind them.
func vhdxPatch(change func([]byte)) VHDXOption {
	return func(v *vhdx) { v.patches = append(v.patches, change) }
}

func vhdxDamage(change func([]byte)) VHDXOption {
	return func(v *vhdx) { v.damages = append(v.damages, change) }
}

// vhdxPut writes a little-endian number of 2, 4 or 8 bytes at each offset.
func vhdxPut(width int, value uint64, offsets ...int) VHDXOption {
	return vhdxPatch(func(b []byte) {
		for _, at := range offsets {
			putLittle(b[at:], width, value)
		}
	})
}

func putLittle(b []byte, width int, value uint64) {
	for i := range width {
		b[i] = byte(value >> (8 * i))
	}
}

// VHDX builds an image. Without options: a disk of 4 MiB in blocks of 1 MiB,
// none of them written, no log.
func VHDX(options ...VHDXOption) []byte {
	v := vhdx{size: 4 << 20, blockSize: 1 << 20, sector: 512}
	for _, o := range options {
		o(&v)
	}
	le := binary.LittleEndian
	v.regions = append([]vhdxRegion{{guidBAT, vhdxBAT, 1 << 20, true}, {guidMetadata, vhdxMetadata, 1 << 20, true}}, v.regions...)
	v.items = append([]vhdxItem{
		{guidFileParameters, vhdxRequired, le.AppendUint32(le.AppendUint32(nil, v.blockSize), v.parameters)},
		{guidDiskSize, vhdxRequired | vhdxVirtualDisk, le.AppendUint64(nil, v.size)},
		{guidDiskID, vhdxRequired | vhdxVirtualDisk, guidUnknown},
		{guidLogicalSector, vhdxRequired | vhdxVirtualDisk, le.AppendUint32(nil, v.sector)},
		{guidPhysicalSector, vhdxRequired | vhdxVirtualDisk, le.AppendUint32(nil, v.sector)},
	}, v.items...)

	image := v.blocks()
	logOffset := uint64(vhdxBAT)
	if v.logLength > 0 {
		logOffset = uint64(len(image))
		image = append(image, make([]byte, v.logLength)...)
	}
	copy(image, "vhdxfile")
	for i, at := range []int{vhdxHeader1, vhdxHeader2} {
		h := image[at:]
		copy(h, "head")
		le.PutUint64(h[8:], uint64(7+i)) // sequence number
		copy(h[16:], guidUnknown)        // file write
		copy(h[32:], guidUnknown)        // data write
		le.PutUint16(h[66:], 1)          // version
		le.PutUint32(h[68:], v.logLength)
		le.PutUint64(h[72:], logOffset)
	}
	for _, at := range []int{vhdxRegionTable1, vhdxRegionTable2} {
		v.putRegions(image[at:][:vhdxTableSize])
	}
	v.putMetadata(image)
	for _, patch := range v.patches {
		patch(image)
	}
	sealVHDX(image)
	for _, damage := range v.damages {
		damage(image)
	}
	return image
}

// blocks lays out the payload blocks and enters them into the BAT.
func (v *vhdx) blocks() []byte {
	length := func(block int64) int64 { // of its data
		return min(int64(v.blockSize), int64(v.size)-block*int64(v.blockSize))
	}
	total := int64(vhdxData)
	for _, block := range v.written {
		total += align(length(block), 1<<20)
	}
	image := make([]byte, total)
	ratio := int64(1<<23) * int64(v.sector) / int64(v.blockSize)
	offset := int64(vhdxData)
	for _, block := range v.written {
		fill(image[offset:][:length(block)], uint64(block)+1)
		entry := vhdxBAT + 8*(block+block/ratio) // behind each chunk the entry of its sector bitmap
		binary.LittleEndian.PutUint64(image[entry:], uint64(offset)|6)
		offset += align(length(block), 1<<20)
	}
	return image
}

func (v *vhdx) putRegions(table []byte) {
	le := binary.LittleEndian
	copy(table, "regi")
	le.PutUint32(table[8:], uint32(len(v.regions)))
	for i, r := range v.regions {
		entry := table[16+32*i:]
		copy(entry, r.id)
		le.PutUint64(entry[16:], r.offset)
		le.PutUint32(entry[24:], r.length)
		if r.required {
			le.PutUint32(entry[28:], 1)
		}
	}
}

func (v *vhdx) putMetadata(image []byte) {
	le := binary.LittleEndian
	table, at := image[vhdxMetadata:], vhdxItems
	copy(table, "metadata")
	le.PutUint16(table[10:], uint16(len(v.items)))
	for i, item := range v.items {
		entry := table[32+32*i:]
		copy(entry, item.id)
		le.PutUint32(entry[16:], uint32(at-vhdxMetadata))
		le.PutUint32(entry[20:], uint32(len(item.value)))
		le.PutUint32(entry[24:], item.flags)
		at += copy(image[at:], item.value)
	}
}

// sealVHDX makes the checksums of headers and region tables.
func sealVHDX(image []byte) {
	table := crc32.MakeTable(crc32.Castagnoli)
	for _, part := range []struct{ at, length int }{
		{vhdxHeader1, 4096}, {vhdxHeader2, 4096}, {vhdxRegionTable1, vhdxTableSize}, {vhdxRegionTable2, vhdxTableSize},
	} {
		b := image[part.at:][:part.length]
		clear(b[4:8])
		binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b, table))
	}
}

// vhdxLocator builds the value of a parent locator from pairs of a key and a
// value ([MS-VHDX], section 2.6.2.6).
func vhdxLocator(pairs ...string) []byte {
	le := binary.LittleEndian
	count := len(pairs) / 2
	value := make([]byte, 20+12*count)
	copy(value, guidParentType)
	le.PutUint16(value[18:], uint16(count))
	for i := range count {
		entry := 20 + 12*i
		for j, text := range pairs[2*i:][:2] {
			at := len(value)
			for _, unit := range utf16.Encode([]rune(text)) {
				value = le.AppendUint16(value, unit)
			}
			le.PutUint32(value[entry+4*j:], uint32(at))
			le.PutUint16(value[entry+8+2*j:], uint16(len(value)-at))
		}
	}
	return value
}
