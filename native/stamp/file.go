package stamp

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/pkg/xattr"
)

// ErrNone says that a file has no stamp.
var ErrNone = errors.New("it has no stamp")

// Write gives an open file a stamp, in place of one it has. It fails with an
// error that matches errors.ErrUnsupported where the file system keeps no
// attributes, or has no room for this one.
func Write(f *os.File, s *Stamp) error {
	text, err := s.text()
	if err != nil {
		return err
	}
	if err := xattr.FSet(f, Attribute, text); err != nil {
		// Room for attributes is another than that for data: ext4 has a block
		// of them a file.
		if unsupported(err) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.E2BIG) {
			return fmt.Errorf("stamp %s: %w: %w", f.Name(), errors.ErrUnsupported, reason(err))
		}
		return fmt.Errorf("stamp %s: %w", f.Name(), reason(err))
	}
	return nil
}

// Read returns the stamp of an open file. The error is ErrNone where there is
// none, which includes file systems that keep none, and a *MalformedError for
// an attribute that is no stamp.
func Read(f *os.File) (*Stamp, error) {
	text, err := xattr.FGet(f, Attribute)
	switch {
	case errors.Is(err, xattr.ENOATTR), err != nil && unsupported(err):
		return nil, ErrNone
	case err != nil:
		return nil, fmt.Errorf("read the stamp of %s: %w", f.Name(), reason(err))
	}
	return Parse(text)
}

// Remove takes the stamp from an open file, if it has one.
func Remove(f *os.File) error {
	err := xattr.FRemove(f, Attribute)
	if err == nil || errors.Is(err, xattr.ENOATTR) || unsupported(err) {
		return nil
	}
	return fmt.Errorf("remove the stamp of %s: %w", f.Name(), reason(err))
}

// unsupported tells whether a file system keeps no attributes of users.
func unsupported(err error) bool {
	return errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS)
}

// reason is an error without the operation, the path and the attribute.
func reason(err error) error {
	if e, ok := errors.AsType[*xattr.Error](err); ok {
		return e.Err
	}
	return err
}
