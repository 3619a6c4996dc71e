package luks

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
)

// Numbers of figure 1, "PHDR layout", and of section 2.4.
const (
	headerSize = 592
	sectorSize = 512
	slotCount  = 8
	slotSize   = 48
	firstSlot  = 208
	enabled    = 0x00ac71f3
	disabled   = 0x0000dead
	stripes    = 4000
	digestSize = 20
)

var magic = []byte{'L', 'U', 'K', 'S', 0xba, 0xbe, 0, 1} // with version 1

// header is what of a header is needed, checked.
type header struct {
	cipherName, cipherMode string
	hash                   func() hash.Hash
	keyBytes               int
	payload                int64 // offset in bytes
	digest, digestSalt     []byte
	digestIterations       int
	slots                  []slot // that are in use
}

// slot is one that is in use.
type slot struct {
	iterations int
	salt       []byte
	material   int64 // offset in bytes
}

// hashes are the values of hash-spec that can be used.
var hashes = map[string]func() hash.Hash{
	"sha1": sha1.New, "sha224": sha256.New224, "sha256": sha256.New, "sha384": sha512.New384, "sha512": sha512.New,
}

// readHeader reads the header of an image of size bytes and checks every
// number in it.
func readHeader(image io.ReaderAt, size int64) (*header, error) {
	b := make([]byte, headerSize)
	if size < headerSize {
		return nil, &HeaderError{0, fmt.Sprintf("%d bytes are no header", size), false}
	}
	if err := readFull(image, b, 0); err != nil {
		return nil, err
	}
	return parseHeader(b, size)
}

func parseHeader(b []byte, size int64) (*header, error) {
	if !bytes.HasPrefix(b, magic) {
		return nil, &HeaderError{0, "the magic and the version are not those of LUKS 1", true}
	}
	number := func(at int) int64 { return int64(binary.BigEndian.Uint32(b[at:])) }
	h := &header{
		digest: b[112:][:digestSize:digestSize], digestSalt: b[132:][:32:32],
		keyBytes: int(number(108)), payload: sectorSize * number(104), digestIterations: int(number(164)),
	}
	for _, field := range []struct {
		at   int
		into *string
	}{{8, &h.cipherName}, {40, &h.cipherMode}} {
		text, _, terminated := bytes.Cut(b[field.at:][:32], []byte{0})
		if !terminated {
			return nil, &HeaderError{int64(field.at), "a name is not terminated", false}
		}
		*field.into = string(text)
	}
	name, _, _ := bytes.Cut(b[72:][:32], []byte{0})
	if h.hash = hashes[string(name)]; h.hash == nil {
		return nil, &HeaderError{72, fmt.Sprintf("hash %q is not known", name), true}
	}
	switch {
	case h.keyBytes < 1 || h.keyBytes > MaxKeyBytes:
		return nil, &HeaderError{108, fmt.Sprintf("a key of %d bytes; 1 to %d can be", h.keyBytes, MaxKeyBytes), false}
	case h.payload < headerSize || h.payload > size:
		return nil, &HeaderError{104, fmt.Sprintf("the payload starts at byte %d of %d", h.payload, size), false}
	case h.digestIterations < 1:
		return nil, &HeaderError{164, "no iterations of the digest", false}
	}
	// What cost there is: each slot in use, and the digest of its key.
	hashSize := int64(h.hash().Size())
	blocks := func(length int) int64 { return (int64(length) + hashSize - 1) / hashSize }
	cost := int64(0)
	for i := range slotCount {
		at := firstSlot + i*slotSize
		switch number(at) {
		case disabled:
			continue
		case enabled:
		default:
			return nil, &HeaderError{int64(at), fmt.Sprintf("state %#x of a key slot", number(at)), false}
		}
		s := slot{iterations: int(number(at + 4)), salt: b[at+8:][:32:32], material: sectorSize * number(at+40)}
		switch length := int64(h.keyBytes) * stripes; {
		case s.iterations < 1:
			return nil, &HeaderError{int64(at + 4), "no iterations of a key slot", false}
		case number(at+44) != stripes:
			return nil, &HeaderError{int64(at + 44), fmt.Sprintf("a key slot of %d stripes; there must be %d", number(at+44), stripes), false}
		case s.material < headerSize || s.material+length > h.payload:
			return nil, &HeaderError{int64(at + 40), fmt.Sprintf("key material at byte %d, outside of the header", s.material), false}
		}
		cost += int64(s.iterations)*blocks(h.keyBytes) + int64(h.digestIterations)*blocks(digestSize)
		h.slots = append(h.slots, s)
	}
	if cost > MaxIterations {
		return nil, &HeaderError{firstSlot, fmt.Sprintf("%d iterations to try every key slot; at most %d are done", cost, MaxIterations), false}
	}
	return h, nil
}
