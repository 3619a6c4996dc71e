package images

import (
	"encoding/binary"
	"fmt"
)

// The fields of a VDI header, by the names that VirtualBox gives them: little
// endian numbers.
var (
	vdiSignature  = Field{64, 4}
	vdiVersion    = Field{68, 4}
	vdiCbHeader   = Field{72, 4}
	vdiType       = Field{76, 4}
	vdiOffBlocks  = Field{340, 4}
	vdiOffData    = Field{344, 4}
	vdiCbSector   = Field{360, 4}
	vdiCbDisk     = Field{368, 8}
	vdiCbBlock    = Field{376, 4}
	vdiCbExtra    = Field{380, 4}
	vdiCBlocks    = Field{384, 4}
	vdiCAllocated = Field{388, 4}
	vdiLinkage    = Field{424, 8}
	vdiParent     = Field{440, 8}
)

// Where the parts of VDI's image are, in bytes.
const (
	vdiMap     = 512
	vdiData    = 1024
	vdiBlock   = 1 << 20
	vdiFree    = 1<<32 - 1
	vdiZero    = 1<<32 - 2
	vdiPartial = 512 // bytes of the default disk's last block
)

// little changes a little-endian field of a finished image.
func little(f Field, value uint64) func([]byte) {
	return func(b []byte) { putLittle(b[f.Offset:], f.Width, value) }
}

// VDI builds an image of a disk of size bytes in which the block map has the
// given entries; those that name a block are the allocated ones. Blocks are
// written in full but for the last of the disk, where the file may end.
func VDI(size uint64, blockMap []uint32, changes ...func([]byte)) []byte {
	image := make([]byte, vdiData)
	copy(image, "<<< Oracle VM VirtualBox Disk Image >>>\n")
	end, allocated := vdiData, 0
	for guest, block := range blockMap {
		binary.LittleEndian.PutUint32(image[vdiMap+4*guest:], block)
		if block >= vdiZero {
			continue
		}
		allocated++
		length := min(vdiBlock, int(size)-vdiBlock*guest)
		end = max(end, vdiData+vdiBlock*int(block)+length)
	}
	image = append(image, make([]byte, end-vdiData)...)
	fill(image[vdiData:], 11)
	for _, f := range []struct {
		field Field
		value uint64
	}{
		{vdiSignature, 0xbeda107f}, {vdiVersion, 0x10001}, {vdiCbHeader, 400}, {vdiType, 1},
		{vdiOffBlocks, vdiMap}, {vdiOffData, vdiData}, {vdiCbSector, 512}, {vdiCbDisk, size},
		{vdiCbBlock, vdiBlock}, {vdiCBlocks, uint64(len(blockMap))}, {vdiCAllocated, uint64(allocated)},
		{Field{392, 8}, 0x1234567890abcdef}, {Field{408, 8}, 0x1234567890abcdee}, // creation, modification
	} {
		putLittle(image[f.field.Offset:], f.field.Width, f.value)
	}
	for _, change := range changes {
		change(image)
	}
	return image
}

// smallVDI is a disk of which only the last block, of 512 bytes, is written.
func smallVDI(changes ...func([]byte)) []byte {
	return VDI(vdiBlock+vdiPartial, []uint32{vdiFree, 0}, changes...)
}

func validVDI() []Case {
	const mib = 1 << 20
	var cases []Case
	for name, build := range map[string]func() []byte{
		"plain":        func() []byte { return smallVDI() },
		"full":         func() []byte { return VDI(mib, []uint32{0}) },
		"out-of-order": func() []byte { return VDI(mib+512, []uint32{1, 0}) },
		"fixed":        func() []byte { return VDI(mib+512, []uint32{0, 1}, little(vdiType, 2)) },
		"empty":        func() []byte { return VDI(4*mib, []uint32{vdiFree, vdiZero, vdiZero, vdiFree}) },
		"zero-size":    func() []byte { return VDI(0, nil) },
		"odd-size":     func() []byte { return VDI(mib+511, []uint32{vdiFree, vdiFree}) },
		"spare-blocks": func() []byte { return VDI(mib, []uint32{0, vdiFree, vdiFree}) },
		"first-header": func() []byte { return smallVDI(little(vdiCbHeader, 384)) },
	} {
		cases = append(cases, Case{Name: "vdi-" + name, WantFormat: "vdi", WantAccepted: true, Build: build})
	}
	return sorted(cases)
}

func hostileVDI() []Case {
	const mib = 1 << 20
	type row struct {
		finding, name string
		change        func([]byte)
	}
	rows := []row{
		// Each of the UUIDs and the type announces a parent.
		{"vdi.parent", "parent-linkage", little(vdiLinkage, 1)},
		{"vdi.parent", "parent-linkage-last-byte", func(b []byte) { b[vdiLinkage.Offset+15] = 1 }},
		{"vdi.parent", "parent-modify", little(vdiParent, 1)},
		{"vdi.parent", "parent-modify-last-byte", func(b []byte) { b[vdiParent.Offset+15] = 1 }},
		{"vdi.parent", "type-undo", little(vdiType, 3)},
		{"vdi.parent", "type-differencing", little(vdiType, 4)},
		{"vdi.parent", "parent-of-unknown-version", func(b []byte) { little(vdiLinkage, 1)(b); little(vdiVersion, 0)(b) }},
		{"vdi.unknown-type", "type-0", little(vdiType, 0)},
		{"vdi.unknown-type", "type-5", little(vdiType, 5)},
		{"vdi.unknown-type", "type-max", little(vdiType, 1<<32-1)},
		{"vdi.unknown-version", "version-0", little(vdiVersion, 0)},
		{"vdi.unknown-version", "version-0-1", little(vdiVersion, 1)},
		{"vdi.unknown-version", "version-1-2", little(vdiVersion, 0x10002)},
		{"vdi.unknown-version", "version-max", little(vdiVersion, 1<<32-1)},
		{"vdi.wrong-endian", "wrong-endian", little(vdiSignature, 0x7f10dabe)},
		{"vdi.header-size", "header-size-0", little(vdiCbHeader, 0)},
		{"vdi.header-size", "header-size-383", little(vdiCbHeader, 383)},
		{"vdi.header-size", "header-size-into-map", little(vdiCbHeader, vdiMap-72+1)},
		{"vdi.header-size", "header-size-max", little(vdiCbHeader, 1<<32-1)},
		{"vdi.header-size", "map-offset-0", little(vdiOffBlocks, 0)},
		{"vdi.map-offset", "map-offset-unaligned", little(vdiOffBlocks, vdiMap+4)},
		{"vdi.map-offset", "map-offset-max", little(vdiOffBlocks, 1<<32-1)},
		{"vdi.incomplete", "map-beyond-file", func(b []byte) { little(vdiOffBlocks, 1<<30)(b); little(vdiOffData, 1<<31)(b) }},
		{"vdi.overlap", "data-offset-0", little(vdiOffData, 0)},
		{"vdi.data-offset", "data-offset-unaligned", little(vdiOffData, vdiData+1)},
		{"vdi.data-offset", "data-offset-max", little(vdiOffData, 1<<32-1)},
		{"vdi.incomplete", "data-beyond-file", little(vdiOffData, 1<<31)},
		{"vdi.incomplete", "data-one-past", little(vdiOffData, vdiData+512)},
		{"vdi.overlap", "data-over-map", little(vdiOffData, vdiMap)},
		{"vdi.sector-size", "sector-size-0", little(vdiCbSector, 0)},
		{"vdi.sector-size", "sector-size-4096", little(vdiCbSector, 4096)},
		{"vdi.sector-size", "sector-size-max", little(vdiCbSector, 1<<32-1)},
		{"vdi.other-block-size", "block-size-0", little(vdiCbBlock, 0)},
		{"vdi.other-block-size", "block-size-2m", little(vdiCbBlock, 2*mib)},
		{"vdi.other-block-size", "block-size-max", little(vdiCbBlock, 1<<32-1)},
		{"vdi.block-extra", "block-extra-512", little(vdiCbExtra, 512)},
		{"vdi.block-extra", "block-extra-max", little(vdiCbExtra, 1<<32-1)},
		{"vdi.virtual-size", "size-one-past", little(vdiCbDisk, 2*mib+1)},
		{"vdi.virtual-size", "size-max", little(vdiCbDisk, 1<<64-1)},
		{"vdi.virtual-size", "size-sign", little(vdiCbDisk, 1<<63)},
		{"virtual-size-limit", "size-over-bound", func(b []byte) { little(vdiCbDisk, 64<<40+512)(b); little(vdiCBlocks, 64<<20+1)(b) }},
		{"vdi.blocks", "blocks-0", little(vdiCBlocks, 0)},
		{"vdi.blocks", "blocks-over-int", little(vdiCBlocks, 1<<29-127)},
		{"vdi.blocks", "blocks-max", little(vdiCBlocks, 1<<32-1)},
		{"vdi.map-bytes-limit", "blocks-over-bound", little(vdiCBlocks, 64<<20+1)},
		{"vdi.incomplete", "map-past-end", func(b []byte) { little(vdiCBlocks, 1024)(b); little(vdiOffData, vdiMap+4096)(b) }},
		{"vdi.blocks", "allocated-one-past", little(vdiCAllocated, 3)},
		{"vdi.blocks", "allocated-max", little(vdiCAllocated, 1<<32-1)},
		{"vdi.incomplete", "allocated-beyond-file", little(vdiCAllocated, 2)},
	}
	entry := func(index int, value uint64) func([]byte) { return little(Field{vdiMap + 4*index, 4}, value) }
	deep := []row{
		{"vdi.map", "allocated-0-mapped-none", func(b []byte) { entry(1, vdiFree)(b) }},
		{"vdi.map-entry", "allocated-0", little(vdiCAllocated, 0)},
		{"vdi.map-entry", "entry-one-past", entry(1, 1)},
		{"vdi.map-entry", "entry-max", entry(1, vdiZero-1)},
		{"vdi.incomplete", "entry-larger-than-rest", func(b []byte) { entry(0, 0)(b); entry(1, vdiFree)(b) }},
	}
	var cases []Case
	for i, r := range append(rows, deep...) {
		cases = append(cases, Case{
			Name: "vdi-" + r.name, WantFormat: "vdi", WantFinding: r.finding, Deep: i >= len(rows),
			Build: func() []byte { return smallVDI(r.change) },
		})
	}
	cases = append(cases, Case{
		Name: "vdi-block-twice", WantFormat: "vdi", WantFinding: "vdi.map", Deep: true,
		Build: func() []byte { return VDI(2*mib, []uint32{0, 0}, little(vdiCAllocated, 1)) },
	})
	for _, n := range []int{68, 72, 391, 455, 511} {
		cases = append(cases, Case{
			Name: fmt.Sprintf("vdi-cut-in-header-%d", n), WantFormat: "vdi", WantFinding: "vdi.header-cut",
			Build: func() []byte { return smallVDI()[:n] },
		})
	}
	for _, n := range []int{512, vdiMap + 7, vdiData, vdiData + vdiPartial - 1} {
		cases = append(cases, Case{
			Name: fmt.Sprintf("vdi-cut-behind-header-%d", n), WantFormat: "vdi", WantFinding: "vdi.incomplete",
			Build: func() []byte { return smallVDI()[:n] },
		})
	}
	return cases
}
