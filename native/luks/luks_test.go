package luks

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"time"

	"crypto/aes"

	"golang.org/x/crypto/xts"
)

// sealed returns an image, made by the specification and not by this package:
// one key slot, aes-xts-plain64, sha256, and a payload of two sectors.
func sealed(t testing.TB, secret string, iterations uint32) []byte {
	const keyBytes, material, payload = 32, 8, 1024 // of the slot and the disk, in sectors
	b := make([]byte, (payload+2)*sectorSize)
	copy(b, "LUKS\xba\xbe\x00\x01")
	copy(b[8:], "aes")
	copy(b[40:], "xts-plain64")
	copy(b[72:], "sha256")
	put := func(at int, v uint32) { binary.BigEndian.PutUint32(b[at:], v) }
	put(104, payload)
	put(108, keyBytes)
	key := bytes.Repeat([]byte{7, 11}, keyBytes/2)
	digest, err := pbkdf2.Key(sha256.New, string(key), b[132:164], 1, digestSize)
	if err != nil {
		t.Fatal(err)
	}
	copy(b[112:], digest)
	put(164, 1)
	for i := range slotCount {
		put(firstSlot+i*slotSize, disabled)
		put(firstSlot+i*slotSize+40, material)
		put(firstSlot+i*slotSize+44, stripes)
	}
	put(firstSlot, enabled)
	put(firstSlot+4, iterations)

	// Section 2.4: all stripes but the last are noise.
	split := make([]byte, keyBytes*stripes)
	rand.Read(split[:keyBytes*(stripes-1)])
	d := make([]byte, keyBytes)
	for i := range stripes - 1 {
		subtle.XORBytes(d, d, split[i*keyBytes:])
		sum := sha256.Sum256(append([]byte{0, 0, 0, 0}, d...))
		copy(d, sum[:])
	}
	subtle.XORBytes(split[keyBytes*(stripes-1):], d, key)

	slotKey, err := pbkdf2.Key(sha256.New, secret, b[firstSlot+8:firstSlot+40], int(iterations), keyBytes)
	if err != nil {
		t.Fatal(err)
	}
	encrypt := func(key, plain []byte, at int) {
		c, err := xts.NewCipher(aes.NewCipher, key)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(plain); i += sectorSize {
			c.Encrypt(b[at+i:][:sectorSize], plain[i:][:sectorSize], uint64(i/sectorSize))
		}
	}
	encrypt(slotKey, split, material*sectorSize)
	encrypt(key, bytes.Repeat([]byte("disk"), 2*sectorSize/4), payload*sectorSize)
	return b
}

func TestOpen(t *testing.T) {
	b := sealed(t, "secret", 10)
	p, err := Open(t.Context(), bytes.NewReader(b), int64(len(b)), []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(io.NewSectionReader(p, 0, p.Size()))
	if err != nil || !bytes.Equal(got, bytes.Repeat([]byte("disk"), 256)) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	for _, off := range []int64{p.Size(), p.Size() + 1, 1 << 62} {
		if n, err := p.ReadAt(make([]byte, 1), off); n != 0 || err != io.EOF {
			t.Errorf("at %d: %d, %v", off, n, err)
		}
	}
	if n, err := p.ReadAt(make([]byte, 1), -1); n != 0 || err == nil || err == io.EOF {
		t.Errorf("at -1: %d, %v", n, err)
	}
	if n, err := p.ReadAt(make([]byte, 600), p.Size()-500); n != 500 || err != io.EOF {
		t.Errorf("across the end: %d, %v", n, err)
	}
}

// TestRefused: each number of a header that is out of its bounds is refused,
// and said to be.
func TestRefused(t *testing.T) {
	valid := sealed(t, "secret", 10)
	for _, c := range []struct {
		name        string
		at          int
		value       uint32
		unsupported bool
	}{
		{"magic", 0, 0, true},
		{"version 2", 4, 0xbabe0002, true},
		{"cipher", 8, 'x' << 24, true},
		{"mode", 40, 'x' << 24, true},
		{"hash", 72, 'x' << 24, true},
		{"payload in the header", 104, 1, false},
		{"payload before the material ends", 104, 100, false},
		{"payload beyond the file", 104, 1 << 31, false},
		{"no payload", 104, 0, false},
		{"no key", 108, 0, false},
		{"a key that does not fit the cipher", 108, 33, false},
		{"a huge key", 108, 1<<32 - 1, false},
		{"no iterations of the digest", 164, 0, false},
		{"many iterations of the digest", 164, 1<<32 - 1, false},
		{"state of a slot", firstSlot + slotSize, 1, false},
		{"no iterations", firstSlot + 4, 0, false},
		{"many iterations", firstSlot + 4, MaxIterations, false},
		{"material in the header", firstSlot + 40, 1, false},
		{"material in the payload", firstSlot + 40, 1000, false},
		{"material far away", firstSlot + 40, 1<<32 - 1, false},
		{"no stripes", firstSlot + 44, 0, false},
		{"one stripe", firstSlot + 44, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bytes.Clone(valid)
			binary.BigEndian.PutUint32(b[c.at:], c.value)
			_, err := Open(t.Context(), bytes.NewReader(b), int64(len(b)), []byte("secret"))
			if _, ok := errors.AsType[*HeaderError](err); !ok || errors.Is(err, errors.ErrUnsupported) != c.unsupported {
				t.Errorf("got %v", err)
			}
		})
	}
	for _, n := range []int{0, 1, headerSize - 1} {
		if _, err := Open(t.Context(), bytes.NewReader(valid[:n]), int64(n), nil); err == nil {
			t.Errorf("a header of %d bytes", n)
		}
	}
	// The file is shorter than it was said to be.
	if _, err := Open(t.Context(), bytes.NewReader(valid[:10_000]), int64(len(valid)), []byte("secret")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut: %v", err)
	}
}

// TestCancelled: nobody waits for a derivation when the context has ended.
func TestCancelled(t *testing.T) {
	b := sealed(t, "secret", 10)
	binary.BigEndian.PutUint32(b[firstSlot+4:], 1<<23)
	for _, after := range []time.Duration{0, 10 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		defer cancel()
		if _, err := Open(ctx, bytes.NewReader(b), int64(len(b)), []byte("secret")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: %v", after, err)
		}
	}
}

// FuzzHeader: a header either is refused, or all its numbers are in bounds
// and it opens or does not.
func FuzzHeader(f *testing.F) {
	valid := sealed(f, "secret", 10)
	f.Add(valid[:headerSize], int64(len(valid)))
	f.Add(valid[:headerSize], int64(headerSize))
	f.Add([]byte("LUKS\xba\xbe\x00\x01"), int64(1<<62))
	f.Fuzz(func(t *testing.T, head []byte, size int64) {
		b := make([]byte, headerSize)
		copy(b, head)
		h, err := parseHeader(b, size)
		if err != nil {
			if _, ok := errors.AsType[*HeaderError](err); !ok {
				t.Errorf("%T: %v", err, err)
			}
			return
		}
		if h.keyBytes < 1 || h.keyBytes > MaxKeyBytes || h.payload < headerSize || h.payload > size || len(h.slots) > slotCount {
			t.Errorf("out of bounds: %+v", h)
		}
		total := h.digestIterations
		for _, s := range h.slots {
			total += s.iterations
			if s.material < headerSize || s.material+int64(h.keyBytes)*stripes > h.payload {
				t.Errorf("material out of bounds: %+v", s)
			}
		}
		if total > 1000 {
			return // takes too long here
		}
		image := bytes.Clone(valid)
		copy(image, b)
		p, err := Open(t.Context(), bytes.NewReader(image), int64(len(image)), []byte("secret"))
		if err == nil && (p.Size() < 0 || p.Size() > int64(len(image))) {
			t.Errorf("a payload of %d bytes", p.Size())
		}
	})
}
