package stamp

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"runtime"

	"github.com/cespare/xxhash/v2"
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
// progress, if set, is told of bytes read, and of all.
func (s *Stamp) Seal(ctx context.Context, f *os.File, key Key, progress func(done, total int64)) error {
	if key != nil {
		if err := key.Check(); err != nil {
			return fmt.Errorf("stamp: %w", err)
		}
	}
	is, err := content(ctx, f, key != nil, progress)
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

// Verify compares a stamp with the content of an open file, which is read once
// from begin to end, and, with a key, with its seal. Without mismatches the
// file is what was stamped; without a key (nil) this says nothing against
// somebody who wrote the stamp too.
func (s *Stamp) Verify(ctx context.Context, f *os.File, key Key, progress func(done, total int64)) ([]Mismatch, error) {
	if key != nil {
		if err := key.Check(); err != nil {
			return nil, fmt.Errorf("stamp: %w", err)
		}
	}
	is, err := content(ctx, f, s.SHA256 != "", progress)
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

// sums are what the content of a file adds up to.
type sums struct {
	size          int64
	xxh64, sha256 string // the latter only if asked for
}

// step is how much is read at a time, in bytes.
const step = 1 << 20

// content reads a regular file.
func content(ctx context.Context, f *os.File, strong bool, progress func(done, total int64)) (sums, error) {
	info, err := f.Stat()
	if err != nil {
		return sums{}, err
	}
	if !info.Mode().IsRegular() {
		return sums{}, fmt.Errorf("%s is no regular file: %w", f.Name(), errors.ErrUnsupported)
	}
	quick, slow := xxhash.New(), sha256.New()
	hashes := []hash.Hash{quick}
	if strong {
		hashes = append(hashes, slow)
	}
	buf := make([]byte, step)
	var at int64
	for {
		if err := ctx.Err(); err != nil {
			return sums{}, err
		}
		n, err := f.ReadAt(buf, at)
		for _, h := range hashes {
			h.Write(buf[:n])
		}
		at += int64(n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return sums{}, err
		}
		if progress != nil {
			progress(at, max(at, info.Size()))
		}
	}
	is := sums{size: at, xxh64: fmt.Sprintf("%016x", quick.Sum64())}
	if strong {
		is.sha256 = hex.EncodeToString(slow.Sum(nil))
	}
	return is, nil
}
