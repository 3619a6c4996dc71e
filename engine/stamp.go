package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/assay-dev/assay/native/stamp"
	"github.com/assay-dev/assay/native/throttle"
)

// StampResult tells what became of the stamp of an output.
type StampResult struct {
	// Written says that the output has it, and Sealed that it is sealed with
	// the key.
	Written bool `json:"written"`
	Sealed  bool `json:"sealed"`
	// Note says why it was not written: the file system keeps none.
	Note string `json:"note,omitempty"`
}

// Digest returns the SHA-256 of the report in hexadecimal, as stamps name it:
// of its JSON (package encoding/json) with an empty source and no time, which
// is the same for the same bytes, claim, depth, probes and policy.
func (r *Report) Digest() (string, error) {
	same := *r
	same.Source, same.ElapsedMicros = "", 0
	text, err := json.Marshal(&same)
	if err != nil {
		return "", fmt.Errorf("engine: report: %w", err)
	}
	return digest(text), nil
}

// Digest returns the SHA-256 of the policy's document in hexadecimal, as
// stamps name it.
func (p Policy) Digest() string { return digest(p.text) }

// ProbesDigest returns the SHA-256 of the list of loaded probes in
// hexadecimal, as stamps name it: a line for each with its module's SHA-256,
// two spaces and its name, in the order of Probes.
func (e *Engine) ProbesDigest() string {
	h := sha256.New()
	for _, m := range e.probes {
		fmt.Fprintf(h, "%s  %s\n", m.SHA256(), m.Manifest().Name)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// checkStamp refuses what could not be stamped once the work is done.
func (o *ConvertOptions) checkStamp() error {
	switch {
	case o.StampKey == nil:
		return nil
	case !o.Stamp:
		return errors.New("a key for a stamp, and no stamp is asked for")
	}
	return stamp.Key(o.StampKey).Check()
}

// stamp gives an output its stamp, if one is asked for. That it cannot keep
// one is no error.
func (e *Engine) stamp(ctx context.Context, image *Image, out *os.File, job *throttle.Job, o ConvertOptions) (*StampResult, error) {
	if !o.Stamp {
		return nil, nil
	}
	r := image.report
	report, err := r.Digest()
	if err != nil {
		return nil, err
	}
	s := stamp.Stamp{
		Report: report, Probes: e.ProbesDigest(), Policy: e.config.policy.Digest(),
		SourceFormat: string(r.Format), Format: string(o.To), VirtualSize: r.VirtualSize,
	}
	if err := s.Seal(ctx, out, o.StampKey, job.Source(out).Wait); err != nil {
		return nil, err
	}
	err = stamp.Write(out, &s)
	if errors.Is(err, ErrNotSupported) {
		return &StampResult{Note: Escape([]byte(err.Error()))}, nil
	}
	if err != nil {
		return nil, err
	}
	return &StampResult{Written: true, Sealed: o.StampKey != nil}, nil
}
