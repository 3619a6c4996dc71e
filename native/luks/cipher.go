package luks

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/xts"
)

// A sectorCipher decrypts sectors of 512 bytes. It is safe for concurrent use.
type sectorCipher interface {
	// decrypt decrypts a sector in place.
	decrypt(sector []byte, number uint64)
}

// cipher returns the cipher of cipher-name and cipher-mode with a key
// (section 1, "cipher-mode": of dm-crypt's, those that cryptsetup and qemu
// have written).
func (h *header) cipher(key []byte) (sectorCipher, error) {
	if h.cipherName != "aes" {
		return nil, &HeaderError{8, fmt.Sprintf("cipher %q is not known", h.cipherName), true}
	}
	unfit := func(err error) error {
		return &HeaderError{108, fmt.Sprintf("a key of %d bytes for aes-%s: %v", len(key), h.cipherMode, err), false}
	}
	switch h.cipherMode {
	case "xts-plain64", "xts-plain":
		c, err := xts.NewCipher(aes.NewCipher, key)
		if err != nil {
			return nil, unfit(err)
		}
		if h.cipherMode == "xts-plain" {
			return xtsCipher{c, 1<<32 - 1}, nil
		}
		return xtsCipher{c, 1<<64 - 1}, nil
	case "cbc-essiv:sha256", "cbc-plain64", "cbc-plain":
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, unfit(err)
		}
		c := cbcCipher{block: block, mask: 1<<64 - 1}
		switch h.cipherMode {
		case "cbc-plain":
			c.mask = 1<<32 - 1
		case "cbc-essiv:sha256":
			salt := sha256.Sum256(key)
			if c.essiv, err = aes.NewCipher(salt[:]); err != nil {
				return nil, err
			}
		}
		return c, nil
	default:
		return nil, &HeaderError{40, fmt.Sprintf("cipher mode %q is not known", h.cipherMode), true}
	}
}

// xtsCipher is mode XTS with the sector's number, as far as the mask lets it,
// as the tweak (dm-crypt's plain: 32 bits, and plain64).
type xtsCipher struct {
	cipher *xts.Cipher
	mask   uint64
}

func (c xtsCipher) decrypt(sector []byte, number uint64) {
	c.cipher.Decrypt(sector, sector, number&c.mask)
}

// cbcCipher is mode CBC with the sector's number for an initialization
// vector, encrypted when essiv is there.
type cbcCipher struct {
	block, essiv cipher.Block
	mask         uint64
}

func (c cbcCipher) decrypt(sector []byte, number uint64) {
	var iv [aes.BlockSize]byte
	binary.LittleEndian.PutUint64(iv[:], number&c.mask)
	if c.essiv != nil {
		c.essiv.Encrypt(iv[:], iv[:])
	}
	cipher.NewCBCDecrypter(c.block, iv[:]).CryptBlocks(sector, sector)
}
