package images

import "encoding/binary"

// Where the parts of LUKS1's image are, in bytes (LUKS On-Disk Format
// Specification, version 1.2.3, figures 1 and 2).
const (
	luksCipherName    = 8
	luksHashSpec      = 72
	luksPayloadOffset = 104
	luksKeyBytes      = 108
	luksIterations    = 164
	luksUUID          = 168
	luksSlots         = 208
	luksSlotSize      = 48

	luksFirstMaterial = 8 // in sectors
	luksMaterialStep  = 128
	luksPayload       = luksFirstMaterial + 8*luksMaterialStep
	luksDisk          = 4096 // bytes of the payload
)

// LUKS1 builds an image of LUKS version 1 with a key of 128 bits in the first
// of its eight slots. No passphrase opens it: its salts and its key material
// are noise.
func LUKS1() []byte {
	image := make([]byte, luksPayload*512+luksDisk)
	be := binary.BigEndian
	copy(image, "LUKS\xba\xbe\x00\x01")
	copy(image[luksCipherName:], "aes")
	copy(image[40:], "cbc-essiv:sha256")
	copy(image[luksHashSpec:], "sha256")
	be.PutUint32(image[luksPayloadOffset:], luksPayload)
	be.PutUint32(image[luksKeyBytes:], 16)
	noise(image[112:][:52], 5)
	be.PutUint32(image[luksIterations:], 100_000)
	copy(image[luksUUID:], "01234567-89ab-4cde-8f01-23456789abcd")
	for i := range 8 {
		slot := image[luksSlots+luksSlotSize*i:]
		be.PutUint32(slot, 0xdead)
		be.PutUint32(slot[40:], uint32(luksFirstMaterial+luksMaterialStep*i))
		be.PutUint32(slot[44:], 4000)
	}
	slot := image[luksSlots:]
	be.PutUint32(slot, 0xac71f3)
	be.PutUint32(slot[4:], 1_000_000)
	noise(slot[8:][:32], 6)
	noise(image[luksFirstMaterial*512:][:16*4000], 7)
	noise(image[luksPayload*512:], 8)
	return image
}

// luks2Header is the size of one header of LUKS2's image with its JSON area.
const luks2Header = 16 << 10

// LUKS2 builds the two headers of an image of LUKS version 2 (LUKS2 On-Disk
// Format Specification, section 2), and noise behind them.
func LUKS2() []byte {
	image := make([]byte, 3*luks2Header)
	be := binary.BigEndian
	for i, magic := range []string{"LUKS\xba\xbe", "SKUL\xba\xbe"} {
		h := image[luks2Header*i:]
		copy(h, magic)
		be.PutUint16(h[6:], 2)
		be.PutUint64(h[8:], luks2Header)
		be.PutUint64(h[16:], 3) // seqid
		copy(h[72:], "sha256")
		noise(h[104:][:64], uint64(9+i))
		copy(h[168:], "01234567-89ab-4cde-8f01-23456789abcd")
		be.PutUint64(h[256:], uint64(luks2Header*i))
		copy(h[4096:], `{"keyslots":{},"tokens":{},"segments":{},"digests":{},"config":{"json_size":"12288","keyslots_size":"16384"}}`)
	}
	noise(image[2*luks2Header:], 11)
	return image
}

func validLUKS() []Case {
	return []Case{
		{Name: "luks1", WantFormat: "luks", WantFinding: "luks.encrypted", WantAccepted: true, Build: LUKS1},
		{Name: "luks1-claimed-luks", Claim: "luks", WantFormat: "luks", WantFinding: "luks.encrypted", WantAccepted: true, Build: LUKS1},
		{Name: "luks1-claimed-raw", Claim: "raw", WantFormat: "luks", WantFinding: "raw.claimed", WantAccepted: true, Build: LUKS1},
		{Name: "luks1-empty-payload", WantFormat: "luks", WantFinding: "luks.encrypted", WantAccepted: true,
			Build: func() []byte { return LUKS1()[:luksPayload*512] }},
		{Name: "luks1-no-key", WantFormat: "luks", WantFinding: "luks.encrypted", WantAccepted: true,
			Build: func() []byte {
				b := LUKS1()
				binary.BigEndian.PutUint32(b[luksSlots:], 0xdead)
				return b
			}},
	}
}

// luksDefects returns LUKS images of both versions with one defect each.
func luksDefects() []Case {
	type row struct {
		name, finding string
		change        func(b []byte) []byte
	}
	put := func(name, finding string, at int, value uint32) row {
		return row{name, finding, func(b []byte) []byte { binary.BigEndian.PutUint32(b[at:], value); return b }}
	}
	fill := func(name string, at, n int) row {
		return row{name + "-not-terminated", "luks.string", func(b []byte) []byte {
			for i := range n {
				b[at+i] = 'a'
			}
			return b
		}}
	}
	cut := func(name, finding string, n int) row {
		return row{name, finding, func(b []byte) []byte { return b[:n] }}
	}
	const lastSlot = luksSlots + 7*luksSlotSize
	rows := []row{
		fill("cipher-name", luksCipherName, 32),
		fill("cipher-mode", 40, 32),
		fill("hash-spec", luksHashSpec, 32),
		fill("uuid", luksUUID, 40),
		put("key-bytes-0", "luks.key-length", luksKeyBytes, 0),
		put("key-bytes-513", "luks.key-length", luksKeyBytes, 513),
		put("key-bytes-max", "luks.key-length", luksKeyBytes, 1<<32-1),
		put("key-bytes-over-room", "luks.key-material-overlap", luksKeyBytes, 17),
		put("iterations-0", "luks.iterations-zero", luksIterations, 0),
		put("iterations-max", "luks.iterations-limit", luksIterations, 1<<32-1),
		put("payload-1", "luks.payload-in-header", luksPayloadOffset, 1),
		put("payload-over-material", "luks.key-material-in-payload", luksPayloadOffset, luksPayload-4),
		put("payload-beyond-file", "luks.incomplete", luksPayloadOffset, luksPayload+luksDisk/512+1),
		put("payload-max", "luks.incomplete", luksPayloadOffset, 1<<32-1),
		put("detached-header", "luks.detached-header", luksPayloadOffset, 0),
		put("slot-state-0", "luks.key-slot-state", luksSlots, 0),
		put("slot-state-max", "luks.key-slot-state", lastSlot, 1<<32-1),
		put("slot-iterations-0", "luks.iterations-zero", luksSlots+4, 0),
		put("slot-iterations-max", "luks.iterations-limit", luksSlots+4, 1<<32-1),
		put("stripes-0", "luks.stripes", luksSlots+44, 0),
		put("stripes-3999", "luks.stripes", luksSlots+44, 3999),
		put("stripes-max", "luks.stripes", lastSlot+44, 1<<32-1),
		put("material-0", "luks.key-material", luksSlots+40, 0),
		put("material-1", "luks.key-material", lastSlot+40, 1),
		put("material-in-payload", "luks.key-material-in-payload", luksSlots+40, luksPayload-1),
		put("material-max", "luks.key-material-in-payload", luksSlots+40, 1<<32-1),
		put("material-same", "luks.key-material-overlap", lastSlot+40, luksFirstMaterial),
		put("material-overlap", "luks.key-material-overlap", lastSlot+40, luksFirstMaterial+7),
		put("version-0", "luks.unknown-version", 4, 0xbabe0000),
		put("version-3", "luks.unknown-version", 4, 0xbabe0003),
		put("version-little-endian", "luks.unknown-version", 4, 0xbabe0100),
		cut("cut-in-magic", "luks.header-cut", 6),
		cut("cut-in-version", "luks.header-cut", 7),
		cut("cut-in-header", "luks.header-cut", 591),
		cut("cut-behind-header", "luks.incomplete", 592),
		cut("cut-in-material", "luks.incomplete", luksPayload*512-1),
	}
	var cases []Case
	for _, r := range rows {
		cases = append(cases, Case{Name: "luks1-" + r.name, WantFormat: "luks", WantFinding: r.finding,
			Build: func() []byte { return r.change(LUKS1()) }})
	}
	rows = []row{
		{"valid", "luks.luks2", func(b []byte) []byte { return b }},
		put("header-size-0", "luks.header-size", 12, 0),
		put("header-size-odd", "luks.header-size", 12, luks2Header+512),
		put("header-size-8m", "luks.header-size", 12, 8<<20),
		put("header-size-max", "luks.header-size", 8, 1<<32-1),
		put("header-size-other", "luks.incomplete", 12, 2*luks2Header),
		put("header-offset", "luks.primary-header", 260, 512),
		put("second-magic", "luks.secondary-header", luks2Header, 0),
		put("second-offset", "luks.secondary-header", luks2Header+260, 0),
		put("second-sequence", "luks.copies-differ", luks2Header+20, 2),
		put("second-uuid", "luks.copies-differ", luks2Header+168, 0),
		put("first-erased", "luks.primary-header", 0, 0),
		cut("cut-in-header", "luks.header-cut", 4095),
		cut("cut-in-second", "luks.incomplete", 2*luks2Header-1),
	}
	for _, r := range rows {
		cases = append(cases, Case{Name: "luks2-" + r.name, WantFormat: "luks", WantFinding: r.finding,
			Build: func() []byte { return r.change(LUKS2()) }})
	}
	// As a raw disk none of this is followed.
	return append(cases,
		Case{Name: "luks1-broken-claimed-raw", Claim: "raw", WantFormat: "luks", WantFinding: "raw.claimed", WantAccepted: true,
			Build: func() []byte { return LUKS1()[:luksPayload*512-1] }},
		Case{Name: "luks2-claimed-raw", Claim: "raw", WantFormat: "luks", WantFinding: "raw.claimed", WantAccepted: true, Build: LUKS2},
		Case{Name: "luks1-claimed-qcow2", Claim: "qcow2", WantFormat: "luks", WantFinding: "format.mismatch", Build: LUKS1},
		Case{Name: "luks2-second-erased-partitioned", Claim: "raw", WantFormat: "mbr", WantAccepted: true,
			Build: func() []byte {
				b := LUKS2()
				clear(b[:luks2Header])
				putTable(b, linux(len(b)))
				return b
			}},
	)
}
