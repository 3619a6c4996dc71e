package images

import (
	"crypto/md5"
	"encoding/binary"
	"fmt"
)

// The fields of a parallels header (docs/interop/parallels.txt, section
// "Header"): little-endian numbers.
var (
	prlVersion    = Field{16, 4}
	prlTracks     = Field{28, 4}
	prlBATEntries = Field{32, 4}
	prlSectors    = Field{36, 8}
	prlInUse      = Field{44, 4}
	prlDataOff    = Field{48, 4}
	prlFlags      = Field{52, 4}
	prlExtOff     = Field{56, 8}
)

const (
	prlBAT     = 64
	prlTrack   = 8 // sectors of a cluster of Parallels' default image
	prlCluster = prlTrack * 512
	prlInUseRW = 0x746f6e59
	prlClosed  = 0x312e3276

	prlExtensionMagic = 0xab234cef23dcea87
	prlBitmapMagic    = 0x20385fae252cb34a
)

// Parallels builds an image with the magic WithouFreSpacExt, whose offsets
// count clusters: a disk of clusters of 4 KiB, of which those with a number
// other than 0 are mapped to that cluster of the file. The data starts in
// cluster 1.
func Parallels(blockMap []uint32, changes ...func([]byte)) []byte {
	last := 0
	for _, n := range blockMap {
		last = max(last, int(n))
	}
	image := make([]byte, (1+last)*prlCluster)
	fill(image[prlCluster:], 13)
	copy(image, "WithouFreSpacExt")
	for i, n := range blockMap {
		binary.LittleEndian.PutUint32(image[prlBAT+4*i:], n)
	}
	for f, value := range map[Field]uint64{
		prlVersion: 2, {20, 4}: 16, {24, 4}: 1, prlTracks: prlTrack,
		prlBATEntries: uint64(len(blockMap)), prlSectors: uint64(len(blockMap)) * prlTrack,
		prlInUse: prlClosed, prlDataOff: prlTrack,
	} {
		putLittle(image[f.Offset:], f.Width, value)
	}
	for _, change := range changes {
		change(image)
	}
	return image
}

// OldParallels builds an image with the magic WithoutFreeSpace, whose offsets
// count sectors, with clusters of 63 sectors and no data_off: the data starts
// behind the BAT.
func OldParallels(changes ...func([]byte)) []byte {
	const tracks, entries = 63, 3
	image := make([]byte, 512+2*tracks*512)
	fill(image[512:], 17)
	copy(image, "WithoutFreeSpace")
	binary.LittleEndian.PutUint32(image[prlBAT:], 1+tracks)
	binary.LittleEndian.PutUint32(image[prlBAT+8:], 1)
	for f, value := range map[Field]uint64{
		prlVersion: 2, {20, 4}: 16, {24, 4}: 1, prlTracks: tracks,
		prlBATEntries: entries, prlSectors: entries*tracks - 1,
	} {
		putLittle(image[f.Offset:], f.Width, value)
	}
	for _, change := range changes {
		change(image)
	}
	return image
}

func smallParallels(changes ...func([]byte)) []byte {
	return Parallels([]uint32{0, 2, 0, 1}, changes...)
}

// prlExtension builds an image with a format extension in cluster 1 that has
// the features, changed before the checksum is made.
func prlExtension(features []byte, changes ...func([]byte)) []byte {
	image := Parallels([]uint32{0, 2, 0, 0})
	putLittle(image[prlExtOff.Offset:], 8, prlTrack)
	extension := image[prlCluster:][:prlCluster]
	clear(extension)
	binary.LittleEndian.PutUint64(extension, prlExtensionMagic)
	copy(extension[24:], features)
	for _, change := range changes {
		change(image)
	}
	sum := md5.Sum(extension[24:])
	copy(extension[8:], sum[:])
	return image
}

// prlBitmap is a dirty bitmap of the disk of prlExtension with bits for
// single sectors, whose L1 table has one entry.
func prlBitmap(entry uint64) []byte {
	le := binary.LittleEndian
	b := le.AppendUint64(nil, prlBitmapMagic)
	b = le.AppendUint64(b, 0)          // flags
	b = le.AppendUint32(b, 32+8)       // size of the data
	b = le.AppendUint32(b, 0)          // unused
	b = le.AppendUint64(b, 4*prlTrack) // size of the bitmap, in sectors
	b = append(b, guidUnknown...)      // id
	b = le.AppendUint32(b, 1)          // granularity, in sectors
	b = le.AppendUint32(b, 1)          // entries of the L1 table
	return le.AppendUint64(b, entry)
}

// The fields of prlBitmap in the image of prlExtension.
var (
	prlFeatureMagic = Field{prlCluster + 24, 8}
	prlFeatureFlags = Field{prlCluster + 32, 8}
	prlFeatureSize  = Field{prlCluster + 40, 4}
	prlBitmapSize   = Field{prlCluster + 48, 8}
	prlGranularity  = Field{prlCluster + 72, 4}
	prlL1Size       = Field{prlCluster + 76, 4}
)

func validParallels() []Case {
	cases := []Case{
		{Name: "parallels", Build: func() []byte { return smallParallels() }},
		{Name: "parallels-old", Build: func() []byte { return OldParallels() }},
		{Name: "parallels-old-data-off", Build: func() []byte { return OldParallels(little(prlDataOff, 1)) }},
		{Name: "parallels-closed-by-old", Build: func() []byte { return smallParallels(little(prlInUse, 0)) }},
		{Name: "parallels-zero-size", Build: func() []byte { return Parallels(nil) }},
		{Name: "parallels-odd-size", Build: func() []byte { return smallParallels(little(prlSectors, 4*prlTrack-1)) }},
		{Name: "parallels-spare-entries", Build: func() []byte { return smallParallels(little(prlSectors, 1)) }},
		{Name: "parallels-empty", Build: func() []byte { return Parallels(make([]uint32, 8), little(prlFlags, 1)) }},
		{Name: "parallels-extension-empty", Build: func() []byte { return prlExtension(nil) }},
		{Name: "parallels-bitmap", Build: func() []byte { return prlExtension(prlBitmap(0)) }},
		{Name: "parallels-bitmap-ones", Build: func() []byte { return prlExtension(prlBitmap(1)) }},
		{Name: "parallels-bitmap-cluster", Build: func() []byte { return prlExtension(prlBitmap(2 * prlTrack)) }},
	}
	for i := range cases {
		cases[i].WantFormat, cases[i].WantAccepted = "parallels", true
	}
	return cases
}

func hostileParallels() []Case {
	type row struct {
		finding, name string
		change        func([]byte)
	}
	cases := []Case{
		{Name: "parallels-dirty", WantFinding: "parallels.dirty", WantAccepted: true,
			Build: func() []byte { return smallParallels(little(prlInUse, prlInUseRW)) }},
		{Name: "parallels-old-size-high-half", WantFinding: "parallels.virtual-size",
			Build: func() []byte { return OldParallels(little(prlSectors, 1<<32|3*63)) }},
		{Name: "parallels-old-unaligned-entry", WantFinding: "parallels.bat-entry", Deep: true,
			Build: func() []byte { return OldParallels(little(Field{prlBAT, 4}, 2)) }},
		{Name: "parallels-old-entry-in-bat", WantFinding: "parallels.bat-entry", Deep: true,
			Build: func() []byte { return OldParallels(little(prlDataOff, 64), little(Field{prlBAT + 8, 4}, 1)) }},
		{Name: "parallels-entries-twice", WantFinding: "parallels.overlap", Deep: true,
			Build: func() []byte { return Parallels([]uint32{1, 1, 1, 1, 1}) }},
	}
	for _, r := range []row{
		{"parallels.unknown-version", "version-0", little(prlVersion, 0)},
		{"parallels.unknown-version", "version-3", little(prlVersion, 3)},
		{"parallels.unknown-version", "version-max", little(prlVersion, 1<<32-1)},
		{"parallels.tracks", "tracks-0", little(prlTracks, 0)},
		{"parallels.tracks", "tracks-over-bound", little(prlTracks, (1<<31-1)/513+1)},
		{"parallels.tracks", "tracks-max", little(prlTracks, 1<<32-1)},
		{"parallels.bat-entries", "entries-0", little(prlBATEntries, 0)},
		{"parallels.bat-entries", "entries-one-less", little(prlBATEntries, 3)},
		{"parallels.data-offset", "entries-into-data", little(prlBATEntries, prlCluster/4)},
		{"parallels.bat-entries", "entries-max", little(prlBATEntries, 1<<32-1)},
		{"parallels.bat-bytes-limit", "entries-over-bound", little(prlBATEntries, 64<<20+1)},
		{"parallels.bat-entries", "size-one-past", little(prlSectors, 4*prlTrack+1)},
		{"parallels.virtual-size", "size-max", little(prlSectors, 1<<64-1)},
		{"parallels.virtual-size", "size-overflow", little(prlSectors, 1<<55)},
		{"virtual-size-limit", "size-over-bound", little(prlSectors, 128<<30+1)},
		{"parallels.in-use", "in-use-1", little(prlInUse, 1)},
		{"parallels.in-use", "in-use-max", little(prlInUse, 1<<32-1)},
		{"parallels.data-offset", "data-offset-0", little(prlDataOff, 0)},
		{"parallels.data-offset", "data-offset-unaligned", little(prlDataOff, prlTrack+1)},
		{"parallels.data-offset", "data-offset-max", little(prlDataOff, 1<<32-1)},
		{"parallels.unknown-flags", "flags-2", little(prlFlags, 2)},
		{"parallels.unknown-flags", "flags-max", little(prlFlags, 1<<32-2)},
		{"parallels.extension-offset", "extension-in-header", little(prlExtOff, 1)},
		{"parallels.extension-offset", "extension-unaligned", little(prlExtOff, prlTrack+1)},
		{"parallels.extension-offset", "extension-max", little(prlExtOff, 1<<64-1)},
		{"parallels.extension-offset", "extension-overflow", little(prlExtOff, 1<<55)},
		{"parallels.incomplete", "extension-beyond-file", little(prlExtOff, 1<<40)},
		{"parallels.incomplete", "extension-at-end", little(prlExtOff, 3*prlTrack)},
		{"parallels.extension", "extension-is-data", little(prlExtOff, prlTrack)},
	} {
		cases = append(cases, Case{
			Name: "parallels-" + r.name, WantFinding: r.finding,
			Build: func() []byte { return smallParallels(r.change) },
		})
	}
	for _, r := range []row{
		{"parallels.incomplete", "entry-at-end", little(Field{prlBAT + 4, 4}, 3)},
		{"parallels.incomplete", "entry-max", little(Field{prlBAT + 4, 4}, 1<<32-1)},
		{"parallels.empty-flag", "empty-flag", little(prlFlags, 1)},
		{"parallels.bat-entry", "data-behind-entry", little(prlDataOff, 2*prlTrack)},
	} {
		cases = append(cases, Case{
			Name: "parallels-" + r.name, WantFinding: r.finding, Deep: true,
			Build: func() []byte { return smallParallels(r.change) },
		})
	}
	var many []byte
	for range 65 {
		many = append(many, prlBitmap(0)...)
	}
	for _, r := range []row{
		{"parallels.unknown-extension", "feature-unknown", little(prlFeatureMagic, 1)},
		{"parallels.unknown-extension", "feature-necessary", little(prlFeatureFlags, 1)},
		{"parallels.unknown-extension", "end-with-flags", func(b []byte) { little(prlFeatureMagic, 0)(b); little(prlFeatureFlags, 2)(b) }},
		{"parallels.bitmap", "feature-size-0", little(prlFeatureSize, 0)},
		{"parallels.bitmap", "feature-size-one-less", little(prlFeatureSize, 39)},
		{"parallels.extension", "feature-size-cluster", little(prlFeatureSize, prlCluster)},
		{"parallels.extension", "feature-size-max", little(prlFeatureSize, 1<<32-1)},
		{"parallels.extension", "feature-without-end", little(prlFeatureSize, prlCluster-48)},
		{"parallels.bitmap", "bitmap-size", little(prlBitmapSize, 4*prlTrack+1)},
		{"parallels.bitmap", "bitmap-size-max", little(prlBitmapSize, 1<<64-1)},
		{"parallels.bitmap", "granularity-0", little(prlGranularity, 0)},
		{"parallels.bitmap", "granularity-3", little(prlGranularity, 3)},
		{"parallels.bitmap", "bitmap-table-2", little(prlL1Size, 2)},
		{"parallels.bitmap", "bitmap-table-max", little(prlL1Size, 1<<32-1)},
		{"parallels.extension", "features-too-many", func(b []byte) { copy(b[prlCluster+24:], many) }},
	} {
		cases = append(cases, Case{
			Name: "parallels-" + r.name, WantFinding: r.finding,
			Build: func() []byte { return prlExtension(prlBitmap(0), r.change) },
		})
	}
	for name, entry := range map[string]uint64{"unaligned": prlTrack + 1, "in-header": 2, "max": 1<<64 - 1} {
		cases = append(cases, Case{
			Name: "parallels-bitmap-entry-" + name, WantFinding: "parallels.bitmap", Deep: true,
			Build: func() []byte { return prlExtension(prlBitmap(entry)) },
		})
	}
	cases = append(cases, Case{
		Name: "parallels-bitmap-entry-at-end", WantFinding: "parallels.incomplete", Deep: true,
		Build: func() []byte { return prlExtension(prlBitmap(3 * prlTrack)) },
	})
	for _, n := range []int{16, 17, 63} {
		cases = append(cases, Case{
			Name: fmt.Sprintf("parallels-cut-in-header-%d", n), WantFinding: "parallels.header-cut",
			Build: func() []byte { return smallParallels()[:n] },
		})
	}
	for _, n := range []int{prlBAT, prlBAT + 15, prlCluster, 3*prlCluster - 1} {
		cases = append(cases, Case{
			Name: fmt.Sprintf("parallels-cut-behind-header-%d", n), WantFinding: "parallels.incomplete", Deep: n > prlBAT+15,
			Build: func() []byte { return smallParallels()[:n] },
		})
	}
	for i := range cases {
		cases[i].WantFormat = "parallels"
	}
	return sorted(cases)
}
