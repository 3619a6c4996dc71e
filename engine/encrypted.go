package engine

import (
	"fmt"

	"github.com/assay-dev/assay/native/qemuimg"
)

// luksFormat is the format that is encrypted.
const luksFormat Format = "luks"

// An EncryptedError says that an image was to be encrypted that is already, or
// that its disk is encrypted in a way that nothing here decrypts. It matches
// ErrNotSupported.
type EncryptedError struct {
	Source string
	// By is what the disk of an image is encrypted by that cannot be
	// decrypted: "luks in qcow2". It is empty for an image that is LUKS.
	By string
}

// Error implements error.
func (e *EncryptedError) Error() string {
	if e.By != "" {
		return fmt.Sprintf("%s: its disk is encrypted by %s, which is not decrypted here", e.Source, e.By)
	}
	return e.Source + " is encrypted already"
}

// Hint says what to do about it.
func (e *EncryptedError) Hint() string {
	if e.By != "" {
		return "have whoever made it decrypt it, or store the disk as a LUKS image without qcow2"
	}
	return "decrypt it first, or claim raw to encrypt it as it is once more"
}

// Is reports whether target is ErrNotSupported.
func (e *EncryptedError) Is(target error) bool { return target == ErrNotSupported }

// checkEncrypted refuses to encrypt what is encrypted, which is hardly what was
// meant, unless the image was claimed to be raw; and what a tool would need a
// passphrase to read.
func (o *ConvertOptions) checkEncrypted(r *Report) error {
	if by, ok := r.Properties["qcow2.encryption"].(string); ok {
		return &EncryptedError{r.Source, by + " in qcow2"}
	}
	if o.To == luksFormat && r.Format == luksFormat && r.Claim != Raw {
		return &EncryptedError{Source: r.Source}
	}
	return nil
}

// diskSize returns the size of the disk in bytes that an output of a format
// holds, by its report: an encrypted one is what is behind the header.
func diskSize(r *Report, format Format) int64 {
	offset, known := r.Properties["luks.payload_offset"].(uint64)
	if format == luksFormat && known && offset <= uint64(r.Size) {
		return r.Size - int64(offset)
	}
	return r.VirtualSize
}

// encryptedUnlike says in what an encrypted output differs from what was asked
// for, or nothing.
func encryptedUnlike(r *Report, e qemuimg.Encryption) string {
	spec, bits := e.Spec()
	is := fmt.Sprintf("%v-%v", r.Properties["luks.cipher"], r.Properties["luks.cipher_mode"])
	size, _ := r.Properties["luks.key_bytes"].(uint64)
	if is == spec && size == uint64(bits/8) {
		return ""
	}
	return fmt.Sprintf("it is encrypted by %s with a key of %d bits, not by %s with one of %d", is, size*8, spec, bits)
}
