package blockcopy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"

	"github.com/assay-dev/assay/internal/openfile"
	"github.com/assay-dev/assay/native/directio"
	"github.com/assay-dev/assay/native/qemuimg"
	"github.com/assay-dev/assay/native/throttle"
)

// output is where a copy goes.
type output struct {
	file   *os.File
	direct *os.File // the same, written past the page cache; nil if it is not
	align  int      // of offset and length of what is written to direct
	device bool     // holds old data where nothing is written

	throttle *throttle.Job // is told what was written
}

// newOutput makes an output ready for a disk of this size.
func newOutput(file *os.File, disk int64, cached bool) (*output, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	o := &output{file: file}
	switch mode := info.Mode(); {
	case mode.IsRegular():
		if info.Size() != 0 {
			return nil, fmt.Errorf("output %s is not empty", file.Name())
		}
	case mode&os.ModeDevice != 0 && mode&os.ModeCharDevice == 0:
		o.device = true
		size, err := file.Seek(0, io.SeekEnd)
		if err != nil {
			return nil, err
		}
		if size < disk {
			return nil, fmt.Errorf("output %s has %d bytes, and the disk %d", file.Name(), size, disk)
		}
	default:
		return nil, fmt.Errorf("output %s is neither a regular file nor a block device", file.Name())
	}
	if o.device || !cached && prefersDirect(file) {
		// Where it cannot be known, the cache will do.
		if a, err := directio.Of(file); err == nil && max(a.Memory, a.Offset) <= chunk {
			// Whole pages, so that none is written both ways at a time.
			o.align = max(a.Memory, a.Offset, block, os.Getpagesize())
			o.direct = openDirect(file)
		}
	}
	return o, nil
}

// workers is how many parts are best copied at a time.
func (o *output) workers() int {
	if o.direct != nil {
		return directWorkers
	}
	return min(runtime.GOMAXPROCS(0), cachedWorkers)
}

// reserves tells whether room is reserved for what is written past the page
// cache. On a device there is.
func (o *output) reserves() bool { return o.direct != nil && !o.device }

func (o *output) close() {
	if o.direct != nil {
		o.direct.Close()
	}
}

// resize makes an output that is a file as long as this, all holes from its
// end on.
func (o *output) resize(size int64) error { return qemuimg.TypeNoSpace(o.file, o.file.Truncate(size)) }

// directAtLeast is the shortest run that is written past the page cache, in
// bytes: each is waited for, while of short ones the cache makes long ones.
const directAtLeast = 64 << 10

// write writes all of p: a long run past the page cache if it may be.
func (o *output) write(p []byte, off int64, direct bool) error {
	o.throttle.Wrote(int64(len(p)))
	if direct && o.direct != nil && len(p) >= directAtLeast && off%int64(o.align) == 0 && len(p)%o.align == 0 {
		// open(2): a file system that cannot says EINVAL, some not before they
		// are written to.
		if _, err := o.direct.WriteAt(p, off); !errors.Is(err, syscall.EINVAL) {
			return qemuimg.TypeNoSpace(o.file, err)
		}
	}
	_, err := o.file.WriteAt(p, off)
	return qemuimg.TypeNoSpace(o.file, err)
}

// amend writes p where the output differs from it, and returns how much that
// was.
func (o *output) amend(p []byte, off int64) (written int64, err error) {
	has := make([]byte, block)
	for at := 0; at < len(p); at += block {
		want := p[at:min(at+block, len(p))]
		has := has[:len(want)]
		if _, err := o.file.ReadAt(has, off+int64(at)); err != nil && !errors.Is(err, io.EOF) {
			return written, err
		}
		if bytes.Equal(has, want) {
			continue
		}
		if err := o.write(want, off+int64(at), false); err != nil {
			return written, err
		}
		written += int64(len(want))
	}
	return written, nil
}

// zero makes a range read as zeros. In a file it does already.
func (o *output) zero(off, n int64) error {
	if !o.device || zeroed(o.file, off, n) {
		return nil
	}
	for n > 0 {
		p := zeros[:min(n, chunk)]
		if err := o.write(p, off, true); err != nil {
			return err
		}
		off, n = off+int64(len(p)), n-int64(len(p))
	}
	return nil
}

// begin has the system begin to write a range of a file to disk, so that
// syncing it does not begin when all is copied.
func (o *output) begin(off, n int64) {
	if !o.device {
		beginWriting(o.file, off, n)
	}
}

// prepare gives an output that is a file its size, for a disk of this many
// bytes: sharing the data of the source where that can be, which it tells, and
// otherwise as one hole. With room, there must be some.
func (o *output) prepare(in *input, disk int64, room bool) (cloned bool, err error) {
	if o.device {
		return false, nil
	}
	if in.file == nil || share(o.file, in.file) != nil {
		// It may have begun to.
		if err := o.resize(0); err != nil {
			return false, err
		}
		if room {
			if err := o.room(in); err != nil {
				return false, err
			}
		}
		return false, o.resize(disk)
	}
	info, err := o.file.Stat()
	if err != nil {
		return false, err
	}
	if info.Size() < in.size {
		return false, errShort(info.Size(), in.size)
	}
	// Of a source that has grown, what was vetted.
	return true, errors.Join(o.resize(in.size), o.resize(disk))
}

// room fails unless an output's file system has more room than a source takes
// up: a long copy that must fail is better not begun.
func (o *output) room(in *input) error {
	needed := in.size
	if in.file != nil {
		info, err := in.file.Stat()
		if err != nil {
			return err
		}
		if info.Mode().IsRegular() {
			needed = openfile.Allocated(info)
		}
	}
	return qemuimg.CheckSpace(o.file, needed)
}
