package images

import (
	"encoding/binary"
	"fmt"
	"unicode/utf16"
)

// The parts of a VHD that are no blocks, in bytes.
const (
	vhdSector = 512
	vhdFooter = 512
	vhdHeader = 1024
	vhdTable  = vhdFooter + vhdHeader // where VHD puts the BAT
)

// Where the blocks of VHD's default image are, and how large they are with
// their bitmaps, in bytes.
const (
	vhdBlock       = 8 << 10
	vhdFirstBlock  = vhdTable + vhdSector
	vhdSecondBlock = vhdFirstBlock + vhdSector + vhdBlock
	vhdEnd         = vhdSecondBlock + vhdSector + vhdBlock + vhdFooter
)

// Disk types.
const (
	VHDTypeFixed        = 2
	VHDTypeDynamic      = 3
	VHDTypeDifferencing = 4
)

// VHDOption changes what VHD builds. Options apply in order.
type VHDOption func(*vhd)

// vhd is what an image is to hold.
type vhd struct {
	kind        uint32
	creator     string
	currentSize int64
	geometry    uint32 // cylinders, heads, sectors; 0 is what goes with the size
	blockSize   int64
	written     []int64 // blocks that hold data
	contents    []byte  // of a fixed disk
	locators    []vhdLocator
	parentName  string
	footer      []vhdValue
	header      []vhdValue
	patches     []func([]byte)
}

type vhdValue struct {
	field Field
	value uint64
}

// vhdLocator is a parent locator with its data, which is put behind the BAT.
type vhdLocator struct {
	code string
	data []byte
}

// VHDContents makes the image a fixed disk with these contents.
func VHDContents(contents []byte) VHDOption {
	return func(v *vhd) {
		v.kind, v.contents, v.currentSize = VHDTypeFixed, contents, int64(len(contents))
	}
}

// VHDDifferencing makes the image a differencing disk. A parent with an empty
// name has no identifier and no locators either.
func VHDDifferencing(parent string) VHDOption {
	return func(v *vhd) {
		v.kind = VHDTypeDifferencing
		if parent != "" {
			VHDParent(parent)(v)
		}
	}
}

// VHDParent says what a differencing disk says of its parent, whatever the
// type of the disk.
func VHDParent(name string) VHDOption {
	return func(v *vhd) {
		v.parentName = name
		v.header = append(v.header, vhdValue{VHDParentUniqueID, 0x0123456789abcdef})
		VHDLocator("W2ru", utf16LE(name))(v)
		VHDLocator("MacX", []byte("file://./"+name))(v)
	}
}

// VHDLocator adds a parent locator.
func VHDLocator(code string, data []byte) VHDOption {
	return func(v *vhd) { v.locators = append(v.locators, vhdLocator{code, data}) }
}

// VHDCreator sets the four bytes that decide which size counts.
func VHDCreator(creator string) VHDOption { return func(v *vhd) { v.creator = creator } }

// VHDSize sets the current size in bytes.
func VHDSize(size int64) VHDOption { return func(v *vhd) { v.currentSize = size } }

// VHDGeometry sets the geometry, whatever the size.
func VHDGeometry(cylinders uint16, heads, sectors byte) VHDOption {
	return func(v *vhd) { v.geometry = uint32(cylinders)<<16 | uint32(heads)<<8 | uint32(sectors) }
}

// VHDBlocks sets the block size in bytes, and which blocks hold data; -1 is
// the last.
func VHDBlocks(size int64, written ...int64) VHDOption {
	return func(v *vhd) { v.blockSize, v.written = size, written }
}

// VHDFooter sets a field of the footer and its copy; their checksums are
// right.
func VHDFooter(f Field, value uint64) VHDOption {
	return func(v *vhd) { v.footer = append(v.footer, vhdValue{f, value}) }
}

// VHDHeader sets a field of the dynamic disk header; its checksum is right.
func VHDHeader(f Field, value uint64) VHDOption {
	return func(v *vhd) { v.header = append(v.header, vhdValue{f, value}) }
}

// VHDPatch changes the finished image.
func VHDPatch(change func([]byte)) VHDOption {
	return func(v *vhd) { v.patches = append(v.patches, change) }
}

// VHD builds an image. Without options: a dynamic disk of 64 KiB that counts
// by its current size, with blocks of 8 KiB of which the first and the last
// hold data. What the options ask for is laid out as the specification says,
// also when they ask for something that no tool would accept.
func VHD(options ...VHDOption) []byte {
	v := vhd{kind: VHDTypeDynamic, creator: "qem2", currentSize: 64 << 10, blockSize: vhdBlock, written: []int64{0, -1}}
	for _, o := range options {
		o(&v)
	}
	var image []byte
	if v.kind == VHDTypeFixed {
		image = append(append([]byte{}, v.contents...), v.buildFooter()...)
	} else {
		image = v.build()
	}
	for _, p := range v.patches {
		p(image)
	}
	return image
}

func (v *vhd) build() []byte {
	entries := (v.currentSize + v.blockSize - 1) / v.blockSize
	header := make([]byte, vhdHeader)
	copy(header, "cxsparse")
	Put(header, VHDHeaderDataOffset, 1<<64-1)
	Put(header, VHDTableOffset, vhdTable)
	Put(header, VHDHeaderVersion, 0x10000)
	Put(header, VHDMaxTableEntries, uint64(entries))
	Put(header, VHDBlockSize, uint64(v.blockSize))
	for i, unit := range utf16.Encode([]rune(v.parentName)) {
		binary.BigEndian.PutUint16(header[64+2*i:], unit)
	}
	file := append(append(v.buildFooter(), header...), make([]byte, align(4*entries, vhdSector))...)
	for i := range file[vhdTable:] {
		file[vhdTable+i] = 0xff // no block, also behind the last entry
	}
	for i, l := range v.locators {
		VHDParentLocator(i, l.code, uint32(len(l.data)), uint64(len(file)))(file[vhdFooter:])
		file = append(file, l.data...)
		file = append(file, make([]byte, align(int64(len(file)), vhdSector)-int64(len(file)))...)
	}
	for _, block := range v.written {
		if block < 0 {
			block += entries
		}
		binary.BigEndian.PutUint32(file[vhdTable+4*block:], uint32(len(file)/vhdSector))
		bitmap := make([]byte, align(v.blockSize/vhdSector/8, vhdSector))
		for i := range v.blockSize / vhdSector / 8 {
			bitmap[i] = 0xff
		}
		data := make([]byte, v.blockSize)
		fill(data, uint64(block))
		file = append(append(file, bitmap...), data...)
	}
	sealed := file[vhdFooter:][:vhdHeader]
	for _, h := range v.header {
		Put(sealed, h.field, h.value)
	}
	SealVHD(sealed, VHDHeaderChecksum)
	return append(file, v.buildFooter()...)
}

func (v *vhd) buildFooter() []byte {
	b := make([]byte, vhdFooter)
	copy(b, "conectix")
	Put(b, VHDFeatures, 2)
	Put(b, VHDVersion, 0x10000)
	Put(b, VHDDataOffset, vhdFooter)
	if v.kind == VHDTypeFixed {
		Put(b, VHDDataOffset, 1<<64-1)
	}
	copy(b[28:32], v.creator)
	copy(b[36:40], "Wi2k")
	Put(b, VHDOriginalSize, uint64(v.currentSize))
	Put(b, VHDCurrentSize, uint64(v.currentSize))
	Put(b, VHDDiskGeometry, uint64(v.geometry))
	if v.geometry == 0 {
		Put(b, VHDDiskGeometry, uint64(vhdGeometryOf(v.currentSize)))
	}
	Put(b, VHDDiskType, uint64(v.kind))
	copy(b[68:84], "\x6f\x1c\x29\x3b\x8e\x4d\x4a\x5f\x90\x12\x34\x56\x78\x9a\xbc\xde")
	for _, f := range v.footer {
		Put(b, f.field, f.value)
	}
	SealVHD(b, VHDChecksum)
	return b
}

// SealVHD recomputes the checksum of a footer or a dynamic disk header, so
// that a change of its fields is seen for itself.
func SealVHD(b []byte, checksum Field) {
	Put(b, checksum, 0)
	var sum uint32
	for _, c := range b {
		sum += uint32(c)
	}
	Put(b, checksum, uint64(^sum))
}

// vhdGeometryOf returns the geometry that goes with a size (specification,
// appendix "CHS Calculation").
func vhdGeometryOf(size int64) uint32 {
	total := min(size/vhdSector, 65535*16*255)
	heads, sectors := int64(16), int64(255)
	tracks := total / sectors
	if total < 65535*16*63 {
		sectors = 17
		tracks = total / sectors
		heads = max((tracks+1023)/1024, 4)
		if tracks >= heads*1024 || heads > 16 {
			sectors, heads = 31, 16
			tracks = total / sectors
		}
		if tracks >= heads*1024 {
			sectors, heads = 63, 16
			tracks = total / sectors
		}
	}
	return uint32(tracks/heads<<16 | heads<<8 | sectors)
}

func align(n, to int64) int64 { return (n + to - 1) / to * to }

func utf16LE(s string) []byte {
	var b []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return b
}

// VHDParentLocator writes locator i of a dynamic disk header.
func VHDParentLocator(i int, code string, length uint32, offset uint64) func(header []byte) {
	return func(header []byte) {
		if len(code) != 4 {
			panic(fmt.Sprintf("images: platform code %q has not four bytes", code))
		}
		e := header[576+24*i:][:24]
		copy(e, code)
		binary.BigEndian.PutUint32(e[4:], (length+vhdSector-1)/vhdSector)
		binary.BigEndian.PutUint32(e[8:], length)
		binary.BigEndian.PutUint64(e[16:], offset)
	}
}
