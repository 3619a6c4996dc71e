package images

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
)

// GzipStream puts data into a gzip stream, stored.
func GzipStream(data []byte) []byte {
	var b bytes.Buffer
	must(gzip.NewWriterLevel(&b, gzip.NoCompression)).close(data)
	return b.Bytes()
}

// Tar builds an archive with one member of each name, alike but for that.
func Tar(format tar.Format, data []byte, names ...string) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range names {
		h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), Format: format}
		if format == tar.FormatPAX {
			h.PAXRecords = map[string]string{"ASSAY.note": "an extended header"}
		}
		if err := w.WriteHeader(h); err != nil {
			panic(err)
		}
		if _, err := w.Write(data); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// Zip builds an archive with one member, stored.
func Zip(data []byte) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.CreateHeader(&zip.FileHeader{Name: "disk.img", Method: zip.Store})
	must(stored{f, w}, err).close(data)
	return b.Bytes()
}

// stored is a member of an archive with the archive's end.
type stored struct {
	io.Writer
	io.Closer
}

// sink is what data is written to; an error cannot be, as a buffer takes all.
type sink struct{ io.WriteCloser }

func must(w io.WriteCloser, err error) sink {
	if err != nil {
		panic(err)
	}
	return sink{w}
}

func (s sink) close(data []byte) {
	if _, err := s.Write(data); err != nil {
		panic(err)
	}
	if err := s.Close(); err != nil {
		panic(err)
	}
}

// XZStream builds a stream without blocks (The .xz File Format, section 2.1).
func XZStream() []byte {
	flags := []byte{0, 4} // CRC-64
	b := append([]byte("\xfd7zXZ\x00"), flags...)
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(flags))
	index := make([]byte, 4)
	b = append(b, index...)
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(index))
	footer := append([]byte{0, 0, 0, 0}, flags...)
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(footer))
	return append(append(b, footer...), "YZ"...)
}

// ZstdFrame puts data of up to 255 bytes into a frame, stored (RFC 8878, 3.1.1).
func ZstdFrame(data []byte) []byte {
	b := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x20, byte(len(data))}
	header := 1 | len(data)<<3 // the last block, raw
	b = append(b, byte(header), byte(header>>8), byte(header>>16))
	return append(b, data...)
}

// LZ4Frame puts data into a frame, stored (LZ4 frame format).
func LZ4Frame(data []byte) []byte {
	descriptor := []byte{0x60, 0x40} // version 1, blocks of up to 64 KiB
	b := append([]byte{0x04, 0x22, 0x4d, 0x18}, descriptor...)
	b = append(b, byte(xxh32(descriptor)>>8))
	b = binary.LittleEndian.AppendUint32(b, 1<<31|uint32(len(data)))
	b = append(b, data...)
	return append(b, 0, 0, 0, 0)
}

// xxh32 is XXH32 with seed 0 of less than four bytes.
func xxh32(data []byte) uint32 {
	h := uint32(0x165667b1) + uint32(len(data))
	for _, v := range data {
		h = bits.RotateLeft32(h+uint32(v)*0x165667b1, 11) * 0x9e3779b1
	}
	h = (h ^ h>>15) * 0x85ebca77
	h = (h ^ h>>13) * 0xc2b2ae3d
	return h ^ h>>16
}

// skippable is a frame that zstd and lz4 skip, of n bytes.
func skippable(n int) []byte {
	b := binary.LittleEndian.AppendUint32([]byte{0x5e, 0x2a, 0x4d, 0x18}, uint32(n))
	return append(b, make([]byte, n)...)
}

// Streams that tools write for an empty input.
const (
	emptyBzip2 = "BZh9\x17\x72\x45\x38\x50\x90\x00\x00\x00\x00"
	emptyLZMA  = "\x5d\x00\x00\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00\x83\xff\xfb\xff\xff\xc0\x00\x00\x00"
)

// containers returns files that are no disks, whole and with a header that is
// wrong or cut.
func containers() []Case {
	small := Text(200)[:200]
	disk := func() []byte { return MBR(64<<10, linux(64<<10)) }
	literal := func(s string) func() []byte { return func() []byte { return []byte(s) } }
	type row struct {
		format, name, finding string // "" for container
		build                 func() []byte
	}
	changed := func(format, name, finding string, build func() []byte, change func(b []byte) []byte) row {
		return row{format, name, finding, func() []byte { return change(build()) }}
	}
	set := func(format, name, finding string, build func() []byte, at int, value byte) row {
		return changed(format, name, finding, build, func(b []byte) []byte { b[at] = value; return b })
	}
	cut := func(format string, build func() []byte, lengths ...int) (rows []row) {
		for _, n := range lengths {
			rows = append(rows, changed(format, fmt.Sprintf("cut-%d", n), "header-cut", build, func(b []byte) []byte { return b[:n] }))
		}
		return rows
	}
	gz := func() []byte { return GzipStream(disk()) }
	zst := func() []byte { return ZstdFrame(small) }
	lz := func() []byte { return LZ4Frame(small) }
	arch := func() []byte { return Zip(disk()) }
	old := func() []byte { return oldTar(disk()) }
	posix := func() []byte { return Tar(tar.FormatUSTAR, disk(), "disk.img", "disk2.img") }
	ova := func() []byte { return Tar(tar.FormatUSTAR, small, "machine.ovf", "machine.mf", "disk.vmdk") }

	rows := []row{
		{"gzip", "", "", gz},
		set("gzip", "reserved-flag", "header", gz, 3, 0x20),
		set("gzip", "flags-max", "header", gz, 3, 0xff),
		changed("gzip", "extra-beyond", "header-cut", func() []byte { return GzipStream(small) }, func(b []byte) []byte {
			b[3] = 4
			b[10], b[11] = 0xff, 0xff
			return b
		}),
		{"xz", "", "", XZStream},
		set("xz", "crc", "header", XZStream, 8, 0),
		set("xz", "flags", "header", XZStream, 6, 1),
		changed("xz", "check-max", "header", XZStream, func(b []byte) []byte {
			b[7] = 0xff
			binary.LittleEndian.PutUint32(b[8:], crc32.ChecksumIEEE(b[6:8]))
			return b
		}),
		{"zstd", "", "", zst},
		{"zstd", "skippable-first", "", func() []byte { return append(skippable(100), ZstdFrame(small)...) }},
		{"zstd", "skippable-only", "", func() []byte { return skippable(100) }},
		{"zstd", "skippable-cut", "header-cut", func() []byte { return skippable(100)[:50] }},
		{"zstd", "skippable-many", "header-cut", func() []byte { return bytes.Repeat(skippable(0), 100) }},
		{"zstd", "skippable-then-text", "header", func() []byte { return append(skippable(100), small...) }},
		changed("zstd", "skippable-max", "header-cut", func() []byte { return skippable(100) }, func(b []byte) []byte {
			binary.LittleEndian.PutUint32(b[4:], 1<<32-1)
			return b
		}),
		set("zstd", "reserved-bit", "header", zst, 4, 0x28),
		set("zstd", "reserved-block", "header", zst, 6, 0x07),
		set("zstd", "version-0-1", "", zst, 0, 0x1e),
		set("zstd", "version-0-7", "", zst, 0, 0x27),
		{"lz4", "", "", lz},
		{"lz4", "skippable-first", "", func() []byte { return append(skippable(100), LZ4Frame(small)...) }},
		{"lz4", "legacy", "", literal("\x02\x21\x4c\x18\x02\x00\x00\x00\x10a")},
		{"lz4", "legacy-cut", "header-cut", literal("\x02\x21\x4c\x18\x02")},
		set("lz4", "version-0", "header", lz, 4, 0x20),
		set("lz4", "reserved-flag", "header", lz, 4, 0x62),
		set("lz4", "reserved-block-bit", "header", lz, 5, 0xc0),
		set("lz4", "block-size-3", "header", lz, 5, 0x30),
		set("lz4", "check-sum", "header", lz, 6, 0),
		{"bzip2", "", "", literal(emptyBzip2)},
		set("bzip2", "level-0", "header", literal(emptyBzip2), 3, '0'),
		{"lzma", "", "", literal(emptyLZMA)},
		set("lzma", "properties", "", literal(emptyLZMA), 0, 0x5e),
		changed("lzma", "size-max", "header", literal(emptyLZMA), func(b []byte) []byte {
			b[5], b[13], b[14] = 0xfe, 0, 0
			return b
		}),
		{"zip", "", "", arch},
		{"zip", "empty", "", literal("PK\x05\x06" + string(make([]byte, 18)))},
		{"zip", "empty-cut", "header-cut", literal("PK\x05\x06" + string(make([]byte, 17)))},
		{"zip", "in-parts", "", func() []byte { return append([]byte("PK\x07\x08"), Zip(disk())...) }},
		{"zip", "in-one-part", "", func() []byte { return append([]byte("PK00"), Zip(disk())...) }},
		{"zip", "in-parts-cut", "header-cut", literal("PK\x07\x08")},
		set("zip", "version-64", "header", arch, 4, 64),
		changed("zip", "name-0", "header", arch, func(b []byte) []byte { b[26] = 0; return b }),
		changed("zip", "name-max", "header-cut", func() []byte { return Zip(small) }, func(b []byte) []byte {
			b[26], b[27] = 0xff, 0xff
			return b
		}),
		{"tar", "", "", posix},
		{"tar", "gnu", "", func() []byte { return Tar(tar.FormatGNU, disk(), "disk.img") }},
		{"tar", "gnu-long-name", "", func() []byte { return Tar(tar.FormatGNU, disk(), string(bytes.Repeat([]byte("n"), 200))) }},
		{"tar", "pax", "", func() []byte { return Tar(tar.FormatPAX, disk(), "disk.img") }},
		{"tar", "old", "", old},
		{"tar", "ovf-second", "", func() []byte { return Tar(tar.FormatUSTAR, small, "disk.vmdk", "machine.ovf") }},
		set("tar", "check-sum", "header", posix, 0, 'D'),
		changed("tar", "size-letters", "header", posix, func(b []byte) []byte { copy(b[124:], "size"); return sealTar(b) }),
		changed("tar", "size-beyond", "incomplete", posix, func(b []byte) []byte { copy(b[124:], "77777777777"); return sealTar(b) }),
		changed("tar", "size-binary-max", "header", posix, func(b []byte) []byte {
			copy(b[124:], "\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")
			return sealTar(b)
		}),
		changed("tar", "size-binary-large", "incomplete", posix, func(b []byte) []byte {
			copy(b[124:], "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff")
			return sealTar(b)
		}),
		changed("tar", "extensions-only", "", posix, func(b []byte) []byte {
			b[156] = 'x'
			copy(b[124:], "00000000000")
			return bytes.Repeat(sealTar(b)[:512], 100)
		}),
		{"ova", "", "", ova},
		{"ova", "upper-case", "", func() []byte { return Tar(tar.FormatUSTAR, small, "MACHINE.OVF") }},
		{"ova", "pax", "", func() []byte { return Tar(tar.FormatPAX, small, "machine.ovf") }},
		set("ova", "check-sum", "header", ova, 0, 'M'),
		changed("ova", "size-beyond", "incomplete", ova, func(b []byte) []byte { copy(b[124:], "77777777777"); return sealTar(b) }),
	}
	rows = append(rows, cut("gzip", gz, 2, 3, 10, 17)...)
	rows = append(rows, cut("xz", XZStream, 6, 8, 11, 12, 31)...)
	rows = append(rows, cut("zstd", zst, 4, 5, 6)...)
	rows = append(rows, cut("lz4", lz, 4, 5, 6)...)
	rows = append(rows, cut("bzip2", literal(emptyBzip2), 4, 9, 13)...)
	rows = append(rows, cut("lzma", literal(emptyLZMA), 13+1, 13+4)...)
	rows = append(rows, cut("zip", arch, 4, 29, 30)...)
	rows = append(rows, cut("tar", posix, 262, 511)...)
	rows = append(rows, cut("ova", ova, 262, 511)...)

	var cases []Case
	for _, r := range rows {
		name := r.format
		if r.name != "" {
			name += "-" + r.name
		}
		finding := r.format + ".container"
		if r.finding != "" {
			finding = r.format + "." + r.finding
		}
		cases = append(cases, Case{Name: name, WantFormat: r.format, WantFinding: finding, Build: r.build})
		if r.finding == "" || r.finding == "header" {
			cases = append(cases, Case{Name: name + "-claimed-raw", Claim: "raw", WantFormat: r.format, WantFinding: "raw.claimed", WantAccepted: true, Build: r.build})
		}
	}
	return append(cases, almostContainers()...)
}

// almostContainers returns files that start like a container and are none.
func almostContainers() []Case {
	rows := []struct {
		name  string
		build func() []byte
	}{
		{"gzip-other-method", func() []byte { b := GzipStream(Text(200)); b[2] = 7; return b }},
		{"bzip2-text", func() []byte { return append([]byte("BZh1 is how it starts. "), Text(200)...) }},
		{"lzma-text", func() []byte { return append([]byte("]\x00\x00"), Text(200)...) }},
		{"lzma-zeros", func() []byte { return append([]byte("]"), make([]byte, 511)...) }},
		{"lzma-first-match", func() []byte { b := []byte(emptyLZMA); b[14] = 0x84; return b }},
		{"zip-in-parts-text", func() []byte { return append([]byte("PK\x07\x08"), Text(200)...) }},
		{"zip-signature-only", func() []byte { return append([]byte("PK"), Text(200)...) }},
		{"lz4-wrong-endian", func() []byte { b := LZ4Frame(Text(200)); copy(b, "\x18\x4d\x22\x04"); return b }},
		{"zstd-dictionary", func() []byte { return append([]byte("\x37\xa4\x30\xec"), Text(200)...) }},
		{"tar-old-check-sum", func() []byte { b := oldTar(Text(200)); b[0] ^= 1; return b }},
	}
	var cases []Case
	for _, r := range rows {
		cases = append(cases, Case{Name: "raw-like-" + r.name, WantFormat: "raw", WantFinding: "raw.unclaimed", WantAccepted: true, Build: r.build})
	}
	return cases
}

// oldTar builds an archive of the time before there was a magic.
func oldTar(data []byte) []byte {
	b := Tar(tar.FormatUSTAR, data, "disk.img")
	clear(b[257:512])
	return sealTar(b)
}

// sealTar makes the check sum of the first header right again.
func sealTar(b []byte) []byte {
	copy(b[148:], "        ")
	sum := 0
	for _, v := range b[:512] {
		sum += int(v)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}
