package images

import "encoding/binary"

// Where the parts of UDF's image are, in blocks (ECMA-167, part 3).
const (
	udfBlock     = 512
	udfMain      = 144
	udfReserve   = 160
	udfAnchor    = 256
	udfPartition = 257
	udfBlocks    = 272
	udfSequence  = 4 // descriptors
)

// UDF builds a disk of 272 blocks with the volume descriptors of a UDF, and a
// partition without a file system in it.
func UDF() []byte {
	image := make([]byte, udfBlocks*udfBlock)
	le := binary.LittleEndian
	for i, id := range []string{"BEA01", "NSR03", "TEA01"} {
		b := image[(isoPrimary+i)*isoSector:]
		copy(b[1:], id)
		b[6] = 1
	}
	anchor := image[udfAnchor*udfBlock:]
	for i, start := range []uint32{udfMain, udfReserve} {
		le.PutUint32(anchor[16+8*i:], 16*udfBlock)
		le.PutUint32(anchor[20+8*i:], start)
	}
	sealUDF(image, udfAnchor, 2)
	for _, start := range []int{udfMain, udfReserve} {
		d := image[start*udfBlock:]
		copy(d[udfBlock+20:], "partition")
		le.PutUint32(d[udfBlock+188:], udfPartition)
		le.PutUint32(d[udfBlock+192:], udfBlocks-udfPartition)
		le.PutUint32(d[2*udfBlock+212:], udfBlock)
		for i, id := range []uint16{1, 5, 6, 8} {
			sealUDF(image, start+i, id)
		}
	}
	return image
}

// sealUDF writes the tag of the descriptor in a block: identifier, CRC of
// what is behind the tag, location, check sum.
func sealUDF(image []byte, block int, id uint16) {
	le := binary.LittleEndian
	d := image[block*udfBlock:][:udfBlock]
	clear(d[:16])
	le.PutUint16(d, id)
	le.PutUint16(d[2:], 3)
	le.PutUint16(d[8:], crcITU(d[16:]))
	le.PutUint16(d[10:], udfBlock-16)
	le.PutUint32(d[12:], uint32(block))
	var sum byte
	for _, b := range d[:16] {
		sum += b
	}
	d[4] = sum
}

// crcITU is the CRC of section 7.2.6: polynomial 1021, from 0.
func crcITU(b []byte) uint16 {
	var crc uint16
	for _, v := range b {
		crc ^= uint16(v) << 8
		for range 8 {
			carry := crc >> 15
			crc <<= 1
			if carry == 1 {
				crc ^= 0x1021
			}
		}
	}
	return crc
}

// udfDefects returns UDF images with one defect each.
func udfDefects() []Case {
	le := binary.LittleEndian
	rows := []struct {
		name, finding string
		change        func(b []byte)
	}{
		{"no-area-end", "iso.no-terminator", func(b []byte) { clear(b[(isoPrimary+2)*isoSector:][:8]) }},
		{"no-nsr", "iso.no-volume", func(b []byte) { copy(b[(isoPrimary+1)*isoSector:], "\x00BOOT2") }},
		{"anchor-erased", "iso.udf-anchor", func(b []byte) { clear(b[udfAnchor*udfBlock:][:udfBlock]) }},
		{"anchor-sum", "iso.udf-anchor", func(b []byte) { b[udfAnchor*udfBlock+4]++ }},
		{"anchor-crc", "iso.udf-anchor", func(b []byte) { b[udfAnchor*udfBlock+16]++ }},
		{"anchor-elsewhere", "iso.udf-anchor", func(b []byte) {
			copy(b[(udfAnchor-1)*udfBlock:], b[udfAnchor*udfBlock:][:udfBlock])
			clear(b[udfAnchor*udfBlock:][:udfBlock])
		}},
		{"main-0", "iso.udf-sequence", func(b []byte) { le.PutUint32(b[udfAnchor*udfBlock+20:], 0); sealUDF(b, udfAnchor, 2) }},
		{"main-max", "iso.incomplete", func(b []byte) { le.PutUint32(b[udfAnchor*udfBlock+20:], 1<<32-1); sealUDF(b, udfAnchor, 2) }},
		{"main-length-0", "iso.udf-sequence", func(b []byte) { le.PutUint32(b[udfAnchor*udfBlock+16:], 0); sealUDF(b, udfAnchor, 2) }},
		{"main-length-max", "iso.incomplete", func(b []byte) { le.PutUint32(b[udfAnchor*udfBlock+16:], 1<<32-1); sealUDF(b, udfAnchor, 2) }},
		{"reserve-beyond", "iso.incomplete", func(b []byte) { le.PutUint32(b[udfAnchor*udfBlock+28:], udfBlocks); sealUDF(b, udfAnchor, 2) }},
		{"no-terminator", "iso.udf-sequence", func(b []byte) { clear(b[(udfMain+udfSequence-1)*udfBlock:][:udfBlock]) }},
		{"no-primary", "iso.udf-sequence", func(b []byte) { sealUDF(b, udfMain, 7) }},
		{"no-partition", "iso.udf-sequence", func(b []byte) { sealUDF(b, udfMain+1, 7) }},
		{"no-logical-volume", "iso.udf-sequence", func(b []byte) { sealUDF(b, udfMain+2, 7) }},
		{"descriptor-crc", "iso.udf-sequence", func(b []byte) { b[(udfMain+1)*udfBlock+30]++ }},
		{"descriptor-location", "iso.udf-sequence", func(b []byte) {
			copy(b[(udfMain+1)*udfBlock:], b[(udfReserve+1)*udfBlock:][:udfBlock])
		}},
		{"pointer-loop", "iso.udf-sequence", func(b []byte) {
			d := b[(udfMain+3)*udfBlock:]
			le.PutUint32(d[20:], 16*udfBlock)
			le.PutUint32(d[24:], udfMain+3)
			sealUDF(b, udfMain+3, 3)
			le.PutUint32(b[udfMain*udfBlock+100:], 1)
			sealUDF(b, udfMain, 7)
		}},
		{"partition-beyond", "iso.incomplete", func(b []byte) { le.PutUint32(b[(udfMain+1)*udfBlock+192:], udfBlocks); sealUDF(b, udfMain+1, 5) }},
		{"partition-max", "iso.incomplete", func(b []byte) { le.PutUint32(b[(udfMain+1)*udfBlock+188:], 1<<32-1); sealUDF(b, udfMain+1, 5) }},
		{"block-0", "iso.udf-sequence", func(b []byte) { le.PutUint32(b[(udfMain+2)*udfBlock+212:], 0); sealUDF(b, udfMain+2, 6) }},
		{"block-other", "iso.udf-sequence", func(b []byte) { le.PutUint32(b[(udfMain+2)*udfBlock+212:], 2048); sealUDF(b, udfMain+2, 6) }},
	}
	var cases []Case
	for _, r := range rows {
		cases = append(cases, Case{Name: "udf-" + r.name, WantFormat: "iso", WantFinding: r.finding,
			Build: func() []byte { b := UDF(); r.change(b); return b }})
	}
	return append(cases, Case{Name: "udf-cut", WantFormat: "iso", WantFinding: "iso.incomplete",
		Build: func() []byte { b := UDF(); return b[:len(b)-1] }})
}
