package engine_test

import (
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/testdata/images"
)

// The budget of a deep run suffices for tables at their dearest: all of them
// there, and every entry mapped. The files are sparse.
func TestDeepBudgetSufficesForMappedImages(t *testing.T) {
	skipManyImages(t)
	eng := newEngine(t, engine.NewConfig())
	le, be := binary.LittleEndian, binary.BigEndian
	for _, row := range []struct {
		format string
		build  func(t *testing.T, f *os.File)
	}{
		{"vdi", func(t *testing.T, f *os.File) {
			const blocks, data = 1 << 20, 8 << 20 // 1 TiB
			put(t, f, 0, images.VDI(0, nil))
			for at, value := range map[int64]uint32{344: data, 384: blocks, 388: blocks} {
				put(t, f, at, le.AppendUint32(nil, value))
			}
			put(t, f, 368, le.AppendUint64(nil, blocks<<20))
			put(t, f, 512, table(blocks, func(b []byte, i int) []byte { return le.AppendUint32(b, uint32(blocks-1-i)) }))
			resize(t, f, data+blocks<<20)
		}},
		{"parallels", func(t *testing.T, f *os.File) {
			const entries, first = 1 << 20, 2048 // clusters of 4 KiB
			put(t, f, 0, images.Parallels(nil))
			put(t, f, 32, le.AppendUint64(le.AppendUint32(nil, entries), 8*entries))
			put(t, f, 48, le.AppendUint32(nil, 8*first))
			put(t, f, 64, table(entries, func(b []byte, i int) []byte { return le.AppendUint32(b, uint32(first+i)) }))
			resize(t, f, (first+entries)*4096)
		}},
		{"vhdx", func(t *testing.T, f *os.File) {
			const blocks = 65535 // in chunks of 4096, of which each has an entry more
			put(t, f, 0, images.VHDX())
			put(t, f, 2<<20+64<<10+8, le.AppendUint64(nil, blocks<<20))
			var bat []byte
			for i := range uint64(blocks) {
				if i > 0 && i%4096 == 0 {
					bat = le.AppendUint64(bat, 0)
				}
				bat = le.AppendUint64(bat, (3+i)<<20|6)
			}
			put(t, f, 1<<20, bat)
			resize(t, f, (3+blocks)<<20)
		}},
		{"qed", func(t *testing.T, f *os.File) {
			const cluster, entries, tables = 4096, 1024, 1024
			put(t, f, 0, images.QED())
			put(t, f, 48, le.AppendUint64(nil, tables*entries*cluster))
			put(t, f, cluster, table(tables, func(b []byte, i int) []byte { return le.AppendUint64(b, uint64(3+2*i)*cluster) }))
			put(t, f, 3*cluster, table(tables*entries, func(b []byte, i int) []byte {
				return le.AppendUint64(b, uint64(3+2*tables+i)*cluster)
			}))
			resize(t, f, (3+2*tables+tables*entries)*cluster)
		}},
		{"qcow", func(t *testing.T, f *os.File) {
			const cluster, entries, tables = 512, 64, 1 << 14
			const l1 = 8 * tables / cluster
			put(t, f, 0, images.Qcow())
			put(t, f, 24, be.AppendUint64(nil, tables*entries*cluster))
			put(t, f, 40, be.AppendUint64(nil, cluster))
			put(t, f, cluster, table(tables, func(b []byte, i int) []byte { return be.AppendUint64(b, uint64(1+l1+i)*cluster) }))
			put(t, f, (1+l1)*cluster, table(tables*entries, func(b []byte, i int) []byte {
				return be.AppendUint64(b, uint64(1+l1+tables+i)*cluster)
			}))
			resize(t, f, (1+l1+tables+tables*entries)*cluster)
		}},
	} {
		t.Run(row.format, func(t *testing.T) {
			f, err := os.Create(filepath.Join(quickDir(t), "image"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			row.build(t, f)
			report, err := eng.Inspect(t.Context(), engine.File(f), engine.Claim(engine.Format(row.format)), engine.AtDepth(engine.Deep))
			if err != nil {
				t.Fatal(err)
			}
			if !report.Accepted {
				t.Errorf("%s", text(report.Findings))
			}
			m := report.Matches[0]
			t.Logf("%d units of fuel, %d reads, %d bytes read: %d units a byte", m.Fuel, m.Reads, m.BytesRead, m.Fuel/m.BytesRead)
		})
	}
}

// table returns count entries.
func table(count int, entry func(b []byte, i int) []byte) []byte {
	var b []byte
	for i := range count {
		b = entry(b, i)
	}
	return b
}

func put(t *testing.T, w io.WriterAt, at int64, b []byte) {
	t.Helper()
	if _, err := w.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

func resize(t *testing.T, f *os.File, size int64) {
	t.Helper()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
}
