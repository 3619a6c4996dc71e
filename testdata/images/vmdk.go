package images

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"strings"
)

// vmdkOption changes what buildVMDK builds. Options apply in order.
type vmdkOption func(*vmdk)

// vmdk is what a hosted sparse extent is to hold (Virtual Disk Format 5.0,
// section "Hosted Sparse Extents"); build says where it lands. Sizes are in
// sectors.
type vmdk struct {
	version    uint32
	flags      uint32
	capacity   uint64
	grain      uint64
	text       string
	textSize   uint64 // sectors kept for the text
	redundant  bool
	compressed bool
	footer     bool
	written    []uint64 // grains that hold data
	zeroed     []uint64 // grains that read as zeros
	tail       string
	patches    []func([]byte)
}

// vmdkSector is the unit of the format, in bytes.
const vmdkSector = 512

// Fields of the header, all little-endian.
var (
	vmdkMagic            = Field{0, 4}
	vmdkVersion          = Field{4, 4}
	vmdkFlags            = Field{8, 4}
	vmdkCapacity         = Field{12, 8}
	vmdkGrainSize        = Field{20, 8}
	vmdkDescriptorOffset = Field{28, 8}
	vmdkDescriptorSize   = Field{36, 8}
	vmdkNumGTEsPerGT     = Field{44, 4}
	vmdkRGDOffset        = Field{48, 8}
	vmdkGDOffset         = Field{56, 8}
	vmdkOverHead         = Field{64, 8}
	vmdkUncleanShutdown  = Field{72, 1}
	vmdkLineEnds         = Field{73, 4}
	vmdkCompress         = Field{77, 2}
)

// Bits of the field flags.
const (
	vmdkFlagLineEnds   = 1 << 0
	vmdkFlagRedundant  = 1 << 1
	vmdkFlagZeroed     = 1 << 2
	vmdkFlagCompressed = 1 << 16
	vmdkFlagMarkers    = 1 << 17
)

// Types of markers (section "Stream-Optimized Compressed Sparse Extents").
const (
	markerTable     = 1
	markerDirectory = 2
	markerFooter    = 3
)

// vmdkText returns a descriptor like those that tools write.
func vmdkText(createType string, capacity uint64) string {
	return fmt.Sprintf(`# Disk DescriptorFile
version=1
CID=5f3b1c2d
parentCID=ffffffff
createType="%s"

# Extent description
RW %d SPARSE "disk.vmdk"

# The Disk Data Base
#DDB

ddb.virtualHWVersion = "4"
ddb.geometry.cylinders = "2"
ddb.geometry.heads = "16"
ddb.geometry.sectors = "63"
ddb.adapterType = "ide"
`, createType, capacity)
}

// vmdkSize sets the capacity and what the descriptor says of it.
func vmdkSize(sectors uint64) vmdkOption {
	return func(v *vmdk) {
		v.text = strings.ReplaceAll(v.text, fmt.Sprintf("RW %d ", v.capacity), fmt.Sprintf("RW %d ", sectors))
		v.capacity = sectors
	}
}

// vmdkGrain sets the size of a grain.
func vmdkGrain(sectors uint64) vmdkOption { return func(v *vmdk) { v.grain = sectors } }

// vmdkStream makes the file stream-optimized: grains are compressed, and the
// grain directory is found by a footer.
func vmdkStream() vmdkOption {
	return func(v *vmdk) {
		v.compressed, v.footer, v.redundant = true, true, false
		v.text = strings.Replace(v.text, "monolithicSparse", "streamOptimized", 1)
	}
}

// vmdkStreamInPlace is vmdkStream as qemu-img writes it: with the tables of a
// file that is not a stream.
func vmdkStreamInPlace() vmdkOption {
	return func(v *vmdk) {
		vmdkStream()(v)
		v.footer, v.redundant = false, true
	}
}

// vmdkOnce leaves out the redundant directory and tables.
func vmdkOnce() vmdkOption { return func(v *vmdk) { v.redundant = false } }

// vmdkVersioned sets the version.
func vmdkVersioned(version uint32) vmdkOption { return func(v *vmdk) { v.version = version } }

// vmdkWritten says which grains hold data.
func vmdkWritten(grains ...uint64) vmdkOption { return func(v *vmdk) { v.written = grains } }

// vmdkZeroed makes grains zeroed ones, which came with version 2.
func vmdkZeroed(grains ...uint64) vmdkOption {
	return func(v *vmdk) {
		v.version, v.zeroed = 2, grains
		v.flags |= vmdkFlagZeroed
	}
}

// vmdkDescriptor sets the descriptor's text.
func vmdkDescriptor(text string) vmdkOption { return func(v *vmdk) { v.text = text } }

// vmdkEdit replaces the first place of something in the text, which must be
// there.
func vmdkEdit(was, is string) vmdkOption {
	return func(v *vmdk) {
		if !strings.Contains(v.text, was) {
			panic(fmt.Sprintf("images: the descriptor has no %q", was))
		}
		v.text = strings.Replace(v.text, was, is, 1)
	}
}

// vmdkAdd adds lines to the end of the text.
func vmdkAdd(lines string) vmdkOption { return func(v *vmdk) { v.text += lines } }

// vmdkTextSize sets the sectors kept for the text.
func vmdkTextSize(sectors uint64) vmdkOption { return func(v *vmdk) { v.textSize = sectors } }

// vmdkWith sets a field of the header, and of the footer where there is one.
func vmdkWith(f Field, value uint64) vmdkOption {
	return vmdkPatch(func(b []byte) {
		putVMDK(b, f, value)
		if footer := len(b) - 2*vmdkSector; littleAt(b, vmdkGDOffset.Offset) == 1<<64-1 {
			putVMDK(b[footer:], f, value)
		}
	})
}

// vmdkPatch changes the finished image.
func vmdkPatch(change func([]byte)) vmdkOption {
	return func(v *vmdk) { v.patches = append(v.patches, change) }
}

// buildVMDK builds an image. Without options: version 1, grains of 8 KiB, a
// disk of 1 MiB whose first and last grains hold data, in the order of their
// place, the last at the end of the file; a descriptor of 20 sectors; a
// redundant directory. What the options ask for is laid out as the
// specification says, also when no tool would accept it.
func buildVMDK(options ...vmdkOption) []byte {
	v := vmdk{
		version: 1, flags: vmdkFlagLineEnds, capacity: 2048, grain: 16, text: vmdkText("monolithicSparse", 2048),
		textSize: 20, redundant: true, written: []uint64{0, 127},
	}
	for _, o := range options {
		o(&v)
	}
	image := append(v.build(), v.tail...)
	for _, p := range v.patches {
		p(image)
	}
	return image
}

func putVMDK(b []byte, f Field, value uint64) {
	for i := range f.Width {
		b[f.Offset+i] = byte(value >> (8 * i))
	}
}

func littleAt(b []byte, offset int) uint64 { return binary.LittleEndian.Uint64(b[offset:]) }

// vmdkVirtual returns the size of the disk in bytes, as the header says it.
func vmdkVirtual(image []byte) uint64 { return vmdkSector * littleAt(image, vmdkCapacity.Offset) }

func (v *vmdk) build() []byte {
	const tableEntries, tableSectors = 512, 4
	grains := (v.capacity + v.grain - 1) / v.grain
	tables := (grains + tableEntries - 1) / tableEntries
	directorySectors := (4*tables + vmdkSector - 1) / vmdkSector

	var file sectors
	file.add(make([]byte, vmdkSector)) // the header, filled in when the offsets are known
	file.add(append(make([]byte, 0, v.textSize*vmdkSector), v.text...))
	file.grow(1 + v.textSize)

	// Directories with their tables in front of the grains, or none yet.
	var rgd, gd uint64
	var tablesAt []int // offsets of the tables of each directory
	place := func() uint64 {
		at := file.count()
		directory := make([]byte, directorySectors*vmdkSector)
		for i := range tables {
			binary.LittleEndian.PutUint32(directory[4*i:], uint32(at+directorySectors+i*tableSectors))
		}
		file.add(directory)
		tablesAt = append(tablesAt, len(file.b))
		file.grow(file.count() + tables*tableSectors)
		return at
	}
	if v.redundant {
		rgd = place()
	}
	if !v.footer {
		gd = place()
	}
	file.grow((file.count() + v.grain - 1) / v.grain * v.grain)
	overHead := file.count()

	table := make([]byte, 4*tables*tableEntries)
	for _, g := range v.zeroed {
		binary.LittleEndian.PutUint32(table[4*g:], 1)
	}
	for _, g := range v.written {
		binary.LittleEndian.PutUint32(table[4*g:], uint32(file.count()))
		file.add(v.data(g))
	}
	for _, at := range tablesAt {
		copy(file.b[at:], table)
	}
	if v.footer {
		directory := make([]byte, directorySectors*vmdkSector)
		for i := range tables {
			part := table[4*tableEntries*i:][:4*tableEntries]
			if len(bytes.Trim(part, "\x00")) == 0 {
				continue
			}
			file.marker(tableSectors, markerTable)
			binary.LittleEndian.PutUint32(directory[4*i:], uint32(file.count()))
			file.add(part)
		}
		file.marker(directorySectors, markerDirectory)
		gd = file.count()
		file.add(directory)
	}
	header := v.header(overHead, rgd, gd)
	if v.footer {
		file.marker(1, markerFooter)
		file.add(header)
		file.marker(0, 0)
		putVMDK(header, vmdkGDOffset, 1<<64-1)
	}
	copy(file.b, header)
	return file.b
}

// data returns what a grain that was written takes in the file.
func (v *vmdk) data(grain uint64) []byte {
	plain := make([]byte, v.grain*vmdkSector)
	fill(plain, grain)
	if !v.compressed {
		return plain
	}
	var packed bytes.Buffer
	// Stored, so that the bytes are those of no particular compressor.
	w, err := zlib.NewWriterLevel(&packed, zlib.NoCompression)
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic("images: " + err.Error()) // the level is one, and a buffer takes all
	}
	b := binary.LittleEndian.AppendUint64(nil, grain*v.grain)
	b = binary.LittleEndian.AppendUint32(b, uint32(packed.Len()))
	return append(b, packed.Bytes()...)
}

func (v *vmdk) header(overHead, rgd, gd uint64) []byte {
	b := make([]byte, vmdkSector)
	flags := v.flags
	if v.redundant {
		flags |= vmdkFlagRedundant
	}
	if v.compressed {
		flags |= vmdkFlagCompressed | vmdkFlagMarkers
		putVMDK(b, vmdkCompress, 1)
	}
	putVMDK(b, vmdkMagic, 0x564d444b) // "KDMV"
	putVMDK(b, vmdkVersion, uint64(v.version))
	putVMDK(b, vmdkFlags, uint64(flags))
	putVMDK(b, vmdkCapacity, v.capacity)
	putVMDK(b, vmdkGrainSize, v.grain)
	putVMDK(b, vmdkDescriptorOffset, 1)
	putVMDK(b, vmdkDescriptorSize, v.textSize)
	putVMDK(b, vmdkNumGTEsPerGT, 512)
	putVMDK(b, vmdkRGDOffset, rgd)
	putVMDK(b, vmdkGDOffset, gd)
	putVMDK(b, vmdkOverHead, overHead)
	putVMDK(b, vmdkLineEnds, 0x0a0d200a) // "\n \r\n"
	return b
}

// sectors is a file that grows by whole sectors.
type sectors struct{ b []byte }

func (s *sectors) count() uint64 { return uint64(len(s.b)) / vmdkSector }

// add appends data and fills the last sector with zeros.
func (s *sectors) add(data []byte) {
	s.b = append(s.b, data...)
	s.grow((uint64(len(s.b)) + vmdkSector - 1) / vmdkSector)
}

// grow appends zeros up to a number of sectors.
func (s *sectors) grow(count uint64) {
	if n := int(count*vmdkSector) - len(s.b); n > 0 {
		s.b = append(s.b, make([]byte, n)...)
	}
}

func (s *sectors) marker(value uint64, kind uint32) {
	b := binary.LittleEndian.AppendUint64(nil, value)
	s.add(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, 0), kind))
}
