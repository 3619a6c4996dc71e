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

// checkCache refuses a mode that there is not, or not on this output.
func (o *ConvertOptions) checkCache(output *os.File) error {
	if o.Cache == "" {
		return nil
	}
	if !slices.Contains(CacheModes(), o.Cache) {
		return &OptionError{fmt.Sprintf("cache mode %q", o.Cache), "qemu-img", CacheModes()}
	}
	if o.Cache != CacheNone && o.Cache != CacheDirectsync {
		return nil
	}
	if _, err := directio.Of(output); err != nil {
		return &CacheError{output.Name(), o.Cache, fmt.Errorf("it cannot be written past the page cache: %w", err)}
	}
	return nil
}
