package images

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
)

// unopenedSize is the size of the disks in this file, in bytes.
const unopenedSize = 64 << 10

// DMG builds an Apple disk image: a data fork with the disk as it is, a
// property list whose only block table maps it, and the trailer.
func DMG() []byte {
	disk := FAT(unopenedSize)
	be := binary.BigEndian
	table := make([]byte, 204+2*40)
	copy(table, "mish")
	be.PutUint32(table[4:], 1)
	be.PutUint64(table[16:], unopenedSize/512)
	be.PutUint32(table[200:], 2)
	chunk := table[204:]
	be.PutUint32(chunk, 1) // as it is
	be.PutUint64(chunk[16:], unopenedSize/512)
	be.PutUint64(chunk[32:], unopenedSize)
	be.PutUint32(chunk[40:], 1<<32-1) // the last
	be.PutUint64(chunk[48:], unopenedSize/512)
	list := fmt.Sprintf("<plist><dict><key>resource-fork</key><dict><key>blkx</key><array><dict><key>Data</key><data>%s</data></dict></array></dict></dict></plist>",
		base64.StdEncoding.EncodeToString(table))

	t := make([]byte, 512)
	copy(t, "koly")
	be.PutUint32(t[4:], 4)
	be.PutUint32(t[8:], 512)
	be.PutUint64(t[32:], unopenedSize)
	be.PutUint32(t[56:], 1) // the first segment
	be.PutUint32(t[60:], 1) // of one
	be.PutUint64(t[216:], unopenedSize)
	be.PutUint64(t[224:], uint64(len(list)))
	be.PutUint32(t[488:], 1)
	be.PutUint64(t[492:], unopenedSize/512)
	return append(append(disk, list...), t...)
}

// Bochs builds a growing image of Bochs without any extent.
func Bochs() []byte {
	const extent, catalog = 16 << 10, 8
	b := make([]byte, 512+4*catalog)
	le := binary.LittleEndian
	copy(b, "Bochs Virtual HD Image")
	copy(b[32:], "Redolog")
	copy(b[48:], "Growing")
	le.PutUint32(b[64:], 0x00020000)
	le.PutUint32(b[68:], 512)
	le.PutUint32(b[72:], catalog)
	le.PutUint32(b[76:], 512) // bitmap
	le.PutUint32(b[80:], extent)
	le.PutUint64(b[88:], unopenedSize)
	for i := range catalog {
		le.PutUint32(b[512+4*i:], 1<<32-1) // not there
	}
	return b
}

// Cloop builds a compressed loop image of two blocks, the data of which is
// noise.
func Cloop() []byte {
	const blocks, packed = 2, 100
	b := make([]byte, 136+8*(blocks+1)+blocks*packed)
	be := binary.BigEndian
	copy(b, "#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\nexit $?\n")
	be.PutUint32(b[128:], unopenedSize/blocks)
	be.PutUint32(b[132:], blocks)
	for i := range blocks + 1 {
		be.PutUint64(b[136+8*i:], uint64(136+8*(blocks+1)+i*packed))
	}
	noise(b[136+8*(blocks+1):], 12)
	return b
}

// unopened returns images of formats that are recognized and never opened.
func unopened() []Case {
	type row struct {
		name, finding string // "" for unsupported
		change        func(b []byte) []byte
	}
	same := func(b []byte) []byte { return b }
	cut := func(name, finding string, n int) row {
		return row{name, finding, func(b []byte) []byte { return b[:n] }}
	}
	le32 := func(name, finding string, at int, value uint32) row {
		return row{name, finding, func(b []byte) []byte { binary.LittleEndian.PutUint32(b[at:], value); return b }}
	}
	be32 := func(name, finding string, at int, value uint32) row {
		return row{name, finding, func(b []byte) []byte { binary.BigEndian.PutUint32(b[at:], value); return b }}
	}
	// Fields of a dmg count from its trailer.
	trailer := func(name, finding string, field int, value uint64) row {
		return row{name, finding, func(b []byte) []byte {
			binary.BigEndian.PutUint64(b[len(b)-512+field:], value)
			return b
		}}
	}
	var cases []Case
	add := func(format string, build func() []byte, rows ...row) {
		for _, r := range rows {
			finding := r.finding
			if finding == "" {
				finding = "unsupported"
			}
			cases = append(cases, Case{Name: format + r.name, WantFormat: format, WantFinding: format + "." + finding,
				Build: func() []byte { return r.change(build()) }})
		}
	}
	add("dmg", DMG,
		row{"", "", same},
		row{"-with-tail", "trailing-bytes", func(b []byte) []byte { return append(b, make([]byte, 511)...) }},
		row{"-with-long-tail", "trailing-bytes", func(b []byte) []byte { return append(b, Text(3000)[:3000]...) }},
		row{"-at-start", "", func(b []byte) []byte { return append(b[len(b)-512:], b[:len(b)-512]...) }},
		row{"-cut-in-trailer", "trailer-cut", func(b []byte) []byte { return b[:len(b)-1] }},
		row{"-cut-behind-fields", "trailer-cut", func(b []byte) []byte { return b[:len(b)-500] }},
		trailer("-version-3", "trailer", 4, 3<<32|512),
		trailer("-header-size-max", "trailer", 4, 4<<32|1<<32-1),
		trailer("-header-size-0", "trailer", 4, 4<<32),
		trailer("-data-beyond", "incomplete", 32, 1<<20),
		trailer("-data-max", "incomplete", 24, 1<<64-1),
		trailer("-data-overflow", "incomplete", 24, 1<<64-unopenedSize),
		trailer("-resource-beyond", "incomplete", 48, 1<<20),
		trailer("-list-beyond", "incomplete", 224, 1<<20),
		trailer("-list-max", "incomplete", 224, 1<<64-1),
		trailer("-no-map", "no-map", 224, 0),
		trailer("-segments", "segments", 56, 1<<32|2),
		trailer("-sectors-max", "sector-count", 492, 1<<64-1),
		trailer("-sectors-over", "sector-count", 492, 1<<54),
		row{"-encrypted", "encrypted", func(b []byte) []byte { copy(b, "encrcdsa"); return b }},
		row{"-encrypted-v1", "encrypted", func(b []byte) []byte { return append(b, "cdsaencr"...) }},
	)
	add("bochs", Bochs,
		row{"", "", same},
		row{"-version-1", "", func(b []byte) []byte {
			binary.LittleEndian.PutUint32(b[64:], 0x00010000)
			copy(b[84:], b[88:96])
			return b
		}},
		row{"-undoable", "base", func(b []byte) []byte { copy(b[48:], "Undoable"); return b }},
		row{"-volatile", "base", func(b []byte) []byte { copy(b[48:], "Volatile"); return b }},
		row{"-subtype", "kind", func(b []byte) []byte { copy(b[48:], "growing"); return b }},
		row{"-type", "kind", func(b []byte) []byte { copy(b[32:], "Flat\x00"); return b }},
		le32("-version-0", "header", 64, 0),
		le32("-version-big-endian", "header", 64, 0x00000200),
		le32("-header-0", "header", 68, 0),
		le32("-header-beyond", "incomplete", 68, 1<<20),
		le32("-header-max", "incomplete", 68, 1<<32-1),
		le32("-catalog-0", "header", 72, 0),
		le32("-catalog-short", "header", 72, 3),
		le32("-catalog-max", "header", 72, 1<<32-1),
		le32("-catalog-beyond", "incomplete", 72, 1<<20),
		le32("-bitmap-0", "header", 76, 0),
		le32("-extent-0", "header", 80, 0),
		le32("-extent-odd", "header", 80, 16<<10+512),
		le32("-extent-max", "header", 80, 1<<31),
		le32("-disk-over", "header", 88, 1<<20),
		le32("-disk-max", "header", 92, 1<<32-1),
		cut("-cut-in-header", "header-cut", 511),
		cut("-cut-in-magic", "header-cut", 24),
		cut("-cut-in-catalog", "incomplete", 513),
	)
	add("cloop", Cloop,
		row{"", "", same},
		row{"-version-1", "", func(b []byte) []byte { b[12] = '1'; return b }},
		be32("-block-0", "header", 128, 0),
		be32("-block-odd", "header", 128, 1000),
		be32("-block-max", "header", 128, 1<<32-512),
		be32("-blocks-over", "header", 132, 64<<20),
		be32("-blocks-max", "header", 132, 1<<32-1),
		be32("-blocks-beyond", "incomplete", 132, 1<<20),
		be32("-offset-0", "header", 140, 0),
		be32("-last-offset-max", "incomplete", 152, 1<<32-1),
		cut("-cut-in-script", "header-cut", 100),
		cut("-cut-in-offsets", "incomplete", 150),
		cut("-cut-in-data", "incomplete", 200),
	)
	return append(cases,
		Case{Name: "dmg-claimed-raw", Claim: "raw", WantFormat: "dmg", WantFinding: "format.mismatch", Build: DMG},
		Case{Name: "bochs-claimed-raw", Claim: "raw", WantFormat: "bochs", WantFinding: "format.mismatch", Build: Bochs},
		Case{Name: "cloop-claimed-raw", Claim: "raw", WantFormat: "cloop", WantFinding: "format.mismatch", Build: Cloop},
		Case{Name: "dmg-and-mbr", Claim: "raw", WantFormat: "ambiguous", WantFinding: "format.ambiguous",
			Build: func() []byte { b := DMG(); clear(b[:512]); return withTable(b, linux(unopenedSize)) }},
		Case{Name: "raw-like-dmg-text", WantFormat: "raw", WantFinding: "raw.unclaimed", WantAccepted: true,
			Build: func() []byte { return append(Text(5000), "The trailer starts with koly and a version.\n"...) }},
	)
}
