package images

// lookalikes returns files that are not what they seem, or claim, to be.
func lookalikes() []Case {
	const size = 64 << 10
	plain := func() []byte { return Qcow2() }
	return []Case{
		{Name: "qcow2-claimed-raw", Claim: "raw", Build: plain, WantFormat: "qcow2", WantFinding: "format.mismatch"},
		{Name: "qcow2-claimed-vmdk", Claim: "vmdk", Build: plain, WantFormat: "qcow2", WantFinding: "format.mismatch"},
		{Name: "random-claimed-qcow2", Claim: "qcow2", WantFormat: "raw", WantFinding: "format.mismatch",
			Build: func() []byte { return Random(size, 2) }},
		{Name: "mbr-claimed-qcow2", Claim: "qcow2", WantFormat: "mbr", WantFinding: "format.mismatch",
			Build: func() []byte { return MBR(size, linux(size)) }},

		{Name: "empty", WantFormat: "raw", WantFinding: "raw.empty", Build: func() []byte { return nil }},
		{Name: "empty-claimed-raw", Claim: "raw", WantFormat: "raw", WantFinding: "raw.empty", Build: func() []byte { return nil }},
		{Name: "random", WantFormat: "raw", WantFinding: "raw.unclaimed", WantAccepted: true,
			Build: func() []byte { return Random(size, 3) }},
		{Name: "text", WantFormat: "raw", WantFinding: "raw.unclaimed", WantAccepted: true,
			Build: func() []byte { return Text(size) }},
		{Name: "fat", WantFormat: "raw", WantFinding: "raw.unclaimed", WantAccepted: true,
			Build: func() []byte { return FAT(size) }},
		{Name: "boot-signature-without-table", WantFormat: "raw", WantFinding: "raw.unclaimed", WantAccepted: true,
			Build: func() []byte {
				b := Random(size, 4)
				b[510], b[511] = 0x55, 0xaa
				return b
			}},
		{Name: "magic-not-at-start", WantFormat: "raw", WantFinding: "raw.unclaimed", WantAccepted: true,
			Build: func() []byte { return append(make([]byte, 512), Qcow2()...) }},

		{Name: "qcow2-magic-wrong-endian", WantFormat: "qcow2", WantFinding: "qcow2.wrong-endian",
			Build: func() []byte {
				b := Qcow2()
				copy(b, "\xfbIFQ")
				return b
			}},
		{Name: "qcow2-and-mbr", WantFormat: "ambiguous", WantFinding: "format.ambiguous",
			Build: func() []byte {
				b := Qcow2()
				putTable(b, linux(len(b)))
				return b
			}},
		{Name: "qcow2-and-gpt", WantFormat: "ambiguous", WantFinding: "format.ambiguous", Build: qcow2AndGPT},
		{Name: "qcow2-and-mbr-claimed-raw", Claim: "raw", WantFormat: "ambiguous", WantFinding: "format.ambiguous",
			Build: func() []byte {
				b := Qcow2()
				putTable(b, linux(len(b)))
				return b
			}},
	}
}

// qcow2AndGPT builds a valid qcow2 that is a valid GPT disk at the same time:
// the disk's primary half fits into the first cluster behind the qcow2
// header, its backup behind the last cluster.
func qcow2AndGPT() []byte {
	image := Qcow2(Clusters(16))
	disk := GPT(512)
	l := LayoutGPT(512)
	// Move the backup half from the end of the small disk to the end of the
	// image, and let the headers say so.
	image = append(image, disk[l.BackupEntries:]...)
	moved := l
	moved.Size = len(image)
	moved.BackupHeader = len(image) - 512
	moved.BackupEntries = moved.BackupHeader - gptEntries*gptEntrySize
	copy(image[446:], disk[446:512])
	copy(image[l.PrimaryEntries:], disk[l.PrimaryEntries:][:gptEntries*gptEntrySize])
	putGPTHeader(image, moved, moved.PrimaryHeader, moved.BackupHeader, moved.PrimaryEntries)
	putGPTHeader(image, moved, moved.BackupHeader, moved.PrimaryHeader, moved.BackupEntries)
	return image
}
