package engine

import (
	"fmt"

	"github.com/assay-dev/assay/native/qemuimg"
)

// luksFormat is the format that is encrypted.
const luksFormat Format = "luks"

// An EncryptedError says that an image was to be encrypted that is already. It
// matches ErrNotSupported.
type EncryptedError struct{ Source string }

// Error implements error.
func (e *EncryptedError) Error() string { return e.Source + " is encrypted already" }

// Hint says what to do about it.
func (e *EncryptedError) Hint() string {
	return "decrypt it first, or claim raw to encrypt it as it is once more"
}

// Is reports whether target is ErrNotSupported.
func (e *EncryptedError) Is(target error) bool { return target == ErrNotSupported }

// checkEncrypted refuses to encrypt what is encrypted, which is hardly what was
// meant, unless the image was claimed to be raw.
func (o *ConvertOptions) checkEncrypted(r *Report) error {
	if o.To == luksFormat && r.Format == luksFormat && r.Claim != Raw {
		return &EncryptedError{r.Source}
	}
	return nil
}

// diskSize returns the size of the disk in bytes that a report is about: of an
// encrypted one, what is behind the header.
func diskSize(r *Report) int64 {
	offset, known := r.Properties["luks.payload_offset"].(uint64)
	if r.Format == luksFormat && known && offset <= uint64(r.Size) {
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
