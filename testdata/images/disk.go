package images

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// Partition is one entry of a partition table, in sectors.
type Partition struct {
	Type         byte // of an MBR entry
	Start, Count uint32
	Bootable     bool
}

// putTable writes an MBR partition table and its signature into a sector.
func putTable(sector []byte, partitions ...Partition) {
	for i, p := range partitions {
		e := sector[446+16*i:][:16]
		if p.Bootable {
			e[0] = 0x80
		}
		// The CHS fields say "beyond what CHS can address", as tools write
		// them for any disk of today.
		copy(e[1:4], "\xfe\xff\xff")
		e[4] = p.Type
		copy(e[5:8], "\xfe\xff\xff")
		binary.LittleEndian.PutUint32(e[8:], p.Start)
		binary.LittleEndian.PutUint32(e[12:], p.Count)
	}
	sector[510], sector[511] = 0x55, 0xaa
}

// MBR builds a disk of size bytes with a master boot record.
func MBR(size int, partitions ...Partition) []byte {
	disk := make([]byte, size)
	copy(disk, "\xfa\x31\xc0\x8e\xd8") // the start of some boot code: cli; xor ax, ax; mov ds, ax
	putTable(disk, partitions...)
	return disk
}

// linux is one partition that spans a disk of the size from sector 8 on.
func linux(size int) Partition {
	return Partition{Type: 0x83, Start: 8, Count: uint32(size/512 - 8)}
}

// logical builds a disk with an extended partition from sector 64 on that
// holds two logical ones: a chain of two boot records. A record counts the
// start of its partition from itself, that of the next record from the
// beginning of the extended partition.
func logical(size int) []byte {
	disk := MBR(size, Partition{Type: 0x83, Start: 8, Count: 56}, Partition{Type: 0x0f, Start: 64, Count: 64})
	putTable(disk[64*512:], Partition{Type: 0x83, Start: 8, Count: 24}, Partition{Type: 0x05, Start: 32, Count: 32})
	putTable(disk[96*512:], Partition{Type: 0x83, Start: 8, Count: 24})
	return disk
}

// GPTLayout says where a GPT disk has its parts, in bytes (UEFI
// specification, section 5.3).
type GPTLayout struct {
	Sector         int
	Size           int
	PrimaryHeader  int
	PrimaryEntries int
	BackupEntries  int
	BackupHeader   int
}

const (
	gptEntries    = 128
	gptEntrySize  = 128
	gptHeaderSize = 92
	gptSectors    = 96 // of a disk that GPT builds
)

// LayoutGPT returns the layout of the disk that GPT builds for a sector size.
func LayoutGPT(sector int) GPTLayout {
	array := gptEntries * gptEntrySize
	size := gptSectors * sector
	return GPTLayout{
		Sector: sector, Size: size,
		PrimaryHeader: sector, PrimaryEntries: 2 * sector,
		BackupEntries: size - sector - array, BackupHeader: size - sector,
	}
}

// GPT builds a disk of 96 sectors of the given size (512 or 4096 bytes) with
// a protective MBR, both headers and both arrays, and one Linux partition.
func GPT(sector int) []byte {
	l := LayoutGPT(sector)
	disk := make([]byte, l.Size)
	putTable(disk, Partition{Type: 0xee, Start: 1, Count: gptSectors - 1})

	first := (l.PrimaryEntries + gptEntries*gptEntrySize) / sector
	last := l.BackupEntries/sector - 1
	entry := make([]byte, gptEntrySize)
	copy(entry, "\xaf\x3d\xc6\x0f\x83\x84\x72\x47\x8e\x79\x3d\x69\xd8\x47\x7d\xe4") // Linux file system data
	copy(entry[16:], "\x01\x23\x45\x67\x89\xab\x4d\xef\x81\x23\x45\x67\x89\xab\xcd\xef")
	binary.LittleEndian.PutUint64(entry[32:], uint64(first))
	binary.LittleEndian.PutUint64(entry[40:], uint64(last))
	for i, r := range "root" {
		binary.LittleEndian.PutUint16(entry[56+2*i:], uint16(r))
	}
	copy(disk[l.PrimaryEntries:], entry)
	copy(disk[l.BackupEntries:], entry)

	putGPTHeader(disk, l, l.PrimaryHeader, l.BackupHeader, l.PrimaryEntries)
	putGPTHeader(disk, l, l.BackupHeader, l.PrimaryHeader, l.BackupEntries)
	return disk
}

func putGPTHeader(disk []byte, l GPTLayout, at, other, entries int) {
	h := disk[at:][:gptHeaderSize]
	copy(h, "EFI PART")
	le := binary.LittleEndian
	le.PutUint32(h[8:], 0x00010000)
	le.PutUint32(h[12:], gptHeaderSize)
	le.PutUint64(h[24:], uint64(at/l.Sector))
	le.PutUint64(h[32:], uint64(other/l.Sector))
	le.PutUint64(h[40:], uint64((l.PrimaryEntries+gptEntries*gptEntrySize+l.Sector-1)/l.Sector))
	le.PutUint64(h[48:], uint64(l.BackupEntries/l.Sector-1))
	copy(h[56:], "\xfe\xdc\xba\x98\x76\x54\x43\x21\x81\x23\x45\x67\x89\xab\xcd\xef")
	le.PutUint64(h[72:], uint64(entries/l.Sector))
	le.PutUint32(h[80:], gptEntries)
	le.PutUint32(h[84:], gptEntrySize)
	le.PutUint32(h[88:], crc32.ChecksumIEEE(disk[entries:][:gptEntries*gptEntrySize]))
	SealGPT(disk, at)
}

// SealGPT recomputes the CRC of the GPT header at an offset, so that a change
// of its fields is seen for itself.
func SealGPT(disk []byte, at int) {
	h := disk[at:][:gptHeaderSize]
	clear(h[16:20])
	binary.LittleEndian.PutUint32(h[16:], crc32.ChecksumIEEE(h))
}

// FAT builds a file system of size bytes whose boot sector ends in 55AA and
// whose BIOS parameter block could be taken for a partition table's code.
func FAT(size int) []byte {
	disk := make([]byte, size)
	le := binary.LittleEndian
	copy(disk, "\xeb\x3c\x90mkfs.fat")
	le.PutUint16(disk[11:], 512) // bytes a sector
	disk[13] = 4                 // sectors a cluster
	le.PutUint16(disk[14:], 1)   // reserved sectors
	disk[16] = 2                 // tables
	le.PutUint16(disk[17:], 512) // root entries
	le.PutUint16(disk[19:], uint16(size/512))
	disk[21] = 0xf8            // media
	le.PutUint16(disk[22:], 1) // sectors a table
	le.PutUint16(disk[24:], 32)
	le.PutUint16(disk[26:], 64)
	disk[36], disk[38] = 0x80, 0x29
	copy(disk[43:], "NO NAME    FAT16   ")
	copy(disk[62:], "\x0e\x1f\xbe\x5b\x7c\xac\x22\xc0\x74\x0b\x56\xb4\x0e")
	copy(disk[91:], "This is not a bootable disk.\r\n")
	disk[510], disk[511] = 0x55, 0xaa
	for i := range 2 {
		copy(disk[512*(1+i):], "\xf8\xff\xff\xff")
	}
	return disk
}

// Random returns size bytes without any pattern, the same for the same seed.
func Random(size int, seed uint64) []byte {
	b := make([]byte, size)
	noise(b, seed)
	return b
}

// noise fills p with the output of a xorshift generator.
func noise(p []byte, seed uint64) {
	x := seed*0x9e3779b97f4a7c15 + 1
	for i := range p {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		p[i] = byte(x >> 32)
	}
}

// Text returns at least size bytes of plain text.
func Text(size int) []byte {
	const line = "A disk image is a file that says it is a disk.\n"
	return bytes.Repeat([]byte(line), size/len(line)+1)
}
