package images

import (
	"encoding/binary"
	"fmt"
)

// Where the parts of ISO's image are, in sectors (ECMA-119).
const (
	isoSector     = 2048
	isoPrimary    = 16
	isoBoot       = 17
	isoJoliet     = 18
	isoTerminator = 19
	isoArea       = 20 // three sectors, for a UDF
	isoPathL      = 24
	isoPathM      = 25
	isoRoot       = 26
	isoCatalog    = 27
	isoBootImage  = 28
	isoSectors    = 32
)

// ISO builds an image of 32 sectors of ISO 9660 with an empty root directory,
// a Joliet volume that shares it, and a boot catalog with one image.
func ISO() []byte {
	image := make([]byte, isoSectors*isoSector)
	putVolume(image, isoPrimary, 1)
	putVolume(image, isoJoliet, 2)
	copy(image[isoJoliet*isoSector+88:], "%/E")

	boot := image[isoBoot*isoSector:]
	copy(boot, "\x00CD001\x01EL TORITO SPECIFICATION")
	binary.LittleEndian.PutUint32(boot[71:], isoCatalog)
	copy(image[isoTerminator*isoSector:], "\xffCD001\x01")

	// One record each: the root, with an identifier of one zero byte.
	table := image[isoPathL*isoSector:]
	table[0] = 1
	binary.LittleEndian.PutUint32(table[2:], isoRoot)
	table[6] = 1
	table = image[isoPathM*isoSector:]
	table[0] = 1
	binary.BigEndian.PutUint32(table[2:], isoRoot)
	table[7] = 1
	putRecord(image[isoRoot*isoSector:], 0)
	putRecord(image[isoRoot*isoSector+34:], 1)
	putCatalog(image)
	return image
}

// putVolume writes a volume descriptor into a sector.
func putVolume(image []byte, sector int, kind byte) {
	d := image[sector*isoSector:]
	d[0], d[6] = kind, 1
	copy(d[1:], "CD001")
	for i := range 64 {
		d[8+i] = ' ' // system and volume identifiers
	}
	copy(d[40:], "VOLUME")
	both32(d[80:], isoSectors)
	both16(d[120:], 1)
	both16(d[124:], 1)
	both16(d[128:], isoSector)
	both32(d[132:], 10)
	binary.LittleEndian.PutUint32(d[140:], isoPathL)
	binary.BigEndian.PutUint32(d[148:], isoPathM)
	putRecord(d[156:], 0)
	d[881] = 1
}

// putRecord writes the record of a directory that is the root, with the
// identifier 0 (itself) or 1 (its parent).
func putRecord(r []byte, identifier byte) {
	r[0] = 34
	both32(r[2:], isoRoot)
	both32(r[10:], isoSector)
	copy(r[18:], "\x46\x01\x01\x00\x00\x00\x00") // the first of January 1970
	r[25] = 2
	both16(r[28:], 1)
	r[32], r[33] = 1, identifier
}

// putCatalog writes the boot catalog: its validation entry and a default one.
func putCatalog(image []byte) {
	c := image[isoCatalog*isoSector:]
	c[0], c[30], c[31] = 1, 0x55, 0xaa
	sealCatalog(c)
	c[32] = 0x88
	binary.LittleEndian.PutUint16(c[38:], 4)
	binary.LittleEndian.PutUint32(c[40:], isoBootImage)
}

// sealCatalog makes the words of the validation entry add up to 0.
func sealCatalog(c []byte) {
	c[28], c[29] = 0, 0
	var sum uint16
	for i := 0; i < 32; i += 2 {
		sum += binary.LittleEndian.Uint16(c[i:])
	}
	binary.LittleEndian.PutUint16(c[28:], -sum)
}

// both16 and both32 write a number in both byte orders.
func both16(b []byte, n uint16) {
	binary.LittleEndian.PutUint16(b, n)
	binary.BigEndian.PutUint16(b[2:], n)
}

func both32(b []byte, n uint32) {
	binary.LittleEndian.PutUint32(b, n)
	binary.BigEndian.PutUint32(b[4:], n)
}

func validISO() []Case {
	cases := []Case{
		{Name: "iso", Build: ISO},
		{Name: "iso-claimed", Claim: "iso", Build: ISO},
		{Name: "iso-claimed-raw", Claim: "raw", WantFinding: "raw.claimed", Build: ISO},
		{Name: "iso-with-mbr", Build: func() []byte { return withTable(ISO(), linux(isoSectors*isoSector)) }},
		{Name: "iso-with-gpt", WantFinding: "gpt.backup-header", Build: func() []byte {
			b := ISO()
			copy(b, GPT(512)[:34*512])
			return b
		}},
		{Name: "iso-with-tail", Build: func() []byte { return append(ISO(), make([]byte, isoSector)...) }},
		{Name: "udf", Build: UDF},
		{Name: "udf-with-mbr", Build: func() []byte { return withTable(UDF(), linux(udfBlocks*udfBlock)) }},
		{Name: "udf-bridge", Build: bridge},
		{Name: "iso-enhanced", Build: func() []byte {
			b := ISO()
			d := b[isoJoliet*isoSector:]
			d[6], d[881] = 2, 2
			clear(d[88:91])
			return b
		}},
		{Name: "iso-sections", Build: func() []byte {
			b := ISO()
			c := b[isoCatalog*isoSector:]
			copy(c[64:], "\x91\xef\x01")
			c[96] = 0x88
			binary.LittleEndian.PutUint32(c[104:], isoBootImage)
			return b
		}},
	}
	for i := range cases {
		cases[i].WantFormat, cases[i].WantAccepted = "iso", true
	}
	return cases
}

// bridge builds a disk that is an ISO 9660 and a UDF.
func bridge() []byte {
	b := UDF()
	iso := ISO()
	copy(iso[isoArea*isoSector:], b[isoPrimary*isoSector:][:3*isoSector])
	copy(b[isoPrimary*isoSector:udfMain*udfBlock], iso[isoPrimary*isoSector:])
	return b
}

// withTable writes an MBR's table into the first sector of a disk.
func withTable(disk []byte, partitions ...Partition) []byte {
	putTable(disk, partitions...)
	return disk
}

// isoDefects returns ISO images with one defect each.
func isoDefects() []Case {
	type row struct {
		name, finding string
		change        func(b []byte)
	}
	// at returns the place of a field of the descriptor in a sector.
	at := func(sector, field int) int { return sector*isoSector + field }
	both := func(name, finding string, offset int, value uint32) row {
		return row{name, finding, func(b []byte) { both32(b[offset:], value) }}
	}
	small := func(name, finding string, offset int, value uint16) row {
		return row{name, finding, func(b []byte) { both16(b[offset:], value) }}
	}
	le := func(name, finding string, offset int, value uint32) row {
		return row{name, finding, func(b []byte) { binary.LittleEndian.PutUint32(b[offset:], value) }}
	}
	set := func(name, finding string, offset int, value byte) row {
		return row{name, finding, func(b []byte) { b[offset] = value }}
	}
	rows := []row{
		{"no-terminator", "iso.no-terminator", func(b []byte) { clear(b[at(isoTerminator, 0):][:isoSector]) }},
		{"no-end", "iso.no-terminator", func(b []byte) {
			for s := isoTerminator; s < isoSectors; s++ {
				copy(b[at(s, 0):], b[at(isoBoot, 0):][:isoSector])
			}
		}},
		{"no-primary", "iso.no-volume", func(b []byte) {
			copy(b[at(isoPrimary, 0):], "\xffCD001\x01")
			clear(b[at(isoBoot, 0):][:isoSector])
		}},
		{"second-primary", "iso.second-primary", func(b []byte) {
			putVolume(b, isoJoliet, 1)
			both32(b[at(isoJoliet, 166):], 2*isoSector)
		}},
		set("version-0", "iso.version", at(isoPrimary, 6), 0),
		set("version-2", "iso.version", at(isoPrimary, 6), 2),
		set("version-max", "iso.version", at(isoJoliet, 6), 255),
		set("structure-version-0", "iso.version", at(isoPrimary, 881), 0),
		set("structure-version-max", "iso.version", at(isoPrimary, 881), 255),
		le("space-differs", "iso.byte-orders", at(isoPrimary, 84), 0),
		le("block-differs", "iso.byte-orders", at(isoPrimary, 130), 0),
		le("path-size-differs", "iso.byte-orders", at(isoPrimary, 136), 0),
		le("root-differs", "iso.byte-orders", at(isoPrimary, 162), 0),
		le("root-size-differs", "iso.byte-orders", at(isoPrimary, 170), 0),
		le("joliet-root-differs", "iso.byte-orders", at(isoJoliet, 162), 0),
		small("block-0", "iso.block-size", at(isoPrimary, 128), 0),
		small("block-4096", "iso.block-size", at(isoPrimary, 128), 4096),
		small("block-max", "iso.block-size", at(isoPrimary, 128), 1<<16-1),
		both("space-0", "iso.root-directory", at(isoPrimary, 80), 0),
		both("space-over", "iso.incomplete", at(isoPrimary, 80), isoSectors+1),
		both("space-max", "iso.incomplete", at(isoPrimary, 80), 1<<32-1),
		both("root-0", "iso.root-directory", at(isoPrimary, 158), 0),
		both("root-in-descriptors", "iso.root-directory", at(isoPrimary, 158), isoPrimary),
		both("root-beyond", "iso.root-directory", at(isoPrimary, 158), isoSectors),
		both("root-max", "iso.root-directory", at(isoPrimary, 158), 1<<32-1),
		both("root-size-0", "iso.root-directory", at(isoPrimary, 166), 0),
		both("root-size-over", "iso.root-directory", at(isoPrimary, 166), (isoSectors-isoRoot)*isoSector+1),
		both("root-size-max", "iso.root-directory", at(isoPrimary, 166), 1<<32-1),
		set("root-is-a-file", "iso.root-directory", at(isoPrimary, 181), 0),
		set("root-record-short", "iso.root-directory", at(isoPrimary, 156), 33),
		both("joliet-root-beyond", "iso.root-directory", at(isoJoliet, 158), isoSectors),
		both("path-size-0", "iso.path-table", at(isoPrimary, 132), 0),
		both("path-size-max", "iso.path-table", at(isoPrimary, 132), 1<<32-1),
		le("path-l-0", "iso.path-table", at(isoPrimary, 140), 0),
		le("path-l-beyond", "iso.path-table", at(isoPrimary, 140), isoSectors),
		le("path-l-max", "iso.path-table", at(isoPrimary, 140), 1<<32-1),
		le("path-l-optional-beyond", "iso.path-table", at(isoPrimary, 144), isoSectors),
		le("path-m-0", "iso.path-table", at(isoPrimary, 148), 0),
		le("path-m-little-endian", "iso.path-table", at(isoPrimary, 148), isoPathM),
		le("path-m-optional-max", "iso.path-table", at(isoPrimary, 152), 1<<32-1),
		le("catalog-0", "iso.boot-catalog", at(isoBoot, 71), 0),
		le("catalog-beyond", "iso.incomplete", at(isoBoot, 71), isoSectors),
		le("catalog-max", "iso.incomplete", at(isoBoot, 71), 1<<32-1),
		set("catalog-header", "iso.boot-catalog", at(isoCatalog, 0), 2),
		set("catalog-key", "iso.boot-catalog", at(isoCatalog, 30), 0),
		set("catalog-sum", "iso.boot-catalog", at(isoCatalog, 4), 1),
		set("catalog-entry", "iso.boot-catalog", at(isoCatalog, 32), 0x77),
		{"catalog-section-over", "iso.boot-catalog", func(b []byte) {
			c := b[isoCatalog*isoSector:]
			copy(c[64:], "\x90\xef\x01")
			c[96] = 0x88
			c[128] = 0x88 // one more than the header says
		}},
		{"catalog-behind-last", "iso.boot-catalog", func(b []byte) {
			copy(b[at(isoCatalog, 64):], "\x91\xef\x00")
			copy(b[at(isoCatalog, 96):], "\x91\xef\x00")
		}},
		le("boot-image-beyond", "iso.incomplete", at(isoCatalog, 40), isoSectors),
		le("boot-image-max", "iso.incomplete", at(isoCatalog, 40), 1<<32-1),
		{"high-sierra", "iso.high-sierra", func(b []byte) {
			clear(b[at(isoPrimary, 0):][:8])
			copy(b[at(isoPrimary, 8):], "\x01CDROM\x01")
		}},
	}
	var cases []Case
	for _, r := range rows {
		cases = append(cases, Case{Name: "iso-" + r.name, WantFormat: "iso", WantFinding: r.finding,
			Build: func() []byte { b := ISO(); r.change(b); return b }})
	}
	for _, n := range []int{6, isoSector - 1, isoSector} {
		cases = append(cases, Case{Name: fmt.Sprintf("iso-cut-in-primary-%d", n), WantFormat: "iso", WantFinding: "iso.no-terminator",
			Build: func() []byte { return ISO()[:at(isoPrimary, n)] }})
	}
	return append(cases,
		Case{Name: "iso-cut", WantFormat: "iso", WantFinding: "iso.incomplete",
			Build: func() []byte { b := ISO(); return b[:len(b)-1] }},
		Case{Name: "iso-cut-claimed-raw", Claim: "raw", WantFormat: "iso", WantFinding: "raw.claimed", WantAccepted: true,
			Build: func() []byte { b := ISO(); return b[:len(b)-1] }},
		Case{Name: "iso-claimed-qcow2", Claim: "qcow2", WantFormat: "iso", WantFinding: "format.mismatch", Build: ISO},
		Case{Name: "iso-and-qcow2", Claim: "raw", WantFormat: "ambiguous", WantFinding: "format.ambiguous",
			Build: func() []byte { b := ISO(); copy(b, Qcow2()[:512]); return b }},
	)
}
