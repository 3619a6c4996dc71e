package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/assay-dev/assay/hostfuncs"
)

const (
	maxManifest   = 8 << 10 // bytes
	maxSignatures = 16
	maxName       = 32 // bytes, of names, formats and versions
)

// Manifest is what a module says of itself: the JSON of its custom section
// hostfuncs.ManifestSection, at most 8 KiB. Unknown keys are errors. It must
// not be changed.
type Manifest struct {
	// ABI is the version of the probe ABI: hostfuncs.ABIVersion.
	ABI int `json:"abi"`
	// Name is the probe's name, Format the contract's name of the format it
	// looks for: lower case letters, digits and, inside, dashes, at most 32.
	Name   string `json:"name"`
	Format string `json:"format"`
	// Version is MAJOR.MINOR.PATCH.
	Version string `json:"version"`
	// Window is how much of the head of the file the host puts into memory
	// before the run, in bytes: 1 to hostfuncs.MaxWindow.
	Window int `json:"window"`
	// Budget lowers the budget of a run at header depth; a field of 0 leaves
	// it as it is. Deep runs follow the size of the image instead.
	Budget hostfuncs.Budget `json:"budget"`
	// Signatures say which images can match, at most 16: one of them is
	// enough. A probe without them must say Always and is run on every image.
	Signatures []Signature `json:"signatures,omitempty"`
	Always     bool        `json:"always,omitempty"`

	headBytes, tailBytes int
}

var (
	nameForm    = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	versionForm = regexp.MustCompile(`^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$`)
)

// parseManifest reads and checks a manifest.
func parseManifest(b []byte) (*Manifest, error) {
	if len(b) > maxManifest {
		return nil, fmt.Errorf("%d bytes, at most %d are allowed", len(b), maxManifest)
	}
	m := &Manifest{}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("bytes follow the JSON object")
	}
	switch {
	case m.ABI != hostfuncs.ABIVersion:
		return nil, fmt.Errorf("abi %d, this host speaks %d", m.ABI, hostfuncs.ABIVersion)
	case len(m.Name) > maxName || !nameForm.MatchString(m.Name):
		return nil, fmt.Errorf("name %q is not lower case letters, digits and dashes, at most %d", m.Name, maxName)
	case len(m.Format) > maxName || !nameForm.MatchString(m.Format):
		return nil, fmt.Errorf("format %q is not lower case letters, digits and dashes, at most %d", m.Format, maxName)
	case len(m.Version) > maxName || !versionForm.MatchString(m.Version):
		return nil, fmt.Errorf("version %q is not MAJOR.MINOR.PATCH", m.Version)
	case m.Window < 1 || m.Window > hostfuncs.MaxWindow:
		return nil, fmt.Errorf("window of %d bytes, must be 1 to %d", m.Window, hostfuncs.MaxWindow)
	case min(m.Budget.Fuel, m.Budget.Reads, m.Budget.ReadBytes, m.Budget.ReportBytes) < 0:
		return nil, errors.New("budget is negative")
	case len(m.Signatures) > maxSignatures:
		return nil, fmt.Errorf("%d signatures, at most %d are allowed", len(m.Signatures), maxSignatures)
	case m.Always == (len(m.Signatures) > 0):
		return nil, errors.New("must have either signatures or \"always\": true")
	}
	for i := range m.Signatures {
		s := &m.Signatures[i]
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("signature %d: %w", i, err)
		}
		head, tail := s.reach()
		m.headBytes, m.tailBytes = max(m.headBytes, head), max(m.tailBytes, tail)
	}
	return m, nil
}

// HeadBytes returns how much of the head of a file the signatures look at, in
// bytes, at most 64 KiB.
func (m *Manifest) HeadBytes() int { return m.headBytes }

// TailBytes returns how much of the tail of a file the signatures look at, in
// bytes, at most 64 KiB.
func (m *Manifest) TailBytes() int { return m.tailBytes }

// Matches tells whether the probe wants to see the image: one of its
// signatures is there, or it has none. head is the file's first HeadBytes or
// more, tail its last TailBytes or more; either is the whole file when that is
// shorter. With a nil tail, as in a stream's first phase, signatures from the
// end cannot match. Matches does not allocate.
func (m *Manifest) Matches(head, tail []byte) bool {
	for i := range m.Signatures {
		if m.Signatures[i].matches(head, tail) {
			return true
		}
	}
	return m.Always
}

// Seat returns where the first matching signature lies in a file of size
// bytes, for head and tail as in Matches: its offset and its length in bytes
// (of one that may be anywhere in a range, the range's). ok is false when none
// matches, as for a probe without signatures.
func (m *Manifest) Seat(head, tail []byte, size int64) (offset, length int64, ok bool) {
	for i := range m.Signatures {
		if s := &m.Signatures[i]; s.matches(head, tail) {
			from, to := s.place()
			if from < 0 {
				from, to = from+size, to+size
			}
			return from, to - from, true
		}
	}
	return 0, 0, false
}
