package images

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// Option changes what Qcow2 builds. Options apply in order.
type Option func(*qcow2)

// qcow2 is what an image is to hold; layout says where it lands.
type qcow2 struct {
	version       uint32
	clusterBits   uint
	virtualSize   int64
	refcountOrder uint
	cryptMethod   uint32
	compression   byte
	headerLength  uint32
	incompatible  uint64
	compatible    uint64
	autoclear     uint64
	extensions    []extension
	backing       []byte
	hasBacking    bool
	snapshots     []string
	bitmaps       []string
	encrypted     bool
	written       []int64 // guest clusters that hold data
	patches       []func([]byte)
}

type extension struct {
	kind uint32
	data []byte
}

// V2 makes the image version 2 (compat 0.10).
func V2() Option { return func(q *qcow2) { q.version = 2 } }

// Clusters sets the cluster size to 1 << bits bytes; 9 to 21 are valid.
func Clusters(bits uint) Option { return func(q *qcow2) { q.clusterBits = bits } }

// Virtual sets the size of the disk in bytes.
func Virtual(size int64) Option { return func(q *qcow2) { q.virtualSize = size } }

// Refcounts sets the width of a refcount to 1 << order bits; 0 to 6 are valid.
func Refcounts(order uint) Option { return func(q *qcow2) { q.refcountOrder = order } }

// Empty leaves every guest cluster unallocated.
func Empty() Option { return func(q *qcow2) { q.written = nil } }

// Backing names a backing file, without a format.
func Backing(name string) Option {
	return func(q *qcow2) { q.backing, q.hasBacking = []byte(name), true }
}

// BackingFormat adds the extension that names the backing file's format.
func BackingFormat(format string) Option { return Extension(ExtensionBackingFormat, []byte(format)) }

// DataFile names an external data file: the extension and the feature bit.
func DataFile(name string) Option {
	return func(q *qcow2) {
		Extension(ExtensionDataFile, []byte(name))(q)
		q.incompatible |= IncompatibleDataFile
	}
}

// Extension adds a header extension.
func Extension(kind uint32, data []byte) Option {
	return func(q *qcow2) { q.extensions = append(q.extensions, extension{kind, data}) }
}

// FeatureNames adds the feature name table qemu-img writes.
func FeatureNames() Option {
	var table []byte
	for _, row := range []struct {
		kind, bit byte
		name      string
	}{
		{0, 0, "dirty bit"}, {0, 1, "corrupt bit"}, {0, 2, "external data file"},
		{0, 3, "compression type"}, {0, 4, "extended L2 entries"},
		{1, 0, "lazy refcounts"}, {2, 0, "bitmaps"}, {2, 1, "raw external data"},
	} {
		entry := make([]byte, 48)
		entry[0], entry[1] = row.kind, row.bit
		copy(entry[2:], row.name)
		table = append(table, entry...)
	}
	return Extension(ExtensionFeatureNames, table)
}

// Features sets bits of the three feature fields.
func Features(incompatible, compatible, autoclear uint64) Option {
	return func(q *qcow2) {
		q.incompatible |= incompatible
		q.compatible |= compatible
		q.autoclear |= autoclear
	}
}

// Zstd makes zstd the compression type.
func Zstd() Option {
	return func(q *qcow2) {
		q.headerLength = 112
		q.compression = 1
		q.incompatible |= IncompatibleCompression
	}
}

// ExtendedL2 uses 128-bit L2 entries with subclusters; it needs clusters of
// at least 16 KiB.
func ExtendedL2() Option { return Features(IncompatibleExtendedL2, 0, 0) }

// Snapshots adds internal snapshots of the disk as it is, with these names.
func Snapshots(names ...string) Option {
	return func(q *qcow2) { q.snapshots = append(q.snapshots, names...) }
}

// Bitmaps adds persistent dirty bitmaps, all clear, with these names.
func Bitmaps(names ...string) Option {
	return func(q *qcow2) {
		q.bitmaps = append(q.bitmaps, names...)
		q.autoclear |= AutoclearBitmaps
	}
}

// AES marks the image as encrypted the old way (crypt_method 1).
func AES() Option { return func(q *qcow2) { q.cryptMethod = 1 } }

// LUKS marks the image as encrypted by LUKS (crypt_method 2) and adds a LUKS
// header of one cluster. It has the right magic and no usable key.
func LUKS() Option {
	return func(q *qcow2) { q.cryptMethod, q.encrypted = 2, true }
}

// With sets a header field, whatever the rest of the image says.
func With(f Field, value uint64) Option { return Patch(func(b []byte) { Put(b, f, value) }) }

// Patch changes the finished image.
func Patch(change func([]byte)) Option {
	return func(q *qcow2) { q.patches = append(q.patches, change) }
}

// Qcow2 builds an image. Without options: version 3, 4 KiB clusters, a disk
// of 1 MiB whose first and last clusters hold data, 16-bit refcounts, no
// features; the last cluster of the file is data. What the options ask for is
// laid out as the specification says, also when they ask for something that
// no tool would accept.
func Qcow2(options ...Option) []byte {
	q := qcow2{version: 3, clusterBits: 12, virtualSize: 1 << 20, refcountOrder: 4, headerLength: 104, written: []int64{0, -1}}
	for _, o := range options {
		o(&q)
	}
	image := q.build()
	for _, p := range q.patches {
		p(image)
	}
	return image
}

func (q *qcow2) clusterSize() int64 { return 1 << q.clusterBits }

func (q *qcow2) l2EntrySize() int64 {
	if q.incompatible&IncompatibleExtendedL2 != 0 {
		return 16
	}
	return 8
}

// layout hands out clusters of the growing file and counts who uses them.
type layout struct {
	cluster int64
	file    []byte
	refs    []uint64 // per cluster of the file
}

// take appends clusters for n bytes (at least one), used refs times, and
// returns their offset.
func (l *layout) take(n int64, refs uint64) int64 {
	offset := int64(len(l.file))
	count := max(1, (n+l.cluster-1)/l.cluster)
	l.file = append(l.file, make([]byte, count*l.cluster)...)
	for range count {
		l.refs = append(l.refs, refs)
	}
	return offset
}

func (l *layout) put64(offset int64, value uint64) {
	binary.BigEndian.PutUint64(l.file[offset:], value)
}

func (q *qcow2) build() []byte {
	l := &layout{cluster: q.clusterSize()}
	l.take(1, 1) // the header, filled in when the offsets are known
	refcountTable := l.take(1, 1)
	refcountBlock := l.take(1, 1)

	users := uint64(1 + len(q.snapshots)) // of the mapping: the disk and its snapshots
	l1Size := q.l1Size()
	l1 := l.take(8*l1Size, uint64(min(1, l1Size))) // of a disk of zero bytes: a place, but no table
	snapshotL1 := make([]int64, len(q.snapshots))
	for i := range snapshotL1 {
		snapshotL1[i] = l.take(8*l1Size, 1)
	}
	snapshots := q.putSnapshots(l, snapshotL1, l1Size)
	q.putBitmaps(l)
	q.putEncryption(l)
	q.putMapping(l, l1, snapshotL1, users)
	q.putRefcounts(l, refcountTable, refcountBlock)
	q.putHeader(l, l1, l1Size, refcountTable, snapshots)
	return l.file
}

// l1Size returns the entries of the L1 table that the disk needs.
func (q *qcow2) l1Size() int64 {
	covered := q.clusterSize() / q.l2EntrySize() * q.clusterSize() // bytes of disk an L2 table maps
	return (q.virtualSize + covered - 1) / covered
}

// putMapping allocates the guest clusters that hold data, the L2 tables that
// map them, and writes the L1 table and its copies.
func (q *qcow2) putMapping(l *layout, l1 int64, copies []int64, users uint64) {
	flag := uint64(entryCopied)
	if users > 1 {
		flag = 0
	}
	perTable := q.clusterSize() / q.l2EntrySize()
	guestClusters := (q.virtualSize + q.clusterSize() - 1) / q.clusterSize()
	clusters := map[int64]bool{}
	for _, guest := range q.written {
		if guest < 0 {
			guest += guestClusters
		}
		if guest >= 0 && guest < guestClusters {
			clusters[guest] = true
		}
	}
	order := slices.Sorted(maps.Keys(clusters))
	tables := map[int64]int64{} // L1 index -> offset of the L2 table
	for _, guest := range order {
		index := guest / perTable
		if tables[index] != 0 {
			continue
		}
		tables[index] = l.take(1, users)
		for _, table := range append([]int64{l1}, copies...) {
			l.put64(table+8*index, uint64(tables[index])|flag)
		}
	}
	for _, guest := range order {
		data := l.take(1, users)
		fill(l.file[data:], uint64(guest))
		entry := tables[guest/perTable] + guest%perTable*q.l2EntrySize()
		l.put64(entry, uint64(data)|flag)
		if q.l2EntrySize() == 16 {
			l.put64(entry+8, 0xffffffff) // all 32 subclusters allocated
		}
	}
}

// fill writes bytes that depend on seed, none of them zero.
func fill(p []byte, seed uint64) {
	noise(p, seed)
	for i := range p {
		p[i] |= 1
	}
}

// putRefcounts adds refcount blocks until every cluster, theirs included, is
// counted, and writes the table and the blocks.
func (q *qcow2) putRefcounts(l *layout, table, first int64) {
	width := int64(1) << q.refcountOrder // in bits
	perBlock := q.clusterSize() * 8 / width
	blocks := []int64{first}
	for int64(len(blocks))*perBlock < int64(len(l.refs)) {
		blocks = append(blocks, l.take(1, 1))
	}
	for i, block := range blocks {
		l.put64(table+8*int64(i), uint64(block))
	}
	for cluster, refs := range l.refs {
		block := blocks[int64(cluster)/perBlock]
		bit := int64(cluster) % perBlock * width
		switch width {
		case 16:
			binary.BigEndian.PutUint16(l.file[block+bit/8:], uint16(refs))
		case 32:
			binary.BigEndian.PutUint32(l.file[block+bit/8:], uint32(refs))
		case 64:
			l.put64(block+bit/8, refs)
		default: // entries below a byte fill it from its low bits
			l.file[block+bit/8] |= byte(refs << (bit % 8))
		}
	}
}

func (q *qcow2) putHeader(l *layout, l1, l1Size, refcountTable, snapshots int64) {
	b := l.file
	length := int64(72)
	Put(b, Magic, 0x514649fb) // "QFI\xfb"
	Put(b, Version, uint64(q.version))
	Put(b, ClusterBits, uint64(q.clusterBits))
	Put(b, Size, uint64(q.virtualSize))
	Put(b, CryptMethod, uint64(q.cryptMethod))
	Put(b, L1Size, uint64(l1Size))
	Put(b, L1TableOffset, uint64(l1))
	Put(b, RefcountTableOffset, uint64(refcountTable))
	Put(b, RefcountTableClusters, 1)
	if n := len(q.snapshots); n > 0 {
		Put(b, NbSnapshots, uint64(n))
		Put(b, SnapshotsOffset, uint64(snapshots))
	}
	if q.version >= 3 {
		length = int64(q.headerLength)
		Put(b, IncompatibleFeatures, q.incompatible)
		Put(b, CompatibleFeatures, q.compatible)
		Put(b, AutoclearFeatures, q.autoclear)
		Put(b, RefcountOrder, uint64(q.refcountOrder))
		Put(b, HeaderLength, uint64(length))
		if length > 104 {
			Put(b, CompressionType, uint64(q.compression))
		}
	}
	at := length
	for _, e := range q.extensions {
		binary.BigEndian.PutUint32(b[at:], e.kind)
		binary.BigEndian.PutUint32(b[at+4:], uint32(len(e.data)))
		copy(b[at+8:], e.data)
		at += 8 + int64(len(e.data)+7)&^7
	}
	at += 8 // the end of the extensions: type and length zero
	if q.hasBacking {
		Put(b, BackingFileOffset, uint64(at))
		Put(b, BackingFileSize, uint64(len(q.backing)))
		at += int64(copy(b[at:], q.backing))
	}
	if at > q.clusterSize() {
		panic(fmt.Sprintf("images: a header of %d bytes does not fit a cluster of %d", at, q.clusterSize()))
	}
}
