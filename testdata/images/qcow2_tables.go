package images

import "encoding/binary"

// putSnapshots writes the snapshot table (specification, section "Snapshots")
// and returns its offset. The snapshots were taken at no time in particular.
func (q *qcow2) putSnapshots(l *layout, l1Tables []int64, l1Size int64) int64 {
	if len(q.snapshots) == 0 {
		return 0
	}
	var table []byte
	for i, name := range q.snapshots {
		id := string(rune('1' + i%9))
		table = binary.BigEndian.AppendUint64(table, uint64(l1Tables[i]))
		table = binary.BigEndian.AppendUint32(table, uint32(l1Size))
		table = binary.BigEndian.AppendUint16(table, uint16(len(id)))
		table = binary.BigEndian.AppendUint16(table, uint16(len(name)))
		table = append(table, make([]byte, 20)...)       // date, clock, size of the VM state
		table = binary.BigEndian.AppendUint32(table, 16) // size of the extra data
		table = binary.BigEndian.AppendUint64(table, 0)  // size of the VM state, 64-bit
		table = binary.BigEndian.AppendUint64(table, uint64(q.virtualSize))
		table = append(table, id+name...)
		table = append(table, make([]byte, -len(table)&7)...)
	}
	offset := l.take(int64(len(table)), 1)
	copy(l.file[offset:], table)
	return offset
}

// putBitmaps writes the bitmap directory and one table a bitmap (section
// "Bitmaps"), and adds the extension that points there.
func (q *qcow2) putBitmaps(l *layout) {
	if len(q.bitmaps) == 0 {
		return
	}
	const granularityBits = 16
	perCluster := q.clusterSize() * 8 << granularityBits // bytes of disk that one cluster of bits covers
	entries := max(1, (q.virtualSize+perCluster-1)/perCluster)
	var directory []byte
	for _, name := range q.bitmaps {
		table := l.take(8*entries, 1) // entries of 0: all bits clear
		directory = binary.BigEndian.AppendUint64(directory, uint64(table))
		directory = binary.BigEndian.AppendUint32(directory, uint32(entries))
		directory = binary.BigEndian.AppendUint32(directory, 2) // flags: auto
		directory = append(directory, 1, granularityBits)       // type: dirty tracking
		directory = binary.BigEndian.AppendUint16(directory, uint16(len(name)))
		directory = binary.BigEndian.AppendUint32(directory, 0) // no extra data
		directory = append(directory, name...)
		directory = append(directory, make([]byte, -len(directory)&7)...)
	}
	offset := l.take(int64(len(directory)), 1)
	copy(l.file[offset:], directory)
	data := binary.BigEndian.AppendUint32(nil, uint32(len(q.bitmaps)))
	data = binary.BigEndian.AppendUint32(data, 0)
	data = binary.BigEndian.AppendUint64(data, uint64(len(directory)))
	data = binary.BigEndian.AppendUint64(data, uint64(offset))
	q.extensions = append(q.extensions, extension{ExtensionBitmaps, data})
}

// putEncryption writes the start of a LUKS header and the extension that
// points there.
func (q *qcow2) putEncryption(l *layout) {
	if !q.encrypted {
		return
	}
	offset := l.take(1, 1)
	copy(l.file[offset:], "LUKS\xba\xbe\x00\x01")
	copy(l.file[offset+8:], "aes")
	copy(l.file[offset+40:], "xts-plain64")
	copy(l.file[offset+72:], "sha256")
	data := binary.BigEndian.AppendUint64(nil, uint64(offset))
	data = binary.BigEndian.AppendUint64(data, uint64(l.cluster))
	q.extensions = append(q.extensions, extension{ExtensionEncryption, data})
}
