package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/native/confine"
	"github.com/assay-dev/assay/native/destination"
	"github.com/assay-dev/assay/native/lease"
	"github.com/assay-dev/assay/native/luks"
	"github.com/assay-dev/assay/native/qemuimg"
	"github.com/assay-dev/assay/native/stamp"
	"github.com/spf13/cobra"
)

// usageError is a command line that cannot be understood.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// statusError ends the command with a status; what there was to say has been
// said.
type statusError int

func (e statusError) Error() string { return "exit status " + strconv.Itoa(int(e)) }

// hintedError is an error that knows what to do about it.
type hintedError struct {
	error
	hint string
}

func (e hintedError) Unwrap() error { return e.error }

// Hint says what to do about it.
func (e hintedError) Hint() string { return e.hint }

// conclude prints what ended a command and returns the exit status.
func conclude(w io.Writer, command *cobra.Command, err error) int {
	if err == nil {
		return exitAccepted
	}
	if status, ok := errors.AsType[statusError](err); ok {
		return int(status)
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(w, "assay: error: interrupted")
		return exitFailed
	}
	printError(w, err)
	if _, ok := errors.AsType[usageError](err); ok && command != nil {
		printHint(w, fmt.Sprintf("run '%s --help' for usage", command.CommandPath()))
	}
	return exitFailed
}

// printError prints an error and, when there is one, its hint.
func printError(w io.Writer, err error) {
	fmt.Fprintf(w, "assay: error: %s\n", errorText(err))
	if hint := hintFor(err); hint != "" {
		printHint(w, hint)
	}
}

// errorText is the message of an error for people. That the error comes from
// package engine is nothing they can use.
func errorText(err error) string {
	return printable(strings.TrimPrefix(err.Error(), "engine: "))
}

func printHint(w io.Writer, hint string) { fmt.Fprintf(w, "assay: hint: %s\n", hint) }

func printWarning(w io.Writer, text string) { fmt.Fprintf(w, "assay: warning: %s\n", printable(text)) }

// printable makes text one line that cannot move the cursor: file names and
// messages of tools may hold anything.
func printable(s string) string {
	var b strings.Builder
	for _, r := range strings.TrimSpace(s) {
		switch {
		case r == '\n':
			b.WriteString("; ")
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}

// errorCode names an error for programs; docs/schema/error.json lists the
// codes.
func errorCode(err error) string {
	switch {
	// First: whatever else went wrong, a device holds what it should not.
	case is[*destination.DirtyError](err):
		return "destination-dirty"
	case is[*confine.LayerError](err):
		return "confinement"
	case is[*qemuimg.NotFoundError](err):
		return "tool-missing"
	case is[*qemuimg.ToolError](err):
		return "tool-failed"
	case is[*qemuimg.ShrinkError](err):
		return "would-shrink"
	case is[*qemuimg.NoSpaceError](err), is[*engine.SpoolLimitError](err), errors.Is(err, syscall.ENOSPC):
		return "no-space"
	case is[*engine.SourceChangedError](err):
		return "source-changed"
	case is[*qemuimg.LockedError](err), is[*destination.BusyError](err):
		return "in-use"
	case is[*lease.Error](err):
		if errors.Is(err, engine.ErrNotSupported) {
			return "unsupported"
		}
		return "in-use"
	case is[*destination.TooSmallError](err), is[*qemuimg.CapacityError](err):
		return "too-small"
	case is[*destination.ExistsError](err):
		return "exists"
	case is[*destination.SymlinkError](err), is[*destination.SourceError](err), is[*destination.KindError](err),
		is[*destination.NotDeviceError](err), is[*destination.ReadOnlyError](err), is[*destination.SharedError](err),
		is[*destination.FolderRemovedError](err):
		return "destination"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, errNoImage):
		return "not-an-image"
	case errors.Is(err, fs.ErrNotExist):
		return "not-found"
	case errors.Is(err, fs.ErrPermission):
		return "permission"
	case errors.Is(err, luks.ErrPassphrase):
		return "wrong-passphrase"
	case errors.Is(err, stamp.ErrNone), is[*stamp.MalformedError](err):
		return "no-stamp"
	case errors.Is(err, engine.ErrNotSupported):
		return "unsupported"
	}
	return "failed"
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// hintFor says what the user can do about an error, or "". Where this command
// has a flag for it, the flag is named; else errors know best.
func hintFor(err error) string {
	if layer, ok := errors.AsType[*confine.LayerError](err); ok {
		if layer.Optional {
			return layer.Hint + " (--require-layer)"
		}
		return layer.Hint + " (--best-effort)"
	}
	if locked, ok := errors.AsType[*qemuimg.LockedError](err); ok && !locked.Resize {
		return "end the program that writes to it; a raw image can be converted as it is, with --live"
	}
	if shrink, ok := errors.AsType[*qemuimg.ShrinkError](err); ok {
		return shrink.Hint() + " with --shrink"
	}
	if full, ok := errors.AsType[*qemuimg.NoSpaceError](err); ok && full.Needed > 0 {
		return full.Hint() + "; or begin all the same, with --no-space-check"
	}
	if encrypted, ok := errors.AsType[*engine.EncryptedError](err); ok && encrypted.By == "" {
		return "encrypt the disk in it anew with --decrypt, or all of it once more with --claim raw"
	}
	if is[*destination.ExistsError](err) {
		return "choose another name, or replace the file with --overwrite"
	}
	if tool, ok := errors.AsType[*qemuimg.ToolError](err); ok && tool.Limit == qemuimg.LimitFileSize {
		return "if the image is what it should be, allow a larger one with --size-limit"
	}
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		return hinted.Hint()
	}
	if is[*engine.SourceChangedError](err) {
		return "something wrote to the image meanwhile; stop it, or work on a copy"
	}
	return ""
}
