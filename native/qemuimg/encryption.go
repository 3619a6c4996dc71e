package qemuimg

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Defaults and bounds of an Encryption.
const (
	// DefaultCipher and DefaultKeySize, in bits, are what cryptsetup takes for
	// LUKS today: AES-256, whose key mode XTS doubles.
	DefaultCipher  = "aes-xts-plain64"
	DefaultKeySize = 512
	// DefaultIterTime is that of cryptsetup and of qemu-img. Twice as long
	// would be twice as long for whoever tries passphrases, and for each use.
	DefaultIterTime = 2 * time.Second
	// MinIterTime is the least that qemu-img takes. With MaxIterTime a fast
	// machine stays below what package luks does to open an image
	// (luks.MaxIterations), and a slow one within its CPU time.
	MinIterTime = time.Millisecond
	MaxIterTime = 10 * time.Second
	// MaxPassphrase is the longest passphrase in bytes, that of cryptsetup
	// where one is typed.
	MaxPassphrase = 512
)

// An Encryption is that of a TargetLUKS: version 1 of the format, with one
// passphrase. The zero value is none.
type Encryption struct {
	// Passphrase is what opens the output: UTF-8 without a zero byte, as
	// qemu-img has no other, and at most MaxPassphrase bytes. It is handed to
	// qemu-img over a pipe; it is in no argument, no environment, no file and
	// no error. It is not kept: who owns it may clear it after the conversion.
	Passphrase []byte
	// Cipher is dm-crypt's specification as cryptsetup takes it:
	// cipher-mode-iv, where iv may have an option behind a colon, as in
	// "aes-cbc-essiv:sha256". Empty means DefaultCipher.
	Cipher string
	// KeySize is the length of the master key in bits, as cryptsetup counts
	// it: both halves in mode XTS. Zero means DefaultKeySize for XTS, and half
	// of it otherwise.
	KeySize int
	// IterTime is how long deriving the key from the passphrase is to take of
	// this machine's processor, MinIterTime to MaxIterTime in milliseconds;
	// zero means DefaultIterTime.
	IterTime time.Duration
}

// luksCiphers are those of dm-crypt that qemu has too, by the same names, with
// blocks of 128 bits. CAST-128 has smaller ones, and is left to those who have
// images of it.
var luksCiphers = []string{"aes", "serpent", "twofish"}

// luksKeys are the lengths of their keys in bits. Keys of 192 bits make key
// slots of no whole sectors, which qemu-img does not survive (an assertion in
// crypto/block.c).
var luksKeys = []int{128, 256}

// A CipherError says what of a cipher specification cannot be used. It
// matches errors.ErrUnsupported.
type CipherError struct{ Spec, Problem string }

// Error implements error.
func (e *CipherError) Error() string { return fmt.Sprintf("cipher %q: %s", e.Spec, e.Problem) }

// Hint says what to do about it.
func (e *CipherError) Hint() string {
	return "name one as cryptsetup does, cipher-mode-iv: " + DefaultCipher + ", or aes-cbc-essiv:sha256"
}

// Is reports whether target is errors.ErrUnsupported.
func (e *CipherError) Is(target error) bool { return target == errors.ErrUnsupported }

// Check tells whether an output can be encrypted so. The error says why not,
// and never what the passphrase is.
func (e *Encryption) Check() error {
	if _, err := e.cipher(); err != nil {
		return err
	}
	if t := e.iterTime(); t < MinIterTime || t > MaxIterTime {
		return fmt.Errorf("an iteration time of %v: it must be %v to %v", t, MinIterTime, MaxIterTime)
	}
	switch p := e.Passphrase; {
	case len(p) == 0:
		return errors.New("an encrypted output needs a passphrase")
	case len(p) > MaxPassphrase:
		return fmt.Errorf("the passphrase is longer than %d bytes", MaxPassphrase)
	case !utf8.Valid(p) || bytes.IndexByte(p, 0) >= 0:
		return errors.New("the passphrase is no UTF-8 text, or holds a zero byte: qemu-img takes no such")
	}
	return nil
}

// isZero reports whether no encryption is asked for.
func (e *Encryption) isZero() bool {
	return e.Passphrase == nil && e.Cipher == "" && e.KeySize == 0 && e.IterTime == 0
}

func (e *Encryption) iterTime() time.Duration {
	if e.IterTime == 0 {
		return DefaultIterTime
	}
	return e.IterTime
}

// Spec returns the cipher specification, and the length of the key in bits,
// with the defaults for what is not set.
func (e *Encryption) Spec() (cipher string, keySize int) {
	cipher, keySize = e.Cipher, e.KeySize
	if cipher == "" {
		cipher = DefaultCipher
	}
	if keySize == 0 {
		keySize = DefaultKeySize / 2 * halves(cipher)
	}
	return cipher, keySize
}

// halves returns of how many keys for its cipher a mode's key is made.
func halves(spec string) int {
	if part := strings.SplitN(spec, "-", 3); len(part) == 3 && part[1] == "xts" {
		return 2
	}
	return 1
}

// cipher returns the specification as qemu-img's options (QCryptoBlockOptionsLUKS
// in qapi/crypto.json), or a *CipherError.
func (e *Encryption) cipher() (string, error) {
	spec, bits := e.Spec()
	unfit := func(format string, args ...any) (string, error) {
		return "", &CipherError{spec, fmt.Sprintf(format, args...)}
	}
	part := strings.SplitN(spec, "-", 3)
	if len(part) != 3 {
		return unfit("it is not of the form cipher-mode-iv")
	}
	name, mode := part[0], part[1]
	if base, keys, several := strings.Cut(name, ":"); several {
		return unfit("%s with %s keys: qemu-img has ciphers with one key only", base, keys)
	}
	if !slices.Contains(luksCiphers, name) {
		return unfit("there is no cipher %q, but %s", name, strings.Join(luksCiphers, ", "))
	}
	iv, hash, hashed := strings.Cut(part[2], ":")
	switch {
	case mode != "xts" && mode != "cbc":
		return unfit("there is no mode %q, but xts, cbc", mode)
	case iv != "plain" && iv != "plain64" && iv != "essiv":
		return unfit("there is no iv %q, but plain, plain64, essiv:sha256", iv)
	case mode == "xts" && iv == "essiv":
		return unfit("mode xts takes iv plain or plain64")
	case hashed && iv != "essiv":
		return unfit("iv %s takes no option", iv)
	case iv == "essiv" && hash != "sha256":
		return unfit("iv essiv needs a hash that gives a key of 256 bits: essiv:sha256")
	}
	n := halves(spec)
	if bits%n != 0 || !slices.Contains(luksKeys, bits/n) {
		return unfit("a key of %d bits: mode %s takes %d or %d", bits, mode, luksKeys[0]*n, luksKeys[1]*n)
	}
	options := fmt.Sprintf("cipher-alg=%s-%d,cipher-mode=%s,ivgen-alg=%s", name, bits/n, mode, iv)
	if hashed {
		options += ",ivgen-hash-alg=" + hash
	}
	return options, nil
}

// HeaderSize returns how many bytes of an output are before its disk: the
// header, and eight slots of 4000 stripes of the key, each of whole 4 KiB (LUKS
// On-Disk Format 1.2.3, sections 2.1 and 2.4, as crypto/block-luks.c lays it
// out).
func (e *Encryption) HeaderSize() int64 {
	const header, slots, stripes = 4096, 8, 4000
	_, bits := e.Spec()
	slot := int64(bits/8)*stripes + header - 1
	return header + slots*(slot-slot%header)
}

// secretID is the name by which qemu-img's options call the passphrase.
const secretID = "passphrase"

// creation returns the value of -o for an output whose encryption was checked.
func (e *Encryption) creation() string {
	options, _ := e.cipher()
	return fmt.Sprintf("key-secret=%s,%s,hash-alg=sha256,iter-time=%d", secretID, options, e.iterTime().Milliseconds())
}

// measurements is how often qemu-img is asked to make a header at most. 9.2,
// and older ones that were given its change, fail on a fast machine where the
// kernel has not yet accounted for the time that their measurement took: one
// time in three, or more, and before the disk is written.
const measurements = 32

// unmeasured tells whether this is why it failed (crypto/pbkdf.c).
func unmeasured(err error) bool {
	failed, ok := errors.AsType[*ToolError](err)
	return ok && strings.Contains(failed.Stderr, "Unable to get accurate CPU usage")
}
