package images

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// The fields of a qed header (docs/interop/qed_spec.txt, section "Header"):
// little-endian numbers.
var (
	qedCluster    = Field{4, 4}
	qedTable      = Field{8, 4}
	qedHeader     = Field{12, 4}
	qedFeatures   = Field{16, 8}
	qedCompatible = Field{24, 8}
	qedAutoclear  = Field{32, 8}
	qedL1Offset   = Field{40, 8}
	qedSize       = Field{48, 8}
	qedNameOffset = Field{56, 4}
	qedNameSize   = Field{60, 4}
)

// Where the parts of QED's image are, in bytes: clusters of 4 KiB, tables of
// two clusters.
const (
	qedUnit  = 4096
	qedL1    = 1 * qedUnit
	qedL2    = 3 * qedUnit
	qedData  = 5 * qedUnit
	qedEnd   = 7 * qedUnit
	qedReach = 2 * qedUnit / 8 * qedUnit // bytes of disk that an L2 table maps

	qedBackingFile = 1 << 0
	qedNeedCheck   = 1 << 1
	qedNoProbe     = 1 << 2
)

// QED builds an image of a disk of 1 MiB whose first and last clusters hold
// data, and whose second one reads as zeros.
func QED(changes ...func([]byte)) []byte {
	const size = 1 << 20
	image := make([]byte, qedEnd)
	copy(image, "QED\x00")
	for f, value := range map[Field]uint64{
		qedCluster: qedUnit, qedTable: 2, qedHeader: 1, qedL1Offset: qedL1, qedSize: size,
		{qedL1, 8}: qedL2, {qedL2, 8}: qedData, {qedL2 + 8, 8}: 1, {qedL2 + 8*(size/qedUnit-1), 8}: qedData + qedUnit,
	} {
		putLittle(image[f.Offset:], f.Width, value)
	}
	fill(image[qedData:], 19)
	for _, change := range changes {
		change(image)
	}
	return image
}

// qedBacking names a backing file, by the feature bit and the name.
func qedBacking(name string) func([]byte) {
	return func(b []byte) {
		putLittle(b[qedFeatures.Offset:], 8, binary.LittleEndian.Uint64(b[qedFeatures.Offset:])|qedBackingFile)
		putLittle(b[qedNameOffset.Offset:], 4, 64)
		putLittle(b[qedNameSize.Offset:], 4, uint64(copy(b[64:], name)))
	}
}

// every applies changes one after the other.
func every(changes ...func([]byte)) func([]byte) {
	return func(b []byte) {
		for _, change := range changes {
			change(b)
		}
	}
}

func validQED() []Case {
	var cases []Case
	for name, change := range map[string]func([]byte){
		"plain":              every(),
		"odd-size":           little(qedSize, 1<<20-512),
		"large-disk":         little(qedSize, qedReach*1024),
		"unknown-compatible": little(qedCompatible, 1<<63),
		"unknown-autoclear":  little(qedAutoclear, 1<<63),
		"name-offset-left":   little(qedNameOffset, 64), // as a removed backing file leaves it
		"no-probe-left":      little(qedFeatures, qedNoProbe),
	} {
		cases = append(cases, Case{
			Name: "qed-" + name, WantFormat: "qed", WantFinding: "qed.legacy", WantAccepted: true,
			Build: func() []byte { return QED(change) },
		})
	}
	cases = append(cases, Case{
		Name: "qed-zero-size", WantFormat: "qed", WantFinding: "qed.legacy", WantAccepted: true,
		Build: func() []byte { return QED(little(qedSize, 0), little(Field{qedL1, 8}, 0))[:qedL2] },
	})
	return sorted(cases)
}

func hostileQED() []Case {
	type row struct {
		finding, name string
		change        func([]byte)
	}
	cases := []Case{{
		Name: "qed-dirty", WantFinding: "qed.dirty", WantAccepted: true,
		Build: func() []byte { return QED(little(qedFeatures, qedNeedCheck)) },
	}}
	for _, r := range []row{
		{"qed.backing-file", "backing-relative", qedBacking("base.img")},
		{"qed.backing-file", "backing-absolute", qedBacking("/etc/passwd")},
		{"qed.backing-file", "backing-json", qedBacking(`json:{"driver":"nbd","server":{"type":"inet","host":"192.0.2.1","port":"10809"}}`)},
		{"qed.backing-file", "backing-raw", every(little(qedFeatures, qedNoProbe), qedBacking("/etc/passwd"))},
		{"qed.backing-file", "backing-longest", qedBacking(strings.Repeat("a", 1023))},
		{"qed.backing-file", "backing-control-characters", qedBacking("\x1b[2J\nverified")},
		// The bit and the size each announce a file.
		{"qed.backing-file", "backing-empty", qedBacking("")},
		{"qed.backing-file", "backing-bit-only", little(qedFeatures, qedBackingFile)},
		{"qed.backing-file", "backing-size-only", little(qedNameSize, 1)},
		{"qed.backing-file", "backing-size-max", every(qedBacking("base.img"), little(qedNameSize, 1<<32-1))},
		{"qed.backing-file", "backing-offset-max", every(qedBacking("base.img"), little(qedNameOffset, 1<<32-1))},
		{"qed.backing-file", "backing-behind-header", every(qedBacking("base.img"), little(qedNameOffset, qedUnit))},
		{"qed.backing-file", "backing-of-unknown-feature", every(little(qedFeatures, 1<<3), qedBacking("base.img"))},
		{"qed.wrong-endian", "wrong-endian", little(Field{0, 4}, 0x51454400)},
		{"qed.unknown-feature", "unknown-feature", little(qedFeatures, 1<<3)},
		{"qed.unknown-feature", "unknown-feature-highest", little(qedFeatures, 1<<63)},
		{"qed.other-cluster-size", "cluster-size-0", little(qedCluster, 0)},
		{"qed.other-cluster-size", "cluster-size-2048", little(qedCluster, 2048)},
		{"qed.other-cluster-size", "cluster-size-12288", little(qedCluster, 12288)},
		{"qed.other-cluster-size", "cluster-size-128m", little(qedCluster, 128<<20)},
		{"qed.other-cluster-size", "cluster-size-max", little(qedCluster, 1<<32-1)},
		{"qed.table-size", "table-size-0", little(qedTable, 0)},
		{"qed.table-size", "table-size-1", little(qedTable, 1)},
		{"qed.table-size", "table-size-3", little(qedTable, 3)},
		{"qed.table-size", "table-size-32", little(qedTable, 32)},
		{"qed.table-size", "table-size-max", little(qedTable, 1<<32-1)},
		{"qed.header-size", "header-size-0", little(qedHeader, 0)},
		{"qed.header-size", "header-size-over-32-bits", little(qedHeader, 1<<20)},
		{"qed.header-size", "header-size-max", little(qedHeader, 1<<32-1)},
		{"qed.l1-offset", "header-over-l1", little(qedHeader, 2)},
		{"qed.virtual-size", "size-unaligned", little(qedSize, 1<<20-1)},
		{"qed.virtual-size", "size-one-past", little(qedSize, qedReach*1024+512)},
		{"qed.virtual-size", "size-max", little(qedSize, 1<<64-512)},
		{"virtual-size-limit", "size-over-bound", every(little(qedCluster, 1<<20), little(qedSize, 64<<40+512))},
		{"qed.l1-offset", "l1-offset-0", little(qedL1Offset, 0)},
		{"qed.l1-offset", "l1-offset-unaligned", little(qedL1Offset, qedL1+8)},
		{"qed.l1-offset", "l1-offset-max", little(qedL1Offset, 1<<64-1)},
		{"qed.l1-offset", "l1-offset-overflow", little(qedL1Offset, 1<<64-qedUnit)},
		{"qed.l1-offset", "l1-offset-sign", little(qedL1Offset, 1<<63-qedUnit)},
		{"qed.incomplete", "l1-beyond-file", little(qedL1Offset, 1<<40)},
		{"qed.incomplete", "l1-one-past", little(qedL1Offset, qedEnd-qedUnit)},
	} {
		cases = append(cases, Case{
			Name: "qed-" + r.name, WantFinding: r.finding,
			Build: func() []byte { return QED(r.change) },
		})
	}
	for _, r := range []row{
		{"qed.table-entry", "l1-entry-1", little(Field{qedL1, 8}, 1)},
		{"qed.table-entry", "l1-entry-unaligned", little(Field{qedL1, 8}, qedL2+8)},
		{"qed.table-entry", "l1-entry-max", little(Field{qedL1, 8}, 1<<64-1)},
		{"qed.table-entry", "l1-entry-overflow", little(Field{qedL1, 8}, 1<<64-qedUnit)},
		{"qed.table-entry", "l1-entry-into-l1", little(Field{qedL1, 8}, qedL1+qedUnit)},
		{"qed.incomplete", "l1-entry-beyond-file", little(Field{qedL1, 8}, 1<<40)},
		{"qed.incomplete", "l1-entry-one-past", little(Field{qedL1, 8}, qedEnd-qedUnit)},
		{"qed.table-entry", "l2-entry-2", little(Field{qedL2, 8}, 2)},
		{"qed.table-entry", "l2-entry-unaligned", little(Field{qedL2, 8}, qedData+512)},
		{"qed.table-entry", "l2-entry-max", little(Field{qedL2, 8}, 1<<64-1)},
		{"qed.table-entry", "l2-entry-into-l1", little(Field{qedL2, 8}, qedL1)},
		{"qed.incomplete", "l2-entry-beyond-file", little(Field{qedL2, 8}, 1<<40)},
		{"qed.incomplete", "l2-entry-at-end", little(Field{qedL2, 8}, qedEnd)},
		{"qed.overlap", "clusters-twice", func(b []byte) {
			for i := range 16 {
				putLittle(b[qedL2+8*i:], 8, qedData)
			}
		}},
	} {
		cases = append(cases, Case{
			Name: "qed-" + r.name, WantFinding: r.finding, Deep: true,
			Build: func() []byte { return QED(r.change) },
		})
	}
	for _, n := range []int{4, 8, 63} {
		cases = append(cases, Case{
			Name: fmt.Sprintf("qed-cut-in-header-%d", n), WantFinding: "qed.header-cut",
			Build: func() []byte { return QED()[:n] },
		})
	}
	for _, n := range []int{64, qedL1, qedL2 - 1, qedL2, qedData - 1, qedData, qedEnd - 1} {
		cases = append(cases, Case{
			Name: fmt.Sprintf("qed-cut-behind-header-%d", n), WantFinding: "qed.incomplete", Deep: n >= qedL2,
			Build: func() []byte { return QED()[:n] },
		})
	}
	for i := range cases {
		cases[i].WantFormat = "qed"
	}
	return cases
}
