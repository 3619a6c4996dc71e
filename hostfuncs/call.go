package hostfuncs

import (
	"errors"
	"fmt"
	"io"
)

// Image is what a run reads from. Size is in bytes, or SizeUnknown while a
// stream is still arriving. ReadAt follows io.ReaderAt for absolute offsets;
// it returns ErrNotArrived for bytes of a stream that are not there yet.
type Image interface {
	io.ReaderAt
	Size() int64
}

// ErrNotArrived is returned by an Image for bytes of a stream that have not
// arrived; the guest sees -1.
var ErrNotArrived = errors.New("bytes have not arrived yet")

// notArrived is what read_at returns when the size is unknown and the bytes
// asked for are not there; it is the only negative value a guest ever sees.
const notArrived int32 = -1

// AccessError says that a guest passed a pointer and length that lie outside
// its memory.
type AccessError struct {
	Function string
	Ptr, Len uint32
	Memory   int
}

// Error implements error.
func (e *AccessError) Error() string {
	return fmt.Sprintf("%s: pointer %#x and length %d lie outside the memory of %d bytes", e.Function, e.Ptr, e.Len, e.Memory)
}

// SourceError wraps an error of the Image: the run ends, and what was wrong is
// the source, not the probe.
type SourceError struct {
	Offset int64
	Length int
	Err    error
}

// Error implements error.
func (e *SourceError) Error() string {
	return fmt.Sprintf("reading %d bytes at offset %d: %v", e.Length, e.Offset, e.Err)
}

// Unwrap returns the Image's error.
func (e *SourceError) Unwrap() error { return e.Err }

// Call is the state of one run: the image it reads, what it may still spend
// and what it has reported. It is not safe for concurrent use. The zero value
// is made ready by Reset.
type Call struct {
	image  Image
	budget Budget
	spent  Spent
	report []byte
}

// Reset prepares c for a run over image with the given budget, keeping the
// memory of earlier reports. windowLen is the number of bytes put into the
// window; they count as read.
func (c *Call) Reset(image Image, budget Budget, windowLen int) error {
	c.image, c.budget, c.report = image, budget, c.report[:0]
	c.spent = Spent{}
	return charge(&c.spent.ReadBytes, int64(windowLen), budget.ReadBytes, ResourceBytes)
}

// charge adds n to what was spent of a resource. What would be over the limit
// is refused and not charged: a run never spends more than its budget.
func charge(spent *int64, n, limit int64, resource Resource) error {
	if n > limit-*spent {
		return &BudgetError{resource, limit}
	}
	*spent += n
	return nil
}

// End drops the image when the run is over; what it spent and reported stays
// until the next Reset.
func (c *Call) End() { c.image = nil }

// ReadAt implements read_at: it reads up to length bytes at offset (negative:
// from the end) into memory at ptr and returns the number of bytes read, short
// at the end of the file. An error ends the run: *AccessError, *BudgetError or
// *SourceError.
func (c *Call) ReadAt(memory []byte, offset int64, ptr, length uint32) (int32, error) {
	if err := charge(&c.spent.Reads, 1, c.budget.Reads, ResourceReads); err != nil {
		return 0, err
	}
	if uint64(ptr)+uint64(length) > uint64(len(memory)) {
		return 0, &AccessError{ImportReadAt, ptr, length, len(memory)}
	}
	if err := charge(&c.spent.ReadBytes, int64(length), c.budget.ReadBytes, ResourceBytes); err != nil {
		return 0, err
	}
	size := c.image.Size()
	if offset < 0 {
		if size == SizeUnknown {
			return notArrived, nil
		}
		// A tail longer than the file reads from its start, shorter by as
		// much: the bytes before the start do not exist.
		if offset += size; offset < 0 {
			return 0, nil
		}
	}
	if size != SizeUnknown {
		if offset >= size {
			return 0, nil
		}
		length = uint32(min(int64(length), size-offset))
	}
	if length == 0 {
		return 0, nil
	}
	p := memory[ptr : uint64(ptr)+uint64(length)]
	n, err := c.image.ReadAt(p, offset)
	switch {
	case n == len(p), err == io.EOF:
		return int32(n), nil
	case errors.Is(err, ErrNotArrived):
		clear(p) // a partial read must not depend on how much had arrived
		return notArrived, nil
	case err == nil:
		err = io.ErrNoProgress
	}
	return 0, &SourceError{offset, len(p), err}
}

// Report implements report: it appends length bytes of memory at ptr to the
// run's records. An error ends the run: *AccessError or *BudgetError.
func (c *Call) Report(memory []byte, ptr, length uint32) error {
	if uint64(ptr)+uint64(length) > uint64(len(memory)) {
		return &AccessError{ImportReport, ptr, length, len(memory)}
	}
	if err := charge(&c.spent.ReportBytes, int64(length), c.budget.ReportBytes, ResourceReport); err != nil {
		return err
	}
	c.report = append(c.report, memory[ptr:uint64(ptr)+uint64(length)]...)
	return nil
}

// Spent returns what the run has spent so far; Fuel is filled in by the
// sandbox, which meters it.
func (c *Call) Spent() Spent { return c.spent }

// Records returns the bytes reported so far, valid until the next Reset.
func (c *Call) Records() []byte { return c.report }
