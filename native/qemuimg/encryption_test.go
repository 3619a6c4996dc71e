package qemuimg

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestCipher: dm-crypt's specifications as qemu-img's options.
func TestCipher(t *testing.T) {
	for _, c := range []struct {
		spec string
		bits int
		want string
	}{
		{"", 0, "cipher-alg=aes-256,cipher-mode=xts,ivgen-alg=plain64"},
		{"aes-xts-plain64", 512, "cipher-alg=aes-256,cipher-mode=xts,ivgen-alg=plain64"},
		{"aes-xts-plain64", 256, "cipher-alg=aes-128,cipher-mode=xts,ivgen-alg=plain64"},
		{"serpent-xts-plain", 0, "cipher-alg=serpent-256,cipher-mode=xts,ivgen-alg=plain"},
		{"aes-cbc-essiv:sha256", 0, "cipher-alg=aes-256,cipher-mode=cbc,ivgen-alg=essiv,ivgen-hash-alg=sha256"},
		{"twofish-cbc-plain64", 128, "cipher-alg=twofish-128,cipher-mode=cbc,ivgen-alg=plain64"},
	} {
		e := Encryption{Passphrase: []byte("x"), Cipher: c.spec, KeySize: c.bits}
		if err := e.Check(); err != nil {
			t.Errorf("%q, %d: %v", c.spec, c.bits, err)
		}
		want := "key-secret=passphrase," + c.want + ",hash-alg=sha256,iter-time=2000"
		if got := e.creation(); got != want {
			t.Errorf("%q, %d: %q, want %q", c.spec, c.bits, got, want)
		}
	}
}

// TestNoSuchCipher: what qemu-img has not, or would read as something else, is
// refused before anything starts, and the error says what is wrong with it.
func TestNoSuchCipher(t *testing.T) {
	for _, c := range []struct {
		spec string
		bits int
		want string
	}{
		{"aes", 0, "cipher-mode-iv"},
		{"aes-xts", 0, "cipher-mode-iv"},
		{"aes:2-cbc-plain64", 0, "one key only"},
		{"aes:64-cbc-lmk", 0, "one key only"},
		{"capi:xts(aes)-plain64", 0, "cipher-mode-iv"},
		{"capi:xts-aes-plain64", 0, "one key only"},
		{"des-cbc-plain", 0, `no cipher "des"`},
		{"AES-xts-plain64", 0, `no cipher "AES"`},
		{"aes-ecb-plain", 0, `no mode "ecb"`},
		{"aes-xts-random", 0, `no iv "random"`},
		{"aes-xts-plain64be", 0, `no iv "plain64be"`},
		{"aes-xts-essiv:sha256", 0, "takes iv plain"},
		{"aes-xts-plain64:sha256", 0, "takes no option"},
		{"aes-cbc-essiv", 0, "needs a hash"},
		{"aes-cbc-essiv:sha1", 0, "needs a hash"},
		{"aes-cbc-essiv:sha256,key-secret=x", 0, "needs a hash"},
		{"aes-xts-plain64,cipher-alg=aes-128", 0, "no iv"},
		{"aes-xts-plain64", 128, "256 or 512"},
		{"aes-xts-plain64", 384, "256 or 512"},
		{"aes-xts-plain64", 513, "256 or 512"},
		{"aes-xts-plain64", -512, "256 or 512"},
		{"aes-cbc-plain64", 512, "128 or 256"},
		{"aes-cbc-plain64", 192, "128 or 256"},
	} {
		err := (&Encryption{Passphrase: []byte("x"), Cipher: c.spec, KeySize: c.bits}).Check()
		bad, ok := errors.AsType[*CipherError](err)
		if !ok || !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), c.want) || bad.Hint() == "" {
			t.Errorf("%q, %d: %v, want an error with %q", c.spec, c.bits, err, c.want)
		}
	}
}

// TestNoSuchEncryption: what else is refused, and nothing says what the
// passphrase is.
func TestNoSuchEncryption(t *testing.T) {
	secret := []byte("geheim")
	for name, o := range map[string]ConvertOptions{
		"no passphrase":       {Target: TargetLUKS},
		"an empty one":        {Target: TargetLUKS, Encryption: Encryption{Passphrase: []byte{}}},
		"a zero byte":         {Target: TargetLUKS, Encryption: Encryption{Passphrase: []byte("geheim\x00")}},
		"no UTF-8":            {Target: TargetLUKS, Encryption: Encryption{Passphrase: []byte("geheim\xff")}},
		"a long one":          {Target: TargetLUKS, Encryption: Encryption{Passphrase: make([]byte, MaxPassphrase+1)}},
		"too little time":     {Target: TargetLUKS, Encryption: Encryption{Passphrase: secret, IterTime: time.Microsecond}},
		"too much time":       {Target: TargetLUKS, Encryption: Encryption{Passphrase: secret, IterTime: time.Minute}},
		"a negative time":     {Target: TargetLUKS, Encryption: Encryption{Passphrase: secret, IterTime: -time.Second}},
		"another target":      {Target: TargetRaw, Encryption: Encryption{Passphrase: secret}},
		"a cipher and no key": {Target: TargetQcow2, Encryption: Encryption{Cipher: DefaultCipher}},
		"an option":           {Target: TargetLUKS, Encryption: Encryption{Passphrase: secret}, Options: settings{"key-secret": "x"}},
	} {
		err := o.CheckTarget(1 << 20)
		if err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestHeaderSize: as qemu-img lays out eight key slots for keys of these
// lengths in bits.
func TestHeaderSize(t *testing.T) {
	for bits, want := range map[int]int64{0: 2_068_480, 128: 528_384, 256: 1_052_672, 512: 2_068_480} {
		if got := (&Encryption{KeySize: bits}).HeaderSize(); got != want {
			t.Errorf("a key of %d bits: %d bytes, want %d", bits, got, want)
		}
	}
}
