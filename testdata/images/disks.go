package images

import (
	"encoding/binary"
	"hash/crc32"
)

// damagedDisks returns disks whose partition table has a defect. A raw disk
// stays a raw disk: they are accepted with a warning.
func damagedDisks() []Case {
	rows := []struct {
		name, finding string
		damage        func(disk []byte, l GPTLayout)
	}{
		{"primary-crc", "gpt.primary-header", func(d []byte, l GPTLayout) { d[l.PrimaryHeader+16] ^= 1 }},
		{"primary-erased", "gpt.primary-header", func(d []byte, l GPTLayout) { clear(d[l.PrimaryHeader:][:l.Sector]) }},
		{"primary-wrong-place", "gpt.primary-header", func(d []byte, l GPTLayout) {
			binary.LittleEndian.PutUint64(d[l.PrimaryHeader+24:], 2)
			SealGPT(d, l.PrimaryHeader)
		}},
		{"primary-header-size-max", "gpt.primary-header", func(d []byte, l GPTLayout) {
			binary.LittleEndian.PutUint32(d[l.PrimaryHeader+12:], 1<<32-1)
		}},
		{"primary-entries-crc", "gpt.primary-entries", func(d []byte, l GPTLayout) { d[l.PrimaryEntries+56] ^= 1 }},
		{"primary-entries-max", "gpt.primary-entries", func(d []byte, l GPTLayout) {
			binary.LittleEndian.PutUint32(d[l.PrimaryHeader+80:], 1<<32-1)
			SealGPT(d, l.PrimaryHeader)
		}},
		{"primary-entry-size-0", "gpt.primary-entries", func(d []byte, l GPTLayout) {
			binary.LittleEndian.PutUint32(d[l.PrimaryHeader+84:], 0)
			SealGPT(d, l.PrimaryHeader)
		}},
		{"primary-entries-beyond-disk", "gpt.primary-entries", func(d []byte, l GPTLayout) {
			binary.LittleEndian.PutUint64(d[l.PrimaryHeader+72:], 1<<60)
			SealGPT(d, l.PrimaryHeader)
		}},
		{"backup-crc", "gpt.backup-header", func(d []byte, l GPTLayout) { d[l.BackupHeader+16] ^= 1 }},
		{"backup-erased", "gpt.backup-header", func(d []byte, l GPTLayout) { clear(d[l.BackupHeader:]) }},
		{"backup-entries-crc", "gpt.backup-entries", func(d []byte, l GPTLayout) { d[l.BackupEntries+56] ^= 1 }},
		{"copies-differ", "gpt.copies-differ", func(d []byte, l GPTLayout) {
			d[l.BackupHeader+56] ^= 1 // the GUID of the disk
			SealGPT(d, l.BackupHeader)
		}},
		{"partition-overlap", "gpt.overlap", func(d []byte, l GPTLayout) {
			putEntries(d, l, func(entries []byte) { copy(entries[gptEntrySize:], entries[:gptEntrySize]) })
		}},
		{"partition-backwards", "gpt.outside-usable", func(d []byte, l GPTLayout) {
			putEntries(d, l, func(entries []byte) { binary.LittleEndian.PutUint64(entries[32:], gptSectors) })
		}},
		{"partition-over-backup", "gpt.outside-usable", func(d []byte, l GPTLayout) {
			putEntries(d, l, func(entries []byte) { binary.LittleEndian.PutUint64(entries[40:], gptSectors-1) })
		}},
		{"partition-beyond-disk", "gpt.beyond-disk", func(d []byte, l GPTLayout) {
			putEntries(d, l, func(entries []byte) { binary.LittleEndian.PutUint64(entries[40:], 1<<40) })
		}},
		{"partition-max", "gpt.beyond-disk", func(d []byte, l GPTLayout) {
			putEntries(d, l, func(entries []byte) { binary.LittleEndian.PutUint64(entries[40:], 1<<64-1) })
		}},
		{"no-protective-mbr", "gpt.no-protective-mbr", func(d []byte, _ GPTLayout) { clear(d[:512]) }},
		{"hybrid-mbr", "gpt.hybrid-mbr", func(d []byte, _ GPTLayout) {
			putTable(d, Partition{Type: 0xee, Start: 1, Count: 33}, Partition{Type: 0x83, Start: 34, Count: 29, Bootable: true})
		}},
	}
	var cases []Case
	for _, r := range rows {
		for _, sector := range []int{512, 4096} {
			name := "gpt-" + r.name
			if sector == 4096 {
				name = "gpt-4096-" + r.name
			}
			cases = append(cases, Case{
				Name: name, WantFormat: "gpt", WantFinding: r.finding, WantAccepted: true,
				Build: func() []byte {
					disk := GPT(sector)
					r.damage(disk, LayoutGPT(sector))
					return disk
				},
			})
		}
	}
	const size = 64 << 10
	return append(cases,
		Case{Name: "gpt-cut", WantFormat: "gpt", WantFinding: "gpt.backup-header", WantAccepted: true,
			Build: func() []byte { d := GPT(512); return d[:len(d)/2] }},
		Case{Name: "gpt-enlarged", WantFormat: "gpt", WantFinding: "gpt.backup-misplaced", WantAccepted: true,
			Build: func() []byte { return append(GPT(512), make([]byte, size)...) }},
		Case{Name: "mbr-logical-cut", WantFormat: "mbr", WantFinding: "mbr.logical-chain", WantAccepted: true,
			Build: func() []byte { d := logical(size); clear(d[96*512:][:512]); return d }},
		Case{Name: "mbr-logical-loop", WantFormat: "mbr", WantFinding: "mbr.logical-chain", WantAccepted: true,
			Build: func() []byte {
				d := logical(size)
				putTable(d[96*512:], Partition{Type: 0x83, Start: 8, Count: 24}, Partition{Type: 0x05, Start: 0, Count: 32})
				return d
			}},
		Case{Name: "mbr-beyond-disk", WantFormat: "mbr", WantFinding: "mbr.beyond-disk", WantAccepted: true,
			Build: func() []byte { return MBR(size, Partition{Type: 0x83, Start: 8, Count: 1 << 20}) }},
		Case{Name: "mbr-overlap", WantFormat: "mbr", WantFinding: "mbr.overlap", WantAccepted: true,
			Build: func() []byte {
				return MBR(size, Partition{Type: 0x83, Start: 8, Count: 64}, Partition{Type: 0x83, Start: 32, Count: 64})
			}},
	)
}

// putEntries changes both arrays of partition entries alike, and lets both
// headers say so.
func putEntries(disk []byte, l GPTLayout, change func(entries []byte)) {
	for _, at := range [][2]int{{l.PrimaryEntries, l.PrimaryHeader}, {l.BackupEntries, l.BackupHeader}} {
		entries := disk[at[0]:][:gptEntries*gptEntrySize]
		change(entries)
		binary.LittleEndian.PutUint32(disk[at[1]+88:], crc32.ChecksumIEEE(entries))
		SealGPT(disk, at[1])
	}
}
