package engine

import (
	"errors"
	"fmt"
)

// ErrNotSupported is matched by errors of things this build, host or engine
// cannot do: a format that cannot be written, a missing kernel feature.
var ErrNotSupported = errors.ErrUnsupported

// ErrClosed is returned by calls on a closed engine.
var ErrClosed = errors.New("engine is closed")

// ErrNotVetted is returned for an Image that this engine did not vet under
// its policy: the zero value, a closed one, one of another engine, or one
// whose report was edited.
var ErrNotVetted = errors.New("image was not vetted by this engine")

// RejectedError says that an image was looked at and rejected.
type RejectedError struct {
	Report *Report
}

// Error names the first finding that rejects.
func (e *RejectedError) Error() string {
	rejects := e.Report.FindingsOf(Reject)
	if len(rejects) == 0 {
		return fmt.Sprintf("%s: rejected", e.Report.Source)
	}
	first := rejects[0]
	more := ""
	if n := len(rejects) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	return fmt.Sprintf("%s: rejected: %s: %s%s", e.Report.Source, first.ID, first.Message, more)
}

// SourceChangedError says that a vetted source is no longer what was vetted.
type SourceChangedError struct {
	Source string
	Offset int64 // of the first changed byte's block; -1 when the size changed
	What   string
}

// Error implements error.
func (e *SourceChangedError) Error() string {
	return fmt.Sprintf("%s: changed since it was vetted: %s", e.Source, e.What)
}
