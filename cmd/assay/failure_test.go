package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/native/confine"
	"github.com/assay-dev/assay/native/destination"
	"github.com/assay-dev/assay/native/luks"
	"github.com/assay-dev/assay/native/qemuimg"
	"github.com/assay-dev/assay/native/stamp"
)

func TestConclude(t *testing.T) {
	root := newRoot(environment{})
	for _, c := range []struct {
		err    error
		status int
		stderr string
	}{
		{nil, exitAccepted, ""},
		{statusError(exitRejected), exitRejected, ""},
		{statusError(exitFailed), exitFailed, ""},
		{errors.New("no"), exitFailed, "assay: error: no\n"},
		{usageError{errors.New("no")}, exitFailed, "assay: error: no\nassay: hint: run 'assay --help' for usage\n"},
		{fmt.Errorf("a: %w", hintedError{errors.New("no"), "try b"}), exitFailed, "assay: error: a: no\nassay: hint: try b\n"},
		{fmt.Errorf("a: %w", context.Canceled), exitFailed, "assay: error: interrupted\n"},
		{errors.Join(errors.New("a"), errors.New("b")), exitFailed, "assay: error: a; b\n"},
	} {
		var stderr strings.Builder
		if status := conclude(&stderr, root, c.err); status != c.status || stderr.String() != c.stderr {
			t.Errorf("%v: status %d, want %d, and\n%swant\n%s", c.err, status, c.status, stderr.String(), c.stderr)
		}
	}
}

// The codes are those of docs/schema/error.json, and each has an error.
func TestErrorCodes(t *testing.T) {
	s, err := readSchema("../../docs/schema/error.json")
	if err != nil {
		t.Fatal(err)
	}
	properties := func(o map[string]any, name string) map[string]any {
		return o["properties"].(map[string]any)[name].(map[string]any)
	}
	left := map[string]bool{}
	for _, code := range properties(properties(s.root, "error"), "code")["enum"].([]any) {
		left[code.(string)] = true
	}
	for _, c := range []struct {
		code string
		err  error
	}{
		{"not-found", &fs.PathError{Op: "open", Path: "x", Err: syscall.ENOENT}},
		{"permission", &fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}},
		{"not-an-image", fmt.Errorf("x: %w", errNoImage)},
		{"canceled", fmt.Errorf("x: %w", context.Canceled)},
		{"no-space", &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}},
		{"no-space", &engine.SpoolLimitError{Limit: 1}},
		{"unsupported", fmt.Errorf("x: %w", engine.ErrNotSupported)},
		{"source-changed", fmt.Errorf("x: %w", &engine.SourceChangedError{})},
		{"in-use", fmt.Errorf("x: %w", &qemuimg.LockedError{})},
		{"confinement", fmt.Errorf("x: %w", &confine.LayerError{})},
		{"tool-missing", fmt.Errorf("x: %w", &qemuimg.NotFoundError{Reason: fs.ErrNotExist})},
		{"tool-failed", fmt.Errorf("x: %w", &qemuimg.ToolError{})},
		{"no-space", fmt.Errorf("x: %w", &qemuimg.NoSpaceError{Err: syscall.EDQUOT})},
		{"would-shrink", fmt.Errorf("x: %w", &qemuimg.ShrinkError{})},
		{"exists", fmt.Errorf("x: %w", &destination.ExistsError{})},
		{"destination", fmt.Errorf("x: %w", &destination.SymlinkError{})},
		{"destination", fmt.Errorf("x: %w", &destination.SourceError{})},
		{"destination", fmt.Errorf("x: %w", &destination.FolderRemovedError{})},
		{"destination", fmt.Errorf("x: %w", &destination.KindError{})},
		{"in-use", fmt.Errorf("x: %w", &destination.BusyError{})},
		{"destination", fmt.Errorf("x: %w", &destination.SharedError{})},
		{"too-small", fmt.Errorf("x: %w", &destination.TooSmallError{})},
		{"too-small", fmt.Errorf("x: %w", &qemuimg.CapacityError{})},
		{"destination-dirty", errors.Join(context.Canceled, &destination.DirtyError{Err: syscall.EIO})},
		{"no-stamp", fmt.Errorf("x: %w", stamp.ErrNone)},
		{"wrong-passphrase", fmt.Errorf("x: %w", luks.ErrPassphrase)},
		{"failed", errors.New("x")},
	} {
		if got := errorCode(c.err); got != c.code {
			t.Errorf("%v is %s, want %s", c.err, got, c.code)
		}
		delete(left, c.code)
	}
	if len(left) > 0 {
		t.Errorf("codes of the schema without an error: %v", left)
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                "plain",
		"two\nlines\n":         "two; lines",
		"\x1b[31mred":          `\x1b[31mred`,
		"a\tb\rc":              `a\tb\rc`,
		"über 日本":              "über 日本",
		"right-to-left \u202e": `right-to-left \u202e`,
		"bad \xff":             "bad \ufffd",
	} {
		if got := printable(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}
