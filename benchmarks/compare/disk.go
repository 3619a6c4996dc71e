package main

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// The disk that is copied and converted has 4 GiB, a quarter of it data, in
// pieces of 1 MiB.
const (
	diskSize  = 4 << 30
	diskPiece = 1 << 20
)

// disk returns the disk, raw, which it writes the first time.
func (c *comparison) disk() (string, error) {
	path := filepath.Join(c.dir, "disk.raw")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return path, err
	}
	data := rand.NewChaCha8([32]byte{3})
	return path, writeDisk(path, func(p []byte) { data.Read(p) })
}

// writeDisk makes a disk of what fill makes of each of its pieces.
func writeDisk(path string, fill func(piece []byte)) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	piece := make([]byte, diskPiece)
	for off := int64(0); off < diskSize; off += 4 * diskPiece {
		fill(piece)
		if _, err := f.WriteAt(piece, off); err != nil {
			return err
		}
		beginWriting(f, off, diskPiece)
	}
	return f.Truncate(diskSize)
}

// nothingRead makes a disk of other data, and syncs it: what is left of a copy
// without reading, and comparing with zero.
func nothingRead(path string) error {
	if err := writeDisk(path, func(p []byte) { p[0] = 1 }); err != nil {
		return err
	}
	return syncFile(path)
}
