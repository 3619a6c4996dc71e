// Package openfile is what the native packages ask of files that are open: one
// way to get at a descriptor, where data and holes are, how much is stored, and
// all of a part or an error. It interprets nothing of what a file holds.
package openfile

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Control calls f with the descriptor of an open file, which stays open, and
// as blocking as it was, until f returns. The error is that of f, or that the
// file is closed.
func Control(file *os.File, f func(fd int) error) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := conn.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// ReadFull fills p with what is at off, in bytes, or fails: with an error that
// matches io.ErrUnexpectedEOF where the source ends before. What there was of p
// may have been written.
func ReadFull(from io.ReaderAt, p []byte, off int64) error {
	n, err := from.ReadAt(p, off)
	if errors.Is(err, io.EOF) {
		err = nil // as it may say of the last bytes
	}
	if err == nil && n < len(p) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("%d of %d bytes at offset %d: %w", n, len(p), off, err)
	}
	return nil
}
