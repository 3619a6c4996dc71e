// Package destination is a file that appears when it is complete, or not at
// all.
//
// What it protects: what is at the destination's name already, and whoever
// reads it. A job writes to a file that has no name (or, on file systems that
// cannot do that, an unguessable one); Commit gives it its name once its data
// is on disk. Nothing is ever written through a name that was there before:
// an existing file is only replaced when the caller says so, a symbolic link
// or a special file never, and the source of the job never, by whatever name.
//
// The folder is held open from Create on, so that moving or replacing it does
// not redirect the file. The last check and the naming are one step of the
// kernel when nothing is to be replaced. When something is, a change of it in
// between is noticed but for the moment between the check and the rename; at
// worst the rename replaces a name that appeared in that moment, never what a
// link points to.
//
// What it does not promise: a process that is killed on a file system without
// nameless files (NFS, FUSE and some others), or while it replaces a file,
// leaves its temporary file behind, named ".assay-", part of a digest of the
// host's identity, and 26 letters and digits. The next Create of this host in
// that folder removes it where it would leave one itself: it is told from those
// of processes that run by a lock that those hold.
//
// # Block devices
//
// A block device cannot appear when it is complete: it is there, and holds
// something. So its kind of destination is another one, Device, which promises
// less and says what is left. A device is taken only while nothing else uses
// it, and refused before anything is written where it is too small or the
// source is within reach. Commit leaves the image, and behind it zeros, or
// what was there if the caller says so. Abort leaves zeros where the image may
// have been written, or says what it could not zero (*DirtyError); what was
// there before is gone.
//
// It is a matter of Linux; elsewhere Create and OpenDevice fail with an error
// that matches errors.ErrUnsupported.
package destination

import (
	"errors"
	"fmt"
)

// Overwrite says what may happen to a file that has the destination's name.
type Overwrite bool

const (
	// Keep refuses the destination (*ExistsError).
	Keep Overwrite = false
	// Replace lets Commit replace the file, if it is a regular one.
	Replace Overwrite = true
)

// An ExistsError says that there is a file of this name already.
type ExistsError struct{ Path string }

// Error implements error.
func (e *ExistsError) Error() string { return fmt.Sprintf("destination %s exists", e.Path) }

// Hint says what to do about it.
func (e *ExistsError) Hint() string { return "choose another name, or allow it to be overwritten" }

// A SymlinkError says that the destination is a symbolic link.
type SymlinkError struct{ Path string }

// Error implements error.
func (e *SymlinkError) Error() string {
	return fmt.Sprintf("destination %s is a symbolic link", e.Path)
}

// Hint says what to do about it.
func (e *SymlinkError) Hint() string { return "name the file it points to" }

// A SourceError says that the destination is the source itself, perhaps by
// another of its names.
type SourceError struct{ Path string }

// Error implements error.
func (e *SourceError) Error() string { return fmt.Sprintf("destination %s is the source", e.Path) }

// Hint says what to do about it.
func (e *SourceError) Hint() string { return "choose another name: a source is never changed" }

// A FolderRemovedError says that the destination's folder was removed while the
// file was written. The file is gone with it.
type FolderRemovedError struct{ Path string }

// Error implements error.
func (e *FolderRemovedError) Error() string {
	return fmt.Sprintf("destination %s: its folder was removed meanwhile", e.Path)
}

// Hint says what to do about it.
func (e *FolderRemovedError) Hint() string { return "choose a folder that stays, and start again" }

// A KindError says that the destination is neither absent nor a regular
// file. It matches errors.ErrUnsupported.
type KindError struct {
	Path string
	Kind string // "a folder", "a block device"
}

// Error implements error.
func (e *KindError) Error() string {
	return fmt.Sprintf("destination %s is %s, not a regular file", e.Path, e.Kind)
}

// Hint says what to do about it.
func (e *KindError) Hint() string { return "name a file that does not exist yet" }

// Is reports whether target is errors.ErrUnsupported.
func (e *KindError) Is(target error) bool { return target == errors.ErrUnsupported }
