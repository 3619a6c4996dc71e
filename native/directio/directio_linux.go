package directio

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"github.com/assay-dev/assay/internal/openfile"
	"golang.org/x/sys/unix"
)

// OfPath tells how direct reads and writes of a file must be aligned. A
// symbolic link is followed. See Of.
func OfPath(path string) (Alignment, error) {
	// O_PATH: looks at what it is without opening it.
	file, err := os.OpenFile(path, unix.O_PATH, 0)
	if err != nil {
		return Alignment{}, fmt.Errorf("direct i/o: %w", err)
	}
	defer file.Close()
	return Of(file)
}

// Of tells how direct reads and writes of an open file must be aligned. The
// file may be read, unless it cannot be: an empty one is told by what the
// system says of it. The error is an *UnavailableError if it cannot be read
// and written so, and another one if that could not be found out.
//
// The file is opened again for it, which takes the right to read it; the
// position and the flags of file are not touched.
func Of(file *os.File) (Alignment, error) {
	a, err := of(file)
	if unavailable, ok := errors.AsType[*UnavailableError](err); ok {
		unavailable.Path = file.Name()
	} else if err != nil {
		err = fmt.Errorf("direct i/o of %s: %w", file.Name(), err)
	}
	return a, err
}

func of(file *os.File) (a Alignment, err error) {
	err = openfile.Control(file, func(fd int) (err error) {
		a, err = ofDescriptor(fd)
		return err
	})
	return a, err
}

func ofDescriptor(fd int) (Alignment, error) {
	var stat unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS|unix.STATX_DIOALIGN, &stat); err != nil {
		return Alignment{}, os.NewSyscallError("statx", err)
	}
	kind := stat.Mode & unix.S_IFMT
	if kind != unix.S_IFREG && kind != unix.S_IFBLK {
		return Alignment{}, &UnavailableError{Reason: "it is neither a regular file nor a block device"}
	}
	reported, told, err := reported(&stat)
	if err != nil {
		return Alignment{}, err
	}
	direct, err := reopen(fd)
	if errors.Is(err, unix.EINVAL) {
		return Alignment{}, &UnavailableError{Reason: "it cannot be opened for it", Err: err}
	}
	if err != nil {
		return Alignment{}, err
	}
	defer unix.Close(direct)
	if told {
		return reported, try(direct, reported)
	}
	return assumed(direct, kind == unix.S_IFBLK)
}

// reported is the alignment that the system tells; told is false if it does
// not.
func reported(stat *unix.Statx_t) (a Alignment, told bool, err error) {
	if stat.Mask&unix.STATX_DIOALIGN == 0 {
		return a, false, nil
	}
	// statx(2): both are 0 if direct i/o of this file is not supported.
	if stat.Dio_mem_align == 0 || stat.Dio_offset_align == 0 {
		return a, true, &UnavailableError{Reason: "the file system does not support it for this file"}
	}
	for _, n := range []uint32{stat.Dio_mem_align, stat.Dio_offset_align} {
		if n&(n-1) != 0 || n > alignmentBound {
			return a, true, &UnavailableError{Reason: fmt.Sprintf("the system tells an alignment of %d bytes", n)}
		}
	}
	return Alignment{Memory: int(stat.Dio_mem_align), Offset: int(stat.Dio_offset_align)}, true, nil
}

const (
	// alignmentBound is the largest alignment that is believed, in bytes: well
	// above any file system's block.
	alignmentBound = 1 << 20
	// alignmentLeast and alignmentMost are what is tried for a file where the
	// system does not tell: the sectors of disks are of 512 or 4096 bytes, the
	// blocks of file systems of no more than 64 KiB, the largest page there is.
	alignmentLeast = 4 << 10
	alignmentMost  = 64 << 10
)

// assumed is the alignment where the system does not tell it: a device's
// logical sector, and for a file, of which that is not known, the least that
// works from 4 KiB on.
func assumed(direct int, device bool) (Alignment, error) {
	if device {
		sector, err := unix.IoctlGetInt(direct, unix.BLKSSZGET)
		if err != nil {
			return Alignment{}, os.NewSyscallError("BLKSSZGET", err)
		}
		if sector <= 0 || sector&(sector-1) != 0 || sector > alignmentBound {
			return Alignment{}, fmt.Errorf("the device tells sectors of %d bytes", sector)
		}
		a := Alignment{Memory: sector, Offset: sector}
		return a, try(direct, a)
	}
	for n := alignmentLeast; ; n *= 2 {
		a := Alignment{Memory: n, Offset: n}
		err := try(direct, a)
		if _, refused := errors.AsType[*UnavailableError](err); !refused || n == alignmentMost {
			return a, err
		}
	}
}

// reopen opens a file again, to be read past the page cache.
func reopen(fd int) (int, error) {
	path := fmt.Sprintf("/proc/self/fd/%d", fd)
	const flags = unix.O_RDONLY | unix.O_DIRECT | unix.O_CLOEXEC
	// Reading is to leave no trace; only the owner may have that (open(2)).
	direct, err := unix.Open(path, flags|unix.O_NOATIME, 0)
	if errors.Is(err, unix.EPERM) {
		direct, err = unix.Open(path, flags, 0)
	}
	return direct, os.NewSyscallError("open", err)
}

// try reads once, aligned as told and no better.
func try(direct int, a Alignment) error {
	p := buffer(a.Offset, a.Memory)
	err := error(unix.EINTR)
	for errors.Is(err, unix.EINTR) {
		_, err = unix.Pread(direct, p, 0)
	}
	// read(2): EINVAL is the error of what is not aligned well enough, and of
	// file systems that took the flag and cannot.
	if errors.Is(err, unix.EINVAL) {
		return &UnavailableError{Reason: fmt.Sprintf("a read aligned to %d bytes failed", a.Offset), Err: err}
	}
	return os.NewSyscallError("pread", err)
}

// buffer returns n bytes at an address that is a multiple of align, and not of
// twice that.
func buffer(n, align int) []byte {
	p := make([]byte, n+2*align)
	past := int(uintptr(unsafe.Pointer(unsafe.SliceData(p))) % uintptr(2*align))
	skip := (align - past + 2*align) % (2 * align)
	return p[skip : skip+n : skip+n]
}
