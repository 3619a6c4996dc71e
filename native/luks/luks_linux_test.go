package luks

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const passphrase = "a passphrase with spaces"

// run runs a tool, or skips the test where there is none.
func run(t *testing.T, stdin, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		// Where Debian has what root uses is not on everybody's PATH.
		if path, err = exec.LookPath("/usr/sbin/" + name); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// disk is what the images hold: 1 MiB in which no sector is like another.
func disk() []byte {
	b := make([]byte, 1<<20)
	for i := range len(b) / 16 {
		copy(b[i*16:], fmt.Sprintf("%016x", i*0x9e3779b9))
	}
	return b
}

// encrypted makes an image of the disk: cryptsetup formats it, which takes no
// time with so few iterations, and qemu-img writes the disk.
func encrypted(t *testing.T, cipher, keyBits, hash string) string {
	t.Helper()
	dir := t.TempDir()
	raw, image := filepath.Join(dir, "raw"), filepath.Join(dir, "image")
	if err := os.WriteFile(raw, disk(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(image, make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, passphrase, "cryptsetup", "--batch-mode", "--pbkdf-force-iterations", "1000", "luksFormat", "--type", "luks1",
		"--cipher", cipher, "--key-size", keyBits, "--hash", hash, "--key-file", "-", image)
	run(t, "", "qemu-img", "convert", "-n", "-f", "raw", "--object", "secret,id=s,data="+passphrase,
		"--target-image-opts", raw, "driver=luks,key-secret=s,file.filename="+image)
	return image
}

func open(t *testing.T, path string) (*os.File, int64) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return f, info.Size()
}

// wantDisk compares the payload with the disk: whole, and in pieces that
// begin and end anywhere.
func wantDisk(t *testing.T, p *Payload, want []byte) {
	t.Helper()
	if p.Size() < int64(len(want)) {
		t.Fatalf("the payload has %d bytes, not %d", p.Size(), len(want))
	}
	for _, r := range [][2]int{{0, len(want)}, {0, 1}, {511, 2}, {512, 512}, {1000, 40_000}, {len(want) - 7, 7}} {
		got := make([]byte, r[1])
		if n, err := p.ReadAt(got, int64(r[0])); n != len(got) {
			t.Fatalf("%d bytes at %d: %d, %v", r[1], r[0], n, err)
		}
		if !bytes.Equal(got, want[r[0]:r[0]+r[1]]) {
			t.Errorf("%d bytes at %d are not those that were encrypted", r[1], r[0])
		}
	}
}

// TestCiphers opens images of every cipher, key size and hash that is known
// here.
func TestCiphers(t *testing.T) {
	for _, c := range []struct{ cipher, keyBits, hash string }{
		{"aes-xts-plain64", "512", "sha256"},
		{"aes-xts-plain64", "256", "sha1"},
		{"aes-xts-plain", "512", "sha512"},
		{"aes-cbc-essiv:sha256", "256", "sha256"},
		{"aes-cbc-plain64", "128", "sha384"},
		{"aes-cbc-plain", "256", "sha224"},
	} {
		t.Run(c.cipher, func(t *testing.T) {
			f, size := open(t, encrypted(t, c.cipher, c.keyBits, c.hash))
			p, err := Open(t.Context(), f, size, []byte(passphrase))
			if err != nil {
				t.Fatal(err)
			}
			wantDisk(t, p, disk())
			if _, err := Open(t.Context(), f, size, []byte(passphrase+"x")); err != ErrPassphrase {
				t.Errorf("another passphrase: %v", err)
			}
		})
	}
}

// TestKeySlots: any passphrase opens the image by its slot, and one that was
// removed opens nothing.
func TestKeySlots(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	quick := []string{"--batch-mode", "--pbkdf-force-iterations", "1000"}
	run(t, "first", "cryptsetup", append(quick, "luksFormat", "--type", "luks1", "--key-file", "-", path)...)
	second := filepath.Join(t.TempDir(), "second")
	if err := os.WriteFile(second, []byte(passphrase), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "first", "cryptsetup", append(quick, "luksAddKey", "--key-file", "-", path, second)...)
	f, size := open(t, path)
	for _, secret := range []string{"first", passphrase} {
		if _, err := Open(t.Context(), f, size, []byte(secret)); err != nil {
			t.Errorf("%s: %v", secret, err)
		}
	}
	run(t, "first", "cryptsetup", "--batch-mode", "luksRemoveKey", path)
	if _, err := Open(t.Context(), f, size, []byte("first")); err != ErrPassphrase {
		t.Errorf("the passphrase that was removed: %v", err)
	}
	if _, err := Open(t.Context(), f, size, []byte(passphrase)); err != nil {
		t.Error(err)
	}
}
