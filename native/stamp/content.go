package stamp

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime"
)

// A Key is what a host seals stamps with: 32 bytes at least, at random.
type Key []byte

// The bounds of a key's file, in bytes.
const (
	minKey = 32
	maxKey = 4 << 10
)

// ReadKey reads a key from a file, of which all bytes count. A file that
// others than its owner can read is refused.
func ReadKey(path string) (Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("key %s: its mode is %04o, so that others than its owner can read it", path, mode)
	}
	key, err := io.ReadAll(io.LimitReader(f, maxKey+1))
	if err != nil {
		return nil, err
	}
	if err := Key(key).Check(); err != nil {
		return nil, fmt.Errorf("key %s: %w", path, err)
	}
	return key, nil
}

// Check fails unless a key has 32 bytes at least, and 4096 at most.
func (k Key) Check() error {
	if len(k) < minKey || len(k) > maxKey {
		return fmt.Errorf("a key has %d to %d bytes, and this one has not", minKey, maxKey)
	}
	return nil
}

// Seal fills in what a stamp says of the content of an open file, which is
// read once from begin to end: its size and quick digest and, with a key, the
// strong digest and the HMAC. Without a key (nil) the stamp is not sealed.
// Holes of the file count as the zeros that they are, and are not read. wait,
// if set, is called from one goroutine before so many bytes are read, until it
// fails. The position of f moves.
//
// A file that becomes longer or shorter meanwhile is an error.
func (s *Stamp) Seal(ctx context.Context, f *os.File, key Key, wait func(ctx context.Context, n int64) error) error {
	if key != nil {
		if err := key.Check(); err != nil {
			return fmt.Errorf("stamp: %w", err)
		}
	}
	d := digest{file: f, strong: key != nil, wait: wait}
	is, err := d.sums(ctx)
	if err != nil {
		return fmt.Errorf("stamp: %w", err)
	}
	s.Version = version
	s.Size, s.XXH64, s.SHA256, s.HMAC = is.size, is.xxh64, is.sha256, ""
	if key != nil {
		s.HMAC = s.mac(key)
	}
	return nil
}

// A Mismatch is a way in which a file and its stamp differ.
type Mismatch string

// The mismatches.
const (
	MismatchSize    Mismatch = "size"    // the file has another size
	MismatchContent Mismatch = "content" // it has another content
	MismatchSeal    Mismatch = "seal"    // the stamp is not sealed with the key
)

// Verify compares a stamp with the content of an open file, which is read as by
// Seal, and, with a key, with its seal. Without mismatches the file is what was
// stamped; without a key (nil) this says nothing against somebody who wrote the
// stamp too. progress, if set, is told of bytes of the file done, and of all.
func (s *Stamp) Verify(ctx context.Context, f *os.File, key Key, progress func(done, total int64)) ([]Mismatch, error) {
	if key != nil {
		if err := key.Check(); err != nil {
			return nil, fmt.Errorf("stamp: %w", err)
		}
	}
	d := digest{file: f, strong: s.SHA256 != "", progress: progress}
	is, err := d.sums(ctx)
	if err != nil {
		return nil, fmt.Errorf("stamp: %w", err)
	}
	var all []Mismatch
	if is.size != s.Size {
		all = append(all, MismatchSize)
	}
	if is.xxh64 != s.XXH64 || is.sha256 != s.SHA256 {
		all = append(all, MismatchContent)
	}
	if key != nil && (s.HMAC == "" || !hmac.Equal([]byte(s.HMAC), []byte(s.mac(key)))) {
		all = append(all, MismatchSeal)
	}
	return all, nil
}

// mac returns the HMAC of all fields but itself, none of which holds a space
// or the end of a line. The first words keep what else a key may be used for
// from being taken for a stamp.
func (s *Stamp) mac(key Key) string {
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "assay stamp %d\nreport %s\nprobes %s\npolicy %s\nsource_format %s\nformat %s\nvirtual_size %d\nsize %d\nxxh64 %s\nsha256 %s\n",
		s.Version, s.Report, s.Probes, s.Policy, s.SourceFormat, s.Format, s.VirtualSize, s.Size, s.XXH64, s.SHA256)
	return hex.EncodeToString(h.Sum(nil))
}
