package images

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"strings"
)

// The fields of a qcow header of version 1 (QCowHeader of qemu's driver):
// big-endian numbers.
var (
	qcowVersion       = Field{4, 4}
	qcowBackingOffset = Field{8, 8}
	qcowBackingSize   = Field{16, 4}
	qcowSize          = Field{24, 8}
	qcowClusterBits   = Field{32, 1}
	qcowL2Bits        = Field{33, 1}
	qcowCrypt         = Field{36, 4}
	qcowL1Offset      = Field{40, 8}
)

// Where the parts of Qcow's image are, in bytes: clusters of 512 bytes and L2
// tables of 64 entries.
const (
	qcowCluster    = 512
	qcowL1         = 48
	qcowL2         = 1 * qcowCluster
	qcowData       = 2 * qcowCluster
	qcowPacked     = 3 * qcowCluster // compressed data, the last in the file
	qcowCompressed = 1 << 63
	qcowSizeShift  = 63 - 9 // of the size of compressed data
)

// big changes a big-endian field of a finished image.
func big(f Field, value uint64) func([]byte) { return func(b []byte) { Put(b, f, value) } }

// Qcow builds an image of version 1 of a disk of 64 clusters, of which the
// first holds data and the last compressed data.
func Qcow(changes ...func([]byte)) []byte {
	image := make([]byte, qcowPacked)
	fill(image[qcowData:], 23)
	packed := deflate(bytes.Repeat([]byte("a"), qcowCluster))
	image = append(image, packed...)
	binary.BigEndian.PutUint32(image, 0x514649fb)
	for f, value := range map[Field]uint64{
		qcowVersion: 1, qcowSize: 64 * qcowCluster, qcowClusterBits: 9, qcowL2Bits: 6, qcowL1Offset: qcowL1,
		{qcowL1, 8}: qcowL2, {qcowL2, 8}: qcowData,
		{qcowL2 + 8*63, 8}: qcowCompressed | uint64(len(packed))<<qcowSizeShift | qcowPacked,
	} {
		Put(image, f, value)
	}
	for _, change := range changes {
		change(image)
	}
	return image
}

func deflate(data []byte) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	if _, err := w.Write(data); err != nil {
		panic(err) // a buffer takes everything
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// qcowBacking names a backing file, in the room between the L1 table and the
// L2 table.
func qcowBacking(name string) func([]byte) {
	return func(b []byte) {
		Put(b, qcowBackingOffset, 64)
		Put(b, qcowBackingSize, uint64(len(name)))
		copy(b[64:qcowL2], name)
	}
}

func validQcow() []Case {
	var cases []Case
	for name, change := range map[string]func([]byte){
		"plain":        every(),
		"empty-disk":   big(Field{qcowL1, 8}, 0),
		"odd-size":     big(qcowSize, 64*qcowCluster-1),
		"small-disk":   every(big(qcowSize, 2), big(Field{qcowL2 + 8*63, 8}, 0)),
		"clusters-64k": every(big(qcowClusterBits, 16), big(qcowL2Bits, 6), big(Field{qcowL1, 8}, 0)),
		"tables-64k":   every(big(qcowL2Bits, 13), big(Field{qcowL1, 8}, 0)),
	} {
		cases = append(cases, Case{
			Name: "qcow-" + name, WantFormat: "qcow", WantFinding: "qcow.legacy", WantAccepted: true,
			Build: func() []byte { return Qcow(change) },
		})
	}
	return sorted(cases)
}

func hostileQcow() []Case {
	type row struct {
		finding, name string
		change        func([]byte)
	}
	var cases []Case
	for _, r := range []row{
		{"qcow.backing-file", "backing-relative", qcowBacking("base.img")},
		{"qcow.backing-file", "backing-absolute", qcowBacking("/etc/passwd")},
		{"qcow.backing-file", "backing-nbd", qcowBacking("nbd://192.0.2.1:10809/export")},
		{"qcow.backing-file", "backing-control-characters", qcowBacking("\x1b[2J\nverified")},
		{"qcow.backing-file", "backing-to-end", qcowBacking(strings.Repeat("a", qcowL2-64))},
		// Offset and size each announce a file.
		{"qcow.backing-file", "backing-offset-only", big(qcowBackingOffset, 64)},
		{"qcow.backing-file", "backing-size-only", big(qcowBackingSize, 1)},
		{"qcow.backing-file", "backing-size-max", every(qcowBacking("base.img"), big(qcowBackingSize, 1<<32-1))},
		{"qcow.backing-file", "backing-beyond-file", every(qcowBacking("base.img"), big(qcowBackingOffset, 1<<40))},
		{"qcow.backing-file", "backing-offset-max", every(qcowBacking("base.img"), big(qcowBackingOffset, 1<<64-1))},
		{"qcow.backing-file", "backing-of-impossible", every(qcowBacking("base.img"), big(qcowClusterBits, 0))},
		{"qcow.aes", "aes", big(qcowCrypt, 1)},
		{"qcow.encryption-method", "crypt-method-2", big(qcowCrypt, 2)},
		{"qcow.encryption-method", "crypt-method-max", big(qcowCrypt, 1<<32-1)},
		{"qcow.cluster-bits", "cluster-bits-0", big(qcowClusterBits, 0)},
		{"qcow.cluster-bits", "cluster-bits-8", big(qcowClusterBits, 8)},
		{"qcow.cluster-bits", "cluster-bits-17", big(qcowClusterBits, 17)},
		{"qcow.cluster-bits", "cluster-bits-max", big(qcowClusterBits, 255)},
		{"qcow.l2-bits", "l2-bits-0", big(qcowL2Bits, 0)},
		{"qcow.l2-bits", "l2-bits-5", big(qcowL2Bits, 5)},
		{"qcow.l2-bits", "l2-bits-14", big(qcowL2Bits, 14)},
		{"qcow.l2-bits", "l2-bits-max", big(qcowL2Bits, 255)},
		{"qcow.virtual-size", "size-0", big(qcowSize, 0)},
		{"qcow.virtual-size", "size-1", big(qcowSize, 1)},
		{"qcow.virtual-size", "size-max", big(qcowSize, 1<<64-1)},
		{"qcow.virtual-size", "size-sign", big(qcowSize, 1<<63)},
		{"qcow.virtual-size", "size-over-l1", big(qcowSize, (1<<31-1)/8*64*qcowCluster+1)},
		{"virtual-size-limit", "size-over-bound", every(big(qcowClusterBits, 16), big(qcowL2Bits, 13), big(qcowSize, 64<<40+512))},
		{"qcow.l1-bytes-limit", "l1-over-bound", big(qcowSize, 32<<20/8*64*qcowCluster+1)},
		{"qcow.l1-offset", "l1-offset-0", big(qcowL1Offset, 0)},
		{"qcow.l1-offset", "l1-in-header", big(qcowL1Offset, 47)},
		{"qcow.l1-offset", "l1-offset-max", big(qcowL1Offset, 1<<64-1)},
		{"qcow.l1-offset", "l1-offset-overflow", big(qcowL1Offset, 1<<64-8)},
		{"qcow.l1-offset", "l1-offset-sign", big(qcowL1Offset, 1<<63-7)},
		{"qcow.incomplete", "l1-beyond-file", big(qcowL1Offset, 1<<40)},
		{"qcow.incomplete", "l1-past-end", big(qcowSize, 1<<30)},
	} {
		cases = append(cases, Case{
			Name: "qcow-" + r.name, WantFinding: r.finding,
			Build: func() []byte { return Qcow(r.change) },
		})
	}
	packed := func(size, offset uint64) func([]byte) {
		return big(Field{qcowL2 + 8*63, 8}, qcowCompressed|size<<qcowSizeShift|offset)
	}
	for _, r := range []row{
		{"qcow.l1-entry", "l1-entry-1", big(Field{qcowL1, 8}, 1)},
		{"qcow.l1-entry", "l1-entry-unaligned", big(Field{qcowL1, 8}, qcowL2+8)},
		{"qcow.l1-entry", "l1-entry-max", big(Field{qcowL1, 8}, 1<<64-512)},
		{"qcow.l1-entry", "l1-entry-into-l1", every(big(qcowL1Offset, qcowL2), big(Field{qcowL2, 8}, qcowL2))},
		{"qcow.incomplete", "l1-entry-beyond-file", big(Field{qcowL1, 8}, 1<<40)},
		{"qcow.incomplete", "l1-entry-one-past", big(Field{qcowL1, 8}, qcowPacked)},
		{"qcow.l2-entry", "l2-entry-in-header", big(Field{qcowL2, 8}, 32)},
		{"qcow.l2-entry", "l2-entry-unaligned", big(Field{qcowL2, 8}, qcowData+1)},
		{"qcow.incomplete", "l2-entry-beyond-file", big(Field{qcowL2, 8}, 1<<40)},
		{"qcow.incomplete", "l2-entry-one-past", big(Field{qcowL2, 8}, qcowPacked)},
		{"qcow.l2-entry", "l2-entry-max", big(Field{qcowL2, 8}, 1<<63-512)},
		{"qcow.l2-entry", "packed-size-0", packed(0, qcowPacked)},
		{"qcow.l2-entry", "packed-in-header", packed(8, 0)},
		{"qcow.incomplete", "packed-size-max", packed(511, qcowPacked)},
		{"qcow.incomplete", "packed-beyond-file", packed(8, 1<<40)},
		{"qcow.incomplete", "packed-offset-max", packed(511, 1<<qcowSizeShift-1)},
		{"qcow.overlap", "clusters-twice", func(b []byte) {
			for i := range 8 {
				Put(b, Field{qcowL2 + 8*i, 8}, qcowData)
			}
		}},
	} {
		cases = append(cases, Case{
			Name: "qcow-" + r.name, WantFinding: r.finding, Deep: true,
			Build: func() []byte { return Qcow(r.change) },
		})
	}
	for _, n := range []int{8, 24, 47} {
		cases = append(cases, Case{
			Name: fmt.Sprintf("qcow-cut-in-header-%d", n), WantFinding: "qcow.header-cut",
			Build: func() []byte { return Qcow()[:n] },
		})
	}
	for _, n := range []int{48, 55, qcowL2, qcowData, qcowPacked, qcowPacked + 1} {
		cases = append(cases, Case{
			Name: fmt.Sprintf("qcow-cut-behind-header-%d", n), WantFinding: "qcow.incomplete", Deep: n > 55,
			Build: func() []byte { return Qcow()[:n] },
		})
	}
	for i := range cases {
		cases[i].WantFormat = "qcow"
	}
	return append(cases,
		Case{Name: "qcow-claimed-qcow2", Claim: "qcow2", WantFormat: "qcow", WantFinding: "format.mismatch", Build: func() []byte { return Qcow() }},
		Case{Name: "qcow-claimed-raw", Claim: "raw", WantFormat: "qcow", WantFinding: "format.mismatch", Build: func() []byte { return Qcow() }},
	)
}
