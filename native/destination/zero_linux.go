package destination

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"
)

const (
	// zeroPiece is how much a device is asked to zero at a time, in bytes: a
	// request cannot be cancelled, and may be slow where the kernel has to
	// write.
	zeroPiece = 64 << 20
	// zeroWrite is how much is written at a time, in bytes.
	zeroWrite = 1 << 20
)

// zero zeroes a range of the device until ctx ends, and returns the end of
// what it zeroed.
//
// The best way that works is taken: giving the room back, if the device is of
// a kind that then reads as zeros; what the kernel knows to be best, which
// writes if need be (what BLKZEROOUT does; fallocate(2) of a block device,
// since Linux 4.9); and writing zeros. The first two take whole sectors.
func (d *Device) zero(ctx context.Context, off, end int64) (int64, error) {
	for off < end {
		if err := ctx.Err(); err != nil {
			return off, err
		}
		next := min(end, off+zeroPiece)
		if start := off + (-off & (d.sector - 1)); start > off {
			next = min(end, start)
		} else if whole := next &^ (d.sector - 1); whole > off {
			next = whole
		}
		if !d.zeroSectors(off, next-off) {
			var err error
			if next, err = d.writeZeros(off, min(next, off+zeroWrite)); err != nil {
				return next, err
			}
		}
		off = next
	}
	return off, nil
}

// zeroSectors has the kernel zero a range, and tells whether it did.
func (d *Device) zeroSectors(off, n int64) bool {
	if (off|n)&(d.sector-1) != 0 {
		return false
	}
	for len(d.ways) > 0 {
		err := error(unix.EINTR)
		for errors.Is(err, unix.EINTR) {
			err = unix.Fallocate(int(d.file.Fd()), d.ways[0]|unix.FALLOC_FL_KEEP_SIZE, off, n)
		}
		if err == nil {
			return true
		}
		// What failed once is not asked for again.
		d.ways = d.ways[1:]
	}
	return false
}

var zeros [zeroWrite]byte

// writeZeros writes zeros from off to end, which are no more than zeroWrite
// apart, and returns how far it got.
func (d *Device) writeZeros(off, end int64) (int64, error) {
	n, err := d.file.WriteAt(zeros[:end-off], off)
	return off + int64(n), err
}
