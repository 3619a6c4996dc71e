package qemuimg

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/assay-dev/assay/native/directio"
)

// Cache modes of an output, by qemu-img's names (qemu-img(1), -t).
const (
	CacheNone         = "none"         // past the page cache
	CacheWriteback    = "writeback"    // flushed when qemu-img is done
	CacheWritethrough = "writethrough" // each write is waited for
	CacheDirectsync   = "directsync"   // both of none and writethrough
	CacheUnsafe       = "unsafe"       // left to the sync that follows
)

// CacheModes returns the modes, sorted.
func CacheModes() []string {
	return []string{CacheDirectsync, CacheNone, CacheUnsafe, CacheWriteback, CacheWritethrough}
}

// A CacheError says that an output cannot be written in a mode. It matches
// errors.ErrUnsupported.
type CacheError struct {
	Path, Mode string
	Reason     error
}

// Error implements error.
func (e *CacheError) Error() string {
	return fmt.Sprintf("write %s with cache mode %q: %v", e.Path, e.Mode, e.Reason)
}

// Unwrap returns the reason.
func (e *CacheError) Unwrap() error { return e.Reason }

// Is reports whether target is errors.ErrUnsupported.
func (e *CacheError) Is(target error) bool { return target == errors.ErrUnsupported }

// MaxSparseSize is the largest sparse size in bytes: the buffer of qemu-img
// convert (MAX_BUF_SECTORS in qemu-img.c).
const MaxSparseSize = 16 << 20

// checkWriting refuses ways to write an output that there are not.
func (o *ConvertOptions) checkWriting() error {
	if s := o.SparseSize; s != nil && (*s < 0 || *s > MaxSparseSize || *s%sector != 0) {
		return &OptionError{fmt.Sprintf("sparse size of %d bytes", *s), "qemu-img", []string{fmt.Sprintf("multiples of %d up to %d", sector, MaxSparseSize)}}
	}
	if o.Cache != "" && !slices.Contains(CacheModes(), o.Cache) {
		return &OptionError{fmt.Sprintf("cache mode %q", o.Cache), "qemu-img", CacheModes()}
	}
	return nil
}

// passes refuses a mode past the page cache where the output cannot be written
// so.
func (o *ConvertOptions) passes(output *os.File) error {
	if o.Cache != CacheNone && o.Cache != CacheDirectsync {
		return nil
	}
	if _, err := directio.Of(output); err != nil {
		return &CacheError{output.Name(), o.Cache, fmt.Errorf("it cannot be written past the page cache: %w", err)}
	}
	return nil
}
