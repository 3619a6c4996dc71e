package images

import (
	"cmp"
	"encoding/binary"
	"fmt"
)

// vhdVariant is a row of a table of VHD images.
type vhdVariant struct {
	name    string
	options []VHDOption
}

func (v vhdVariant) build() []byte { return VHD(v.options...) }

func vhdWith(options ...VHDOption) []VHDOption { return options }

func validVHD() []Case {
	contents := func(size int) VHDOption { return VHDContents(Random(size, 5)) }
	variants := []vhdVariant{
		{"dynamic", nil},
		{"dynamic-empty", vhdWith(VHDBlocks(2 << 20))},
		{"dynamic-zero-size", vhdWith(VHDSize(0), VHDBlocks(2<<20))},
		{"dynamic-odd-size", vhdWith(VHDSize(64<<10 - 512))},
		{"dynamic-small-blocks", vhdWith(VHDBlocks(4096, 0, 3, -1))},
		{"dynamic-large-blocks", vhdWith(VHDBlocks(256<<10, 0))},
		{"dynamic-out-of-order", vhdWith(VHDBlocks(vhdBlock, 5, 7, 0, 6))},
		{"dynamic-spare-entries", vhdWith(VHDHeader(VHDMaxTableEntries, 100))},
		{"dynamic-partial-block", vhdWith(VHDPatch(func(b []byte) { b[vhdFirstBlock] = 0x80 }))},
		{"dynamic-largest", vhdWith(VHDSize(2040<<30), VHDBlocks(2<<30))},
		{"dynamic-next-structure-32-bit", vhdWith(VHDHeader(VHDHeaderDataOffset, 1<<32-1))},
		{"dynamic-temporary", vhdWith(VHDFooter(VHDFeatures, 3))},
		{"fixed", vhdWith(contents(64 << 10))},
		{"fixed-one-sector", vhdWith(contents(512))},
		{"fixed-32-bit-data-offset", vhdWith(contents(4096), VHDFooter(VHDDataOffset, 1<<32-1))},
		{"fixed-original-size", vhdWith(contents(4096), VHDFooter(VHDOriginalSize, 512))},
		{"fixed-with-space", vhdWith(contents(64<<10), VHDSize(48<<10))},
		// The geometry is the size, so that it does not matter which counts.
		{"fixed-by-geometry", vhdWith(contents(34816), VHDCreator("qemu"))},
		{"dynamic-by-geometry", vhdWith(VHDCreator("vpc "), VHDSize(2*34816), VHDBlocks(vhdBlock, 0, -1))},
		// The largest geometry stands for every larger size.
		{"dynamic-largest-geometry", vhdWith(VHDCreator("vpc "), VHDSize(200<<30), VHDBlocks(2<<30))},
	}
	for i, creator := range []string{"win ", "d2v ", "tap\x00", "CTXS"} {
		variants = append(variants, vhdVariant{
			fmt.Sprintf("dynamic-by-current-size-%d", i), vhdWith(VHDCreator(creator), VHDGeometry(1, 2, 3)),
		})
	}
	var cases []Case
	for _, v := range variants {
		for _, claim := range []string{"", "vhd"} {
			c := Case{Name: "vhd-" + v.name, Build: v.build, Claim: claim, WantFormat: "vhd", WantAccepted: true}
			if claim != "" {
				c.Name += "-claimed"
			}
			cases = append(cases, c)
		}
	}
	for _, d := range vhdPartitioned() {
		cases = append(cases, Case{
			Name: "vhd-fixed-" + d.name + "-claimed", Claim: "vhd", WantFormat: "vhd", WantAccepted: true,
			Build: func() []byte { return VHD(VHDContents(d.build())) },
		})
	}
	return cases
}

// vhdDisk is the contents of a fixed disk.
type vhdDisk struct {
	name  string
	build func() []byte
}

// vhdPartitioned returns contents that are seen for themselves.
func vhdPartitioned() []vhdDisk {
	const size = 64 << 10
	return []vhdDisk{
		{"mbr", func() []byte { return MBR(size, linux(size)) }},
		{"mbr-broken", func() []byte { return MBR(size, Partition{Type: 0x83, Start: 8, Count: 1 << 20}) }},
		{"gpt", func() []byte { return GPT(512) }},
		{"gpt-4096", func() []byte { return GPT(4096) }},
		{"iso", ISO},
		{"iso-hybrid", func() []byte {
			b := ISO()
			putTable(b, linux(len(b)))
			return b
		}},
		{"luks1", LUKS1},
		{"luks2", LUKS2},
	}
}

// hostileVHD returns images with something to be said about them.
func hostileVHD() []Case {
	var cases []Case
	for _, group := range []struct {
		finding  string
		variants []vhdVariant
	}{
		{"vhd.parent", vhdParents()},
		{"vhd.parent-name", vhdParentNames()},
		{"vhd.parent-locator", vhdLocators()},
		{"vhd.copies-differ", vhdCopies()},
		{"vhd.footer-checksum", vhdChecksums()},
	} {
		for _, v := range group.variants {
			cases = append(cases, Case{Name: "vhd-" + v.name, Build: v.build, Claim: "vhd", WantFormat: "vhd", WantFinding: group.finding})
		}
	}
	for _, r := range vhdNumbers() {
		cases = append(cases, Case{
			Name: "vhd-" + r.name, Build: r.build, Claim: "vhd", Deep: r.deep,
			WantFormat: "vhd", WantFinding: r.finding, WantAccepted: r.accepted,
		})
	}
	return append(append(cases, vhdCut()...), vhdLookalikes()...)
}

// vhdParents returns every way to have a parent without a name or a locator.
func vhdParents() []vhdVariant {
	id := func(at int, value byte) VHDOption {
		return VHDPatch(func(b []byte) {
			b[vhdFooter+at] = value
			SealVHD(b[vhdFooter:][:vhdHeader], VHDHeaderChecksum)
		})
	}
	return []vhdVariant{
		{"differencing", vhdWith(VHDDifferencing("base.vhd"))},
		// A parent that is not named is a parent: some readers take it for a
		// raw disk and open what the locators say.
		{"differencing-nameless", vhdWith(VHDDifferencing(""))},
		{"differencing-without-header", vhdWith(VHDDifferencing(""), VHDFooter(VHDDataOffset, 1<<40))},
		{"differencing-damaged-header", vhdWith(VHDDifferencing(""), VHDPatch(func(b []byte) { b[vhdFooter] = 'C' }))},
		{"differencing-cut", vhdWith(VHDDifferencing(""), VHDPatch(func(b []byte) { clear(b[vhdEnd-vhdFooter:]) }))},
		{"parent-id-of-dynamic", vhdWith(id(40, 1))},
		{"parent-id-last-byte", vhdWith(id(55, 0x80))},
	}
}

func vhdParentNames() []vhdVariant {
	name := func(units ...uint16) VHDOption {
		return VHDPatch(func(b []byte) {
			for i, unit := range units {
				binary.BigEndian.PutUint16(b[vhdFooter+64+2*i:], unit)
			}
			SealVHD(b[vhdFooter:][:vhdHeader], VHDHeaderChecksum)
		})
	}
	full := make([]uint16, 256)
	for i := range full {
		full[i] = 0x4e2d
	}
	return []vhdVariant{
		{"parent-name", vhdWith(VHDDifferencing("base.vhd"))},
		{"parent-name-absolute", vhdWith(VHDDifferencing("/etc/passwd"))},
		{"parent-name-of-dynamic", vhdWith(name('a'))},
		{"parent-name-longest", vhdWith(name(full...))},
		{"parent-name-lone-surrogate", vhdWith(name(0xd83d, 'a'))},
		{"parent-name-behind-zero", vhdWith(name(0, 0, 'a'))},
		{"parent-name-last-byte", vhdWith(VHDPatch(func(b []byte) {
			b[vhdFooter+575] = 1
			SealVHD(b[vhdFooter:][:vhdHeader], VHDHeaderChecksum)
		}))},
	}
}

// vhdLocators returns locators of every platform code, in disks of either
// type, and with numbers that point nowhere.
func vhdLocators() []vhdVariant {
	variants := []vhdVariant{
		{"locator-url", vhdWith(VHDLocator("MacX", []byte("file:///etc/passwd")))},
		{"locator-relative", vhdWith(VHDDifferencing("../base.vhd"))},
		{"locator-unknown-code", vhdWith(VHDLocator("zzzz", []byte("/etc/passwd")))},
		{"locator-without-code", vhdWith(VHDLocator("\x00\x00\x00\x00", []byte("/etc/passwd")))},
		{"locator-not-utf8", vhdWith(VHDLocator("MacX", []byte("\xff\xfe/etc/passwd")))},
		{"locator-long", vhdWith(VHDLocator("W2ku", utf16LE(string(make([]rune, 600))+"x")))},
	}
	for _, code := range []string{"Wi2r", "Wi2k", "W2ru", "W2ku", "Mac ", "MacX"} {
		variants = append(variants, vhdVariant{
			fmt.Sprintf("locator-of-dynamic-%x", code), vhdWith(VHDLocator(code, utf16LE("C:\\base.vhd"))),
		})
	}
	for i := range 8 {
		variants = append(variants, vhdVariant{
			fmt.Sprintf("locator-%d-only", i), vhdWith(vhdRawLocator(i, "W2ku", 8, vhdTable)),
		})
	}
	for _, r := range []struct {
		name   string
		length uint32
		offset uint64
	}{
		{"empty", 0, 0},
		{"offset-0", 8, 0},
		{"offset-beyond-file", 8, 1 << 40},
		{"offset-sign", 8, 1 << 63},
		{"offset-max", 8, 1<<64 - 1},
		{"length-max", 1<<32 - 1, vhdTable},
		{"both-max", 1<<32 - 1, 1<<64 - 1},
		{"at-end", 8, vhdEnd},
		{"across-end", 64, vhdEnd - 8},
	} {
		variants = append(variants, vhdVariant{"locator-" + r.name, vhdWith(vhdRawLocator(0, "MacX", r.length, r.offset))})
	}
	// Any field that is not zero is something.
	for at := 0; at < 24; at += 4 {
		variants = append(variants, vhdVariant{fmt.Sprintf("locator-byte-%d", at), vhdWith(VHDPatch(func(b []byte) {
			b[vhdFooter+576+at] = 1
			SealVHD(b[vhdFooter:][:vhdHeader], VHDHeaderChecksum)
		}))})
	}
	return variants
}

func vhdRawLocator(i int, code string, length uint32, offset uint64) VHDOption {
	return VHDPatch(func(b []byte) {
		header := b[vhdFooter:][:vhdHeader]
		VHDParentLocator(i, code, length, offset)(header)
		SealVHD(header, VHDHeaderChecksum)
	})
}

// vhdCopies returns images whose copy says something else than the footer.
// Both are valid for themselves.
func vhdCopies() []vhdVariant {
	differ := func(name string, change func(footer []byte)) []vhdVariant {
		at := func(start bool) VHDOption {
			return VHDPatch(func(b []byte) {
				footer := b[len(b)-vhdFooter:]
				if start {
					footer = b[:vhdFooter]
				}
				change(footer)
				SealVHD(footer, VHDChecksum)
			})
		}
		return []vhdVariant{{"copy-" + name, vhdWith(at(true))}, {"footer-" + name, vhdWith(at(false))}}
	}
	var variants []vhdVariant
	variants = append(variants, differ("other-size", func(b []byte) { Put(b, VHDCurrentSize, 32<<10) })...)
	variants = append(variants, differ("other-type", func(b []byte) { Put(b, VHDDiskType, VHDTypeFixed) })...)
	variants = append(variants, differ("other-header", func(b []byte) { Put(b, VHDDataOffset, 1024) })...)
	variants = append(variants, differ("other-creator", func(b []byte) { copy(b[28:], "vpc ") })...)
	variants = append(variants, differ("other-last-byte", func(b []byte) { b[511] = 1 })...)
	// A fixed disk whose contents start with the cookie: qemu reads another
	// disk than those who look at the end.
	variants = append(variants,
		vhdVariant{"fixed-of-dynamic", vhdWith(VHDContents(VHD()))},
		vhdVariant{"fixed-of-cookie", vhdWith(VHDContents(append([]byte("conectix"), make([]byte, 4096-8)...)))})
	return variants
}

func vhdChecksums() []vhdVariant {
	return []vhdVariant{
		{"checksum-0", vhdWith(VHDPatch(func(b []byte) { Put(b, VHDChecksum, 0); copy(b[len(b)-vhdFooter:], b[:vhdFooter]) }))},
		{"checksum-off-by-one", vhdWith(VHDPatch(func(b []byte) {
			Put(b, VHDChecksum, Get(b, VHDChecksum)+1)
			copy(b[len(b)-vhdFooter:], b[:vhdFooter])
		}))},
		{"fixed-checksum", vhdWith(VHDContents(Random(4096, 6)), VHDPatch(func(b []byte) { b[len(b)-1] = 1 }))},
	}
}

// vhdCut returns valid images that end too early. The footer is at the end, so
// that a cut is always seen at once.
func vhdCut() []Case {
	var cases []Case
	for _, n := range []int{8, 9, 64, 511} {
		cases = append(cases, Case{
			Name: fmt.Sprintf("vhd-cut-in-copy-%d", n), WantFormat: "vhd", WantFinding: "vhd.footer-cut",
			Build: func() []byte { return VHD()[:n] },
		})
	}
	for _, n := range []int{8, 85, 510, 511} {
		cases = append(cases, Case{
			Name: fmt.Sprintf("vhd-fixed-footer-of-%d-bytes", n), WantFormat: "vhd", WantFinding: "vhd.short-footer",
			Build: func() []byte { return VHD(VHDContents(Random(4096, 7)))[:4096+n] },
		})
	}
	for _, n := range []int{513, 1024, vhdTable, vhdTable + 1, vhdFirstBlock, vhdSecondBlock, vhdEnd - vhdFooter} {
		cases = append(cases, Case{
			Name: fmt.Sprintf("vhd-cut-at-%d", n), Claim: "vhd", WantFormat: "vhd", WantFinding: "vhd.footer-missing",
			Build: func() []byte { return VHD()[:n] },
		})
	}
	// Without its footer a fixed disk is a raw one: the claim tells.
	for _, n := range []int{1, 4095, 4096, 4096 + 7} {
		cases = append(cases, Case{
			Name: fmt.Sprintf("vhd-fixed-cut-at-%d", n), Claim: "vhd", WantFormat: "raw", WantFinding: "format.mismatch",
			Build: func() []byte { return VHD(VHDContents(Random(4096, 7)))[:n] },
		})
	}
	return append(cases,
		Case{Name: "vhd-cut-at-512", Claim: "vhd", WantFormat: "vhd", WantFinding: "vhd.incomplete",
			Build: func() []byte { return VHD()[:vhdFooter] }},
		Case{Name: "vhd-followed-by-zeros", Claim: "vhd", WantFormat: "vhd", WantFinding: "vhd.footer-missing",
			Build: func() []byte { return append(VHD(), make([]byte, 512)...) }},
		Case{Name: "vhd-fixed-without-its-start", Claim: "vhd", WantFormat: "vhd", WantFinding: "vhd.incomplete",
			Build: func() []byte { return VHD(VHDContents(Random(4096, 8)))[512:] }},
	)
}

// vhdLookalikes returns files that are not what they seem, or claim, to be.
func vhdLookalikes() []Case {
	fixed := func() []byte { return VHD(VHDContents(Random(4096, 9))) }
	shorter := func(image []byte) []byte { return image[:len(image)-1] }
	cases := []Case{
		{Name: "vhd-claimed-raw", Claim: "raw", WantFormat: "vhd", WantFinding: "format.mismatch", Build: func() []byte { return VHD() }},
		{Name: "vhd-fixed-claimed-raw", Claim: "raw", WantFormat: "vhd", WantFinding: "format.mismatch", Build: fixed},
		{Name: "vhd-fixed-of-511-bytes-unaligned", WantFormat: "vhd", WantFinding: "vhd.short-footer",
			Build: func() []byte { return shorter(VHD(VHDContents(Random(4097, 9)))) }},
		{Name: "vhd-fixed-of-511-bytes-claimed-raw", Claim: "raw", WantFormat: "vhd", WantFinding: "vhd.short-footer",
			Build: func() []byte { return shorter(fixed()) }},
		{Name: "vhd-fixed-of-nothing-but-511-bytes", WantFormat: "vhd", WantFinding: "vhd.footer-cut",
			Build: func() []byte { return shorter(VHD(VHDContents(nil))) }},
		{Name: "vhd-dynamic-of-511-bytes", WantFormat: "vhd", WantFinding: "vhd.short-footer",
			Build: func() []byte { return shorter(VHD()) }},
		{Name: "vhd-fixed-of-nothing", WantFormat: "vhd", WantFinding: "vhd.type-mismatch", Build: func() []byte { return VHD(VHDContents(nil)) }},
		{Name: "vhd-dynamic-without-copy", WantFormat: "vhd", WantFinding: "vhd.copy-missing",
			Build: func() []byte {
				b := VHD()
				clear(b[:8])
				return b
			}},
		{Name: "vhd-footer-not-at-end", Claim: "raw", WantFormat: "raw", WantAccepted: true,
			Build: func() []byte { return append(fixed(), make([]byte, 512)...) }},
		{Name: "vhd-dynamic-and-mbr", Claim: "vhd", WantFormat: "ambiguous", WantFinding: "format.ambiguous",
			Build: func() []byte {
				b := VHD()
				for _, footer := range [][]byte{b[:vhdFooter], b[len(b)-vhdFooter:]} {
					putTable(footer, linux(len(b)))
					SealVHD(footer, VHDChecksum)
				}
				return b
			}},
		{Name: "vhd-fixed-of-qcow2", Claim: "vhd", WantFormat: "ambiguous", WantFinding: "format.ambiguous",
			Build: func() []byte { return VHD(VHDContents(Qcow2())) }},
		{Name: "vhd-fixed-of-qcow2-claimed-qcow2", Claim: "qcow2", WantFormat: "ambiguous", WantFinding: "format.ambiguous",
			Build: func() []byte { return VHD(VHDContents(Qcow2())) }},
	}
	for _, d := range vhdPartitioned() {
		for _, claim := range []string{"", "raw", "mbr", "gpt"} {
			cases = append(cases, Case{
				Name: "vhd-fixed-" + d.name + "-or-" + cmp.Or(claim, "none"), Claim: claim,
				WantFormat: "ambiguous", WantFinding: "format.ambiguous",
				Build: func() []byte { return VHD(VHDContents(d.build())) },
			})
		}
	}
	return cases
}
