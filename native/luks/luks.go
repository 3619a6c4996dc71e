// Package luks decrypts the payload of an image that is encrypted with LUKS
// version 1, so that what is inside can be inspected like any image.
//
// It is one of the few places where bytes of an image are interpreted outside
// the sandbox, and keeps to what that allows: the header is 592 bytes of
// numbers and names at fixed places, each number is checked against the bounds
// below and the size of the image before it is used, and names only choose
// among what the standard library offers. It decrypts; what is decrypted it
// does not look at.
//
// It promises that a key is one that the header's own digest confirms, and
// that what a caller waits for ends with its context. The time is bounded by
// MaxIterations, the memory by the largest key: 4000 stripes of 512 bytes.
//
// What it does not promise: LUKS has no check sums of data. Whoever wrote the
// image may have put anything there, and whoever holds the key can.
//
// The source is the LUKS On-Disk Format Specification, version 1.2.3;
// sections and fields named here are those of that document.
package luks

import (
	"context"
	"crypto/pbkdf2"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash"
	"io"
)

// Bounds of what a header may ask for. cryptsetup chooses iterations by time,
// two seconds of a fast machine at most, unless it is told otherwise.
const (
	// MaxIterations is the largest sum of PBKDF2 iterations that the slots of
	// one header may cost, weighted with the blocks that their keys are long:
	// eight slots of the usual cost, and about 15 s of a processor that has
	// instructions for SHA-256.
	MaxIterations = 1 << 27
	// MaxKeyBytes is the longest master key in bytes: AES-256 in mode XTS
	// takes 64.
	MaxKeyBytes = 512
)

// ErrPassphrase says that a passphrase opens no key slot.
var ErrPassphrase = errors.New("the passphrase opens no key slot")

// A HeaderError says what of a header cannot be used. It matches
// errors.ErrUnsupported when it is only not known here.
type HeaderError struct {
	Offset  int64 // of the field, in bytes
	Problem string
	// Unsupported says that the header may well be valid.
	Unsupported bool
}

// Error implements error.
func (e *HeaderError) Error() string {
	return fmt.Sprintf("luks: %s, at offset %d", e.Problem, e.Offset)
}

// Is reports whether target is errors.ErrUnsupported, and that is so.
func (e *HeaderError) Is(target error) bool {
	return e.Unsupported && target == errors.ErrUnsupported
}

// A Payload is the decrypted disk. Its methods are safe for concurrent use, as
// far as those of the image are.
type Payload struct {
	image  io.ReaderAt
	cipher sectorCipher
	offset int64 // of the payload in the image, in bytes
	size   int64
}

// Open finds the master key of an image of size bytes with a passphrase. The
// error is ErrPassphrase, a *HeaderError, the context's cause, or what reading
// the image failed with. When the context ends first, the derivation that was
// begun still runs to its end in the background, within the bound.
func Open(ctx context.Context, image io.ReaderAt, size int64, passphrase []byte) (*Payload, error) {
	h, err := readHeader(image, size)
	if err != nil {
		return nil, err
	}
	for _, slot := range h.slots {
		key, err := h.open(ctx, image, slot, passphrase)
		if err != nil {
			return nil, err
		}
		if key == nil {
			continue
		}
		defer clear(key)
		c, err := h.cipher(key)
		if err != nil {
			return nil, err
		}
		return &Payload{image: image, cipher: c, offset: h.payload, size: (size - h.payload) / sectorSize * sectorSize}, nil
	}
	return nil, ErrPassphrase
}

// open returns the master key that a slot holds, or nil when the passphrase is
// not the slot's (section 3.2).
func (h *header) open(ctx context.Context, image io.ReaderAt, s slot, passphrase []byte) ([]byte, error) {
	slotKey, err := h.derive(ctx, passphrase, s.salt, s.iterations, h.keyBytes)
	if err != nil {
		return nil, err
	}
	defer clear(slotKey)
	c, err := h.cipher(slotKey)
	if err != nil {
		return nil, err
	}
	// The material is stored in whole sectors.
	material := make([]byte, (h.keyBytes*stripes+sectorSize-1)/sectorSize*sectorSize)
	defer clear(material)
	if err := readFull(image, material, s.material); err != nil {
		return nil, err
	}
	for i := 0; i < len(material); i += sectorSize {
		c.decrypt(material[i:i+sectorSize], uint64(i/sectorSize))
	}
	key := merge(material[:h.keyBytes*stripes], h.keyBytes, h.hash)
	digest, err := h.derive(ctx, key, h.digestSalt, h.digestIterations, len(h.digest))
	if err != nil {
		clear(key)
		return nil, err
	}
	if subtle.ConstantTimeCompare(digest, h.digest) != 1 {
		clear(key)
		return nil, nil
	}
	return key, nil
}

// derive is PBKDF2, which cannot be stopped; a caller that goes need not wait.
func (h *header) derive(ctx context.Context, secret, salt []byte, iterations, length int) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	type outcome struct {
		key []byte
		err error
	}
	done := make(chan outcome, 1)
	secret = append([]byte(nil), secret...)
	go func() {
		defer clear(secret)
		key, err := pbkdf2.Key(h.hash, string(secret), salt, iterations, length)
		done <- outcome{key, err}
	}()
	select {
	case o := <-done:
		return o.key, o.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// merge is AFmerge, the inverse of the anti-forensic split (section 2.4):
// each stripe but the last is added to what came before and diffused.
func merge(material []byte, keyBytes int, newHash func() hash.Hash) []byte {
	key := make([]byte, keyBytes)
	for i := range stripes {
		subtle.XORBytes(key, key, material[i*keyBytes:])
		if i < stripes-1 {
			diffuse(key, newHash())
		}
	}
	return key
}

// diffuse replaces each block of the length of a hash by the hash of its
// number, 32 bits big endian, and itself (section 2.4).
func diffuse(key []byte, h hash.Hash) {
	var sum []byte
	for i := 0; i*h.Size() < len(key); i++ {
		block := key[i*h.Size() : min((i+1)*h.Size(), len(key))]
		h.Reset()
		h.Write([]byte{byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)})
		h.Write(block)
		sum = h.Sum(sum[:0])
		copy(block, sum)
	}
}

// Size returns the length of the disk in bytes, a multiple of 512.
func (p *Payload) Size() int64 { return p.size }

// ReadAt implements io.ReaderAt.
func (p *Payload) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("luks: read at offset %d", off)
	}
	if off >= p.size {
		return 0, io.EOF
	}
	want := b[:min(int64(len(b)), p.size-off)]
	done := 0
	var buffer [64 * sectorSize]byte
	for done < len(want) {
		at := off + int64(done)
		first := at / sectorSize
		sectors := min(int64(len(buffer)), (at+int64(len(want)-done)+sectorSize-1)/sectorSize*sectorSize-first*sectorSize)
		piece := buffer[:sectors]
		if err := readFull(p.image, piece, p.offset+first*sectorSize); err != nil {
			return done, err
		}
		for i := 0; i < len(piece); i += sectorSize {
			p.cipher.decrypt(piece[i:i+sectorSize], uint64(first)+uint64(i/sectorSize))
		}
		done += copy(want[done:], piece[at-first*sectorSize:])
	}
	if done < len(b) {
		return done, io.EOF
	}
	return done, nil
}

// readFull fills p from an offset.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("luks: read %d bytes at offset %d: %w", len(p), off, err)
}
