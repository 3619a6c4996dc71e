package images

import "encoding/binary"

// Where the parts of Qcow2's default image are, in bytes.
const (
	cluster       = 4096
	refcountTable = 1 * cluster
	refcountBlock = 2 * cluster
	l1Table       = 3 * cluster
	l2Table       = 4 * cluster
	firstData     = 5 * cluster
	lastData      = 6 * cluster
	end           = 7 * cluster
)

// poke64 writes a big-endian number anywhere in the finished image.
func poke64(offset int, value uint64) Option { return With(Field{offset, 8}, value) }

// qcow2Geometry returns images whose numbers do not fit together.
func qcow2Geometry() []Case {
	type row struct {
		finding string
		deep    bool
		variant
	}
	rows := []row{
		{"qcow2.unknown-version", false, variant{"version-0", with(With(Version, 0))}},
		{"qcow2.unknown-version", false, variant{"version-4", with(With(Version, 4))}},
		{"qcow2.unknown-version", false, variant{"version-max", with(With(Version, 1<<32-1))}},
		{"qcow2.unknown-version", false, variant{"version-little-endian", with(With(Version, 3<<24))}},
		{"qcow2.header-length", false, variant{"header-length-0", with(With(HeaderLength, 0))}},
		{"qcow2.header-length", false, variant{"header-length-103", with(With(HeaderLength, 103))}},
		{"qcow2.header-length", false, variant{"header-length-unaligned", with(With(HeaderLength, 109))}},
		{"qcow2.header-length", false, variant{"header-length-cluster", with(With(HeaderLength, cluster+8))}},
		{"qcow2.header-length", false, variant{"header-length-max", with(With(HeaderLength, 1<<32-1))}},
		{"qcow2.cluster-bits", false, variant{"cluster-bits-0", with(With(ClusterBits, 0))}},
		{"qcow2.cluster-bits", false, variant{"cluster-bits-8", with(With(ClusterBits, 8))}},
		{"qcow2.cluster-bits", false, variant{"cluster-bits-22", with(With(ClusterBits, 22))}},
		{"qcow2.cluster-bits", false, variant{"cluster-bits-64", with(With(ClusterBits, 64))}},
		{"qcow2.cluster-bits", false, variant{"cluster-bits-max", with(With(ClusterBits, 1<<32-1))}},
		{"qcow2.cluster-bits", false, variant{"extended-l2-small-clusters", with(Clusters(12), ExtendedL2())}},
		{"qcow2.refcount-order", false, variant{"refcount-order-7", with(With(RefcountOrder, 7))}},
		{"qcow2.refcount-order", false, variant{"refcount-order-max", with(With(RefcountOrder, 1<<32-1))}},
		{"virtual-size-limit", false, variant{"size-over-bound", with(Clusters(17), Virtual(64<<40+512), Empty())}},
		{"qcow2.l1-size", false, variant{"size-over-l1", with(With(Size, 1<<40))}},
		{"qcow2.virtual-size", false, variant{"size-max", with(With(Size, 1<<64-1))}},
		{"qcow2.virtual-size", false, variant{"size-sign", with(With(Size, 1<<63))}},

		{"qcow2.l1-size", false, variant{"l1-size-0", with(With(L1Size, 0))}},
		{"qcow2.l1-bytes-limit", false, variant{"l1-size-over-bound", with(With(L1Size, 32<<20/8+1))}},
		{"qcow2.l1-bytes-limit", false, variant{"l1-size-max", with(With(L1Size, 1<<32-1))}},
		{"qcow2.l1-offset", false, variant{"l1-offset-0", with(With(L1TableOffset, 0))}},
		{"qcow2.l1-offset", false, variant{"l1-offset-unaligned", with(With(L1TableOffset, l1Table+8))}},
		{"qcow2.l1-offset", false, variant{"l1-offset-max", with(With(L1TableOffset, 1<<64-1))}},
		{"qcow2.incomplete", false, variant{"l1-offset-beyond-file", with(With(L1TableOffset, 1<<40))}},
		{"qcow2.l1-offset", false, variant{"l1-offset-overflow", with(With(L1TableOffset, 1<<64-cluster))}},

		{"qcow2.refcount-table-clusters", false, variant{"refcount-table-clusters-0", with(With(RefcountTableClusters, 0))}},
		{"qcow2.refcount-table-bytes-limit", false, variant{"refcount-table-over-bound", with(With(RefcountTableClusters, 8<<20/cluster+1))}},
		{"qcow2.refcount-table-bytes-limit", false, variant{"refcount-table-clusters-max", with(With(RefcountTableClusters, 1<<32-1))}},
		{"qcow2.refcount-table-offset", false, variant{"refcount-table-offset-0", with(With(RefcountTableOffset, 0))}},
		{"qcow2.refcount-table-offset", false, variant{"refcount-table-offset-unaligned", with(With(RefcountTableOffset, refcountTable+512))}},
		{"qcow2.refcount-table-offset", false, variant{"refcount-table-offset-max", with(With(RefcountTableOffset, 1<<64-1))}},
		{"qcow2.incomplete", false, variant{"refcount-table-offset-beyond-file", with(With(RefcountTableOffset, 1<<40))}},
		{"qcow2.refcount-table-offset", false, variant{"refcount-table-offset-overflow", with(With(RefcountTableOffset, 1<<64-cluster))}},

		{"qcow2.snapshots-limit", false, variant{"snapshots-over-bound", with(With(NbSnapshots, 1025), With(SnapshotsOffset, l1Table))}},
		{"qcow2.snapshots-limit", false, variant{"snapshots-max", with(With(NbSnapshots, 1<<32-1), With(SnapshotsOffset, l1Table))}},
		{"qcow2.snapshots-offset", false, variant{"snapshots-offset-0", with(With(NbSnapshots, 1))}},
		{"qcow2.snapshots-offset", false, variant{"snapshots-offset-unaligned", with(With(NbSnapshots, 1), With(SnapshotsOffset, l1Table+8))}},
		{"qcow2.incomplete", false, variant{"snapshots-offset-beyond-file", with(With(NbSnapshots, 1), With(SnapshotsOffset, 1<<40))}},
		{"qcow2.snapshots-offset", false, variant{"snapshots-offset-max", with(With(NbSnapshots, 1), With(SnapshotsOffset, 1<<64-1))}},

		{"qcow2.bitmaps-limit", false, variant{"bitmaps-over-bound", with(bitmapsExtension(1025, 1025*32, l1Table))}},
		{"qcow2.bitmaps-limit", false, variant{"bitmaps-max", with(bitmapsExtension(1<<32-1, 1<<20, l1Table))}},
		{"qcow2.bitmaps-extension", false, variant{"bitmaps-directory-unaligned", with(bitmapsExtension(1, 32, l1Table+8))}},
		{"qcow2.incomplete", false, variant{"bitmaps-directory-beyond-file", with(bitmapsExtension(1, 32, 1<<40))}},
		{"qcow2.bitmaps-extension", false, variant{"bitmaps-directory-max", with(bitmapsExtension(1, 1<<64-1, 1<<64-1))}},
		{"qcow2.bitmaps-extension", false, variant{"bitmaps-extension-short", with(Extension(ExtensionBitmaps, make([]byte, 8)), Features(0, 0, AutoclearBitmaps))}},
		{"qcow2.encryption-header", false, variant{"encryption-header-max", with(With(CryptMethod, 2), Extension(ExtensionEncryption, pair(1<<64-1, 1<<64-1)))}},

		{"qcow2.extension-length", false, variant{"extension-length-cluster", with(Extension(0x12345678, nil), extensionLength(cluster))}},
		{"qcow2.extension-length", false, variant{"extension-length-max", with(Extension(0x12345678, nil), extensionLength(1<<32-1))}},
		{"qcow2.extension-length", false, variant{"extension-length-wraps", with(Extension(0x12345678, nil), extensionLength(1<<32-8))}},

		{"qcow2.extensions", false, variant{"extensions-too-many", with(Clusters(16), Patch(func(b []byte) {
			for at := firstExtension; at < 1<<16-8; at += 8 {
				Put(b, Field{at, 4}, 0x12345678)
			}
		}))}},
		{"qcow2.overlap", false, variant{"l1-over-refcount-table", with(With(L1TableOffset, refcountTable))}},
		{"qcow2.incomplete", false, variant{"snapshots-over-l1", with(With(NbSnapshots, 1), With(SnapshotsOffset, l1Table))}},

		{"qcow2.l1-entry", true, variant{"l1-entry-unaligned", with(poke64(l1Table, entryCopied|l2Table+512))}},
		{"qcow2.l1-entry", true, variant{"l1-entry-reserved-bits", with(poke64(l1Table, entryCopied|1<<56|l2Table))}},
		{"qcow2.incomplete", true, variant{"l1-entry-beyond-file", with(poke64(l1Table, entryCopied|1<<40))}},
		{"qcow2.l2-entry", true, variant{"l2-entry-unaligned", with(poke64(l2Table, entryCopied|firstData+512))}},
		{"qcow2.incomplete", true, variant{"l2-entry-beyond-file", with(poke64(l2Table, entryCopied|1<<40))}},
		{"qcow2.incomplete", true, variant{"l2-entry-at-end", with(poke64(l2Table, entryCopied|end))}},
		{"qcow2.incomplete", true, variant{"l2-entry-compressed-beyond-file", with(poke64(l2Table, 1<<62|1<<40))}},
		{"qcow2.l2-entry", true, variant{"l2-entry-reserved-bits", with(poke64(l2Table, entryCopied|1<<56|firstData))}},
		{"qcow2.overlap", true, variant{"l2-entry-into-header", with(poke64(l2Table, entryCopied|refcountTable))}},
		{"qcow2.refcounts", true, variant{"refcount-zero", with(poke64(refcountBlock, 0))}},
		{"qcow2.refcount-table-entry", true, variant{"refcount-table-entry-unaligned", with(poke64(refcountTable, refcountBlock+8))}},
		{"qcow2.snapshot-entry", false, variant{"snapshot-l1-unaligned", with(Snapshots("one"), poke64(firstData, l2Table+8))}},
		{"qcow2.snapshot-entry", false, variant{"snapshot-l1-size-0", with(Snapshots("one"), With(Field{firstData + 8, 4}, 0))}},
		{"qcow2.bitmap-entry", true, variant{"bitmap-table-unaligned", with(Bitmaps("one"), poke64(firstData, l2Table+8))}},
		{"qcow2.bitmap-entry", true, variant{"bitmap-name-max", with(Bitmaps("one"), poke64(firstData+16, 1<<16-1))}},
		{"qcow2.l2-bitmap", true, variant{"l2-bitmap-both", with(Clusters(14), ExtendedL2(), poke64(l2Table/cluster<<14+8, 1<<64-1))}},
		{"qcow2.l2-bitmap", true, variant{"l2-bitmap-without-cluster", with(Clusters(14), ExtendedL2(), poke64(l2Table/cluster<<14+16*5+8, 1))}},
		{"qcow2.extension-bytes-limit", false, variant{"extensions-over-bound", with(Clusters(17), Extension(0x12345678, make([]byte, 65536)))}},
		{"qcow2.incomplete", true, variant{"refcount-table-entry-beyond-file", with(poke64(refcountTable, 1<<40))}},
	}
	var cases []Case
	for _, r := range rows {
		cases = append(cases, Case{
			Name: "qcow2-" + r.name, Build: r.build, Deep: r.deep, WantFormat: "qcow2", WantFinding: r.finding,
		})
	}
	return cases
}

// bitmapsExtension announces bitmaps that are not there.
func bitmapsExtension(count uint32, size, offset uint64) Option {
	data := binary.BigEndian.AppendUint32(nil, count)
	data = binary.BigEndian.AppendUint32(data, 0)
	data = binary.BigEndian.AppendUint64(data, size)
	data = binary.BigEndian.AppendUint64(data, offset)
	return func(q *qcow2) {
		Extension(ExtensionBitmaps, data)(q)
		q.autoclear |= AutoclearBitmaps
	}
}

func pair(a, b uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, a), b)
}

// qcow2Features returns images with features that are unknown, or that say
// the image is not fit to be read.
func qcow2Features() []Case {
	rows := []struct {
		finding  string
		accepted bool
		variant
	}{
		{"qcow2.unknown-incompatible", false, variant{"unknown-incompatible", with(Features(1<<5, 0, 0))}},
		{"qcow2.unknown-incompatible", false, variant{"unknown-incompatible-highest", with(Features(1<<63, 0, 0))}},
		{"qcow2.corrupt", false, variant{"corrupt", with(Features(IncompatibleCorrupt, 0, 0))}},
		{"qcow2.dirty", true, variant{"dirty", with(Features(IncompatibleDirty, CompatibleLazyRefcounts, 0))}},
		{"qcow2.compression-type", false, variant{"compression-type-2", with(Zstd(), With(CompressionType, 2))}},
		{"qcow2.compression-type", false, variant{"compression-bit-without-type", with(Features(IncompatibleCompression, 0, 0))}},
		{"qcow2.compression-type", false, variant{"compression-type-without-bit", with(Zstd(), With(IncompatibleFeatures, 0))}},
		{"qcow2.aes", false, variant{"aes", with(AES())}},
		{"qcow2.aes", false, variant{"aes-v2", with(V2(), AES())}},
		{"qcow2.luks", true, variant{"luks", with(LUKS())}},
		{"qcow2.encryption-method", false, variant{"crypt-method-3", with(With(CryptMethod, 3))}},
		{"qcow2.encryption-method", false, variant{"crypt-method-max", with(With(CryptMethod, 1<<32-1))}},
		{"qcow2.encryption-header", false, variant{"luks-without-header", with(With(CryptMethod, 2))}},
	}
	var cases []Case
	for _, r := range rows {
		cases = append(cases, Case{
			Name: "qcow2-" + r.name, Build: r.build, WantFormat: "qcow2", WantFinding: r.finding, WantAccepted: r.accepted,
		})
	}
	return cases
}
