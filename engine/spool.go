package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
)

// SpoolLimitError says that a temporary copy would exceed the engine's bound.
type SpoolLimitError struct {
	Limit int64 // bytes that all spools of the engine may hold
}

// Error implements error.
func (e *SpoolLimitError) Error() string {
	return fmt.Sprintf("temporary copies exceed the bound of %d bytes (Config.WithMaxSpool)", e.Limit)
}

// ErrNoSpoolDir is returned when a source must be copied and the engine was
// given no folder for it.
var ErrNoSpoolDir = errors.New("no folder for temporary copies: set Config.WithSpoolDir")

// spool is a temporary copy of a source. It has no name where the system allows
// that, so that a killed process leaves nothing.
type spool struct {
	file  *os.File
	named bool          // the name could not be removed while open
	used  *atomic.Int64 // bytes of all spools of the engine
	limit int64
	size  int64
}

func (e *Engine) newSpool() (*spool, error) {
	if e.config.spoolDir == "" {
		return nil, ErrNoSpoolDir
	}
	f, named, err := openSpool(e.config.spoolDir)
	if err != nil {
		return nil, fmt.Errorf("creating a temporary copy: %w", err)
	}
	return &spool{file: f, named: named, used: &e.spooled, limit: e.config.maxSpool}, nil
}

// Write implements io.Writer, within the engine's bound.
func (s *spool) Write(p []byte) (int, error) {
	if s.used.Add(int64(len(p))) > s.limit {
		s.used.Add(-int64(len(p)))
		return 0, &SpoolLimitError{s.limit}
	}
	s.size += int64(len(p))
	return s.file.Write(p)
}

// fill copies all of r and returns its size in bytes.
func (s *spool) fill(ctx context.Context, r io.Reader) (int64, error) {
	// The buffer is passed so that neither side's ReadFrom or WriteTo can
	// bypass the bound.
	return io.CopyBuffer(s, struct{ io.Reader }{contextReader{ctx, r}}, make([]byte, 256<<10))
}

// copyFrom copies size bytes of r; fewer are an error.
func (s *spool) copyFrom(ctx context.Context, r io.ReaderAt, size int64) error {
	n, err := s.fill(ctx, io.NewSectionReader(r, 0, size))
	if err == nil && n < size {
		err = fmt.Errorf("%d of %d bytes: %w", n, size, io.ErrUnexpectedEOF)
	}
	return err
}

// Close removes the copy.
func (s *spool) Close() {
	s.file.Close()
	if s.named {
		_ = os.Remove(s.file.Name())
	}
	s.used.Add(-s.size)
}
