package openfile

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Extent returns where the extent of a file at off ends, end at the latest, and
// whether it is a hole (lseek(2), SEEK_DATA). What cannot tell is data. A file
// shorter than size, in bytes, is an error that matches io.ErrUnexpectedEOF.
// The position of the file moves.
func Extent(file *os.File, off, end, size int64) (next int64, hole bool, err error) {
	data, err := file.Seek(off, unix.SEEK_DATA)
	switch {
	case errors.Is(err, unix.ENXIO):
		// No data behind off, or off is behind the end.
		last, err := file.Seek(0, io.SeekEnd)
		if err == nil && last < size {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, false, fmt.Errorf("%d of %d bytes: %w", last, size, err)
		}
		return end, true, nil
	case err != nil:
		return end, false, nil
	case data > off:
		return min(data, end), true, nil
	}
	if next, err = file.Seek(off, unix.SEEK_HOLE); err != nil || next <= off {
		return end, false, nil
	}
	return min(next, end), false, nil
}
