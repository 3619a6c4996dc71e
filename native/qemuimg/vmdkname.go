package qemuimg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A sparse VMDK names its own file in its embedded descriptor (VMware Virtual
// Disk Format 5.0, Extent Description), and qemu-img takes for the name what
// it opened the output by: a number. The bounds of what is looked at, in
// sectors; qemu puts the descriptor at 1, in 20 sectors (block/vmdk.c).
const maxDescriptorAt, maxDescriptor = 128, 128

// nameVMDK gives a sparse VMDK that qemu-img wrote the name that its file will
// have. A file that does not hold what qemu-img writes stays as it is: what it
// is, its inspection tells.
func nameVMDK(file interface {
	io.ReaderAt
	io.WriterAt
}, name string) error {
	at, text, err := descriptor(file)
	if err != nil || text == nil {
		return err
	}
	line := []byte(fmt.Sprintf(" SPARSE %q\n", path.Base(outputName)))
	if bytes.Count(text, line) != 1 {
		return nil
	}
	named := bytes.Replace(bytes.TrimRight(text, "\x00"), line, []byte(" SPARSE \""+quotable(name)+"\"\n"), 1)
	if len(named) > len(text) {
		return nil
	}
	area := make([]byte, len(text)) // to its end, if the text is shorter now
	copy(area, named)
	if _, err := file.WriteAt(area, at); err != nil {
		return fmt.Errorf("name the extent: %w", err)
	}
	return nil
}

// descriptor returns where the descriptor of a sparse extent is, in bytes, and
// what is there, with the zeros behind the text; nil if there is none within
// the bounds.
func descriptor(file io.ReaderAt) (at int64, text []byte, err error) {
	header := make([]byte, sector)
	if _, err := file.ReadAt(header, 0); err != nil {
		return 0, nil, within(err)
	}
	// SparseExtentHeader: magicNumber, descriptorOffset, descriptorSize.
	offset, size := binary.LittleEndian.Uint64(header[28:]), binary.LittleEndian.Uint64(header[36:])
	if string(header[:4]) != "KDMV" || offset < 1 || offset > maxDescriptorAt || size < 1 || size > maxDescriptor {
		return 0, nil, nil
	}
	text = make([]byte, size*sector)
	if _, err := file.ReadAt(text, int64(offset)*sector); err != nil {
		return 0, nil, within(err)
	}
	return int64(offset) * sector, text, nil
}

// within makes the end of the file no error.
func within(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("read the descriptor: %w", err)
}

// quotable returns a name as a descriptor can hold it, which has no way to
// write a quotation mark: if it is none, one that is.
func quotable(name string) string {
	bad := func(r rune) bool { return r == '"' || r == '/' || r == utf8.RuneError || !unicode.IsPrint(r) }
	if name == "" || len(name) > 255 || strings.ContainsFunc(name, bad) {
		return "disk.vmdk"
	}
	return name
}
