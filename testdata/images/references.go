package images

import "strings"

// firstExtension is where the extensions of a version 3 header of 104 bytes
// start.
const firstExtension = 104

// references returns every spelling of something outside the image that
// opening it would pull in.
func references() []Case {
	backing := []variant{
		{"relative", with(Backing("base.qcow2"))},
		{"absolute", with(Backing("/etc/passwd"))},
		{"parent", with(Backing("../../secret.img"))},
		{"json", with(Backing(`json:{"driver":"file","filename":"/etc/passwd"}`))},
		{"json-nbd", with(Backing(`json:{"driver":"nbd","server":{"type":"inet","host":"192.0.2.1","port":"10809"}}`))},
		{"nbd", with(Backing("nbd://192.0.2.1:10809/export"))},
		{"http", with(Backing("http://192.0.2.1/disk.img"))},
		{"fd", with(Backing("/dev/fd/3"))},
		{"fdset", with(Backing("/dev/fdset/1"))},
		{"with-format", with(Backing("base.img"), BackingFormat("raw"))},
		{"v2", with(V2(), Backing("/etc/passwd"))},
		{"longest", with(Backing(strings.Repeat("a", 1023)))},
		{"too-long", with(Backing(strings.Repeat("a", 1024)))},
		{"not-utf8", with(Backing("\xff\xfe/etc/passwd"))},
		{"control-characters", with(Backing("\x1b[2J\x1b[Hverified\n/etc/passwd"))},
		{"nul-inside", with(Backing("base.img\x00/etc/passwd"))},
		// Offset and size are two fields; each alone announces a name.
		{"empty", with(Backing("/etc/passwd"), With(BackingFileSize, 0))},
		{"offset-only", with(With(BackingFileOffset, 200))},
		{"size-only", with(With(BackingFileSize, 11))},
		// The size says more than there is before the cluster ends: no
		// terminator ends the name.
		{"unterminated", with(Backing("/etc/passwd"), With(BackingFileSize, 1<<20))},
		{"size-max", with(Backing("/etc/passwd"), With(BackingFileSize, 1<<32-1))},
		{"outside-first-cluster", with(Backing("/etc/passwd"), With(BackingFileOffset, 4096))},
		{"across-first-cluster", with(Backing("/etc/passwd"), With(BackingFileOffset, 4096-4))},
		{"beyond-file", with(Backing("/etc/passwd"), With(BackingFileOffset, 1<<40))},
		{"offset-max", with(Backing("/etc/passwd"), With(BackingFileOffset, 1<<64-1))},
		{"inside-header", with(Backing("/etc/passwd"), With(BackingFileOffset, 8))},
	}
	var cases []Case
	for _, v := range backing {
		cases = append(cases, Case{Name: "qcow2-backing-" + v.name, Build: v.build, WantFormat: "qcow2", WantFinding: "qcow2.backing-file"})
	}
	// The header and the name are all there is.
	cases = append(cases, Case{
		Name: "qcow2-backing-file-of-200-bytes", WantFormat: "qcow2", WantFinding: "qcow2.backing-file",
		Build: func() []byte { return Qcow2(Backing("/etc/passwd"))[:200] },
	})

	data := []variant{
		{"relative", with(DataFile("data.raw"))},
		{"absolute", with(DataFile("/etc/passwd"))},
		{"json", with(DataFile(`json:{"driver":"file","filename":"/etc/passwd"}`))},
		{"nbd", with(DataFile("nbd://192.0.2.1:10809/export"))},
		{"http", with(DataFile("http://192.0.2.1/disk.img"))},
		{"empty", with(DataFile(""))},
		{"raw", with(DataFile("/etc/passwd"), Features(0, 0, AutoclearDataFileRaw))},
		{"not-utf8", with(DataFile("\xff\xfe"))},
		// The bit and the name are two places; each alone announces a file.
		{"bit-only", with(Features(IncompatibleDataFile, 0, 0))},
		{"name-only", with(Extension(ExtensionDataFile, []byte("/etc/passwd")))},
		{"raw-bit-only", with(Features(0, 0, AutoclearDataFileRaw))},
		{"twice", with(DataFile("a.raw"), DataFile("/etc/passwd"))},
		{"behind-unknown", with(Extension(0x12345678, make([]byte, 512)), DataFile("/etc/passwd"))},
		{"longest", with(DataFile(strings.Repeat("a", 1023)))},
		{"with-backing", with(Backing("base.img"), DataFile("/etc/passwd"))},
		// The length of the extension reaches beyond the first cluster.
		{"unterminated", with(DataFile("/etc/passwd"), extensionLength(1<<20))},
		{"length-max", with(DataFile("/etc/passwd"), extensionLength(1<<32-1))},
	}
	for _, v := range data {
		cases = append(cases, Case{Name: "qcow2-data-file-" + v.name, Build: v.build, WantFormat: "qcow2", WantFinding: "qcow2.data-file"})
	}
	cases = append(cases, Case{
		Name: "qcow2-data-file-file-of-200-bytes", WantFormat: "qcow2", WantFinding: "qcow2.data-file",
		Build: func() []byte { return Qcow2(DataFile("/etc/passwd"))[:200] },
	})
	return cases
}

// extensionLength sets the length of the first extension of a version 3
// image.
func extensionLength(n uint32) Option {
	return Patch(func(b []byte) { Put(b, Field{firstExtension + 4, 4}, uint64(n)) })
}
