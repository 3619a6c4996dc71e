// Package stamp keeps, in an extended attribute of a file, how the file came
// to be: the verdict on what it was made from, and what its content was then.
//
// What it protects: whoever finds a file later, from a file that is no longer
// what was written. With a key, a stamp is also proof that a holder of the key
// made it; without one it shows accidents and no attacks, as who can write to
// the file can write a stamp.
//
// It promises that nothing of a stamp that was read is believed before it was
// checked: a stamp is at most 4 KiB of JSON, holds digests, format names and
// sizes in their ranges, and no free text.
//
// What it does not promise: anything about the image. A stamp is provenance,
// and never an input to a verdict. File systems without extended attributes
// keep none, and copying a file need not copy them.
package stamp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/assay-dev/assay/internal/pattern"
)

// Attribute is the name of the extended attribute.
const Attribute = "user.assay.stamp"

// maxLength bounds a stamp, in bytes.
const maxLength = 4 << 10

// version is that of the stamps written.
const version = 1

// A Stamp is what is known of a file. Digests are in lower-case hexadecimal.
type Stamp struct {
	Version int `json:"version"` // 1
	// Report is the SHA-256 of the report on what the file was made from, as
	// engine.Report.Digest computes it.
	Report string `json:"report"`
	// Probes and Policy are the SHA-256 of the set of probes and of the policy
	// document that it was judged by.
	Probes string `json:"probes"`
	Policy string `json:"policy"`
	// SourceFormat is the format of what the file was made from, and Format
	// its own.
	SourceFormat string `json:"source_format"`
	Format       string `json:"format"`
	// VirtualSize is the size of the disk, and Size that of the file, in
	// bytes.
	VirtualSize int64 `json:"virtual_size"`
	Size        int64 `json:"size"`
	// XXH64 is the quick digest of the file's content.
	XXH64 string `json:"xxh64"`
	// SHA256 is the strong one, and HMAC the HMAC-SHA-256 of all of the above
	// under a key; both or none is there.
	SHA256 string `json:"sha256,omitempty"`
	HMAC   string `json:"hmac,omitempty"`
}

// A MalformedError says that an attribute holds no stamp.
type MalformedError struct{ Reason error }

// Error implements error.
func (e *MalformedError) Error() string { return fmt.Sprintf("the stamp is malformed: %v", e.Reason) }

// Unwrap returns the reason.
func (e *MalformedError) Unwrap() error { return e.Reason }

// Parse reads a stamp. The error is a *MalformedError.
func Parse(text []byte) (*Stamp, error) {
	s, err := parse(text)
	if err != nil {
		return nil, &MalformedError{err}
	}
	return s, nil
}

func parse(text []byte) (*Stamp, error) {
	if len(text) > maxLength {
		return nil, fmt.Errorf("%d bytes exceed the bound of %d", len(text), maxLength)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	var s Stamp
	if err := dec.Decode(&s); err != nil {
		// The decoder's words may hold the attribute's.
		return nil, errors.New("it is not the JSON object it must be")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return &s, s.check()
}

// Patterns of the fields.
var (
	name64  = pattern.Lazy(`^[0-9a-f]{16}$`)
	name256 = pattern.Lazy(`^[0-9a-f]{64}$`)
	format  = pattern.Lazy(`^[a-z0-9]{1,16}$`)
)

// check fails unless every field is one that could have been written.
func (s *Stamp) check() error {
	for _, field := range []struct {
		name, value string
		form        func() *regexp.Regexp
		optional    bool
	}{
		{"report", s.Report, name256, false}, {"probes", s.Probes, name256, false}, {"policy", s.Policy, name256, false},
		{"source_format", s.SourceFormat, format, false}, {"format", s.Format, format, false},
		{"xxh64", s.XXH64, name64, false}, {"sha256", s.SHA256, name256, true}, {"hmac", s.HMAC, name256, true},
	} {
		if field.optional && field.value == "" {
			continue
		}
		if !field.form().MatchString(field.value) {
			return fmt.Errorf("%s is not what it must be", field.name)
		}
	}
	switch {
	case s.Version != version:
		return fmt.Errorf("version %d is not known", s.Version)
	case s.VirtualSize < 0 || s.Size < 0:
		return errors.New("a size is negative")
	case (s.SHA256 == "") != (s.HMAC == ""):
		return errors.New("of sha256 and hmac one is missing")
	}
	return nil
}

// text returns what is written of a stamp.
func (s *Stamp) text() ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("stamp: %w", err)
	}
	return json.Marshal(s)
}
