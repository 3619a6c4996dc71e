package qemuimg

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// quickly is the encryption that is used here: its key takes no time.
func quickly(passphrase, cipher string, bits int) Encryption {
	return Encryption{Passphrase: []byte(passphrase), Cipher: cipher, KeySize: bits, IterTime: 10 * time.Millisecond}
}

// decrypted returns the disk in a LUKS image as plain qemu-img reads it.
func decrypted(t *testing.T, path, passphrase string) ([]byte, error) {
	t.Helper()
	dir := t.TempDir()
	raw, secret := filepath.Join(dir, "raw"), filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte(passphrase), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("qemu-img", "convert", "--object", "secret,id=s,file="+secret, "--image-opts",
		"driver=luks,key-secret=s,file.filename="+path, "-O", "raw", raw).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	disk, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	return disk, nil
}

// A LUKS header costs seconds, however little its key does: qemu-img measures
// twice how fast it is. So there are few of them here, and other ciphers where
// outputs are tested as a whole (TestLUKS in engine).

// TestConvertToLUKS: what is written is opened with the passphrase, and with
// no other, by qemu-img and cryptsetup, who find the cipher that was asked for
// and the disk that was there.
func TestConvertToLUKS(t *testing.T) {
	tool := realTool(t)
	for _, c := range some([]struct {
		cipher string
		bits   int
		how    string // it is handed over
		shown  [3]string
	}{
		{"", 0, HandOffNBD, [3]string{"aes", "xts-plain64", "512"}},
		{"twofish-xts-plain", 256, HandOffDescriptor, [3]string{"twofish", "xts-plain", "256"}},
	}) {
		t.Run(c.cipher, func(t *testing.T) {
			const passphrase = "pässword, with=all of \"it\"\n"
			path, output := newImage(t, "-f", "qcow2"), newOutput(t)
			o := ConvertOptions{Target: TargetLUKS, Encryption: quickly(passphrase, c.cipher, c.bits), HandOff: c.how}
			result, err := tool.Convert(t.Context(), accepted(t, open(t, path, os.O_RDONLY), "qcow2", diskSize), output, o)
			if err != nil {
				t.Fatal(err)
			}
			if string(o.Encryption.Passphrase) != passphrase {
				t.Error("the caller's passphrase was changed")
			}
			got, err := decrypted(t, output.Name(), passphrase)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, reference(t, "qcow2", path)) {
				t.Error("the disk is another")
			}
			if _, err := decrypted(t, output.Name(), passphrase+"x"); err == nil {
				t.Error("another passphrase opens it")
			}
			if result.Allocated < diskSize {
				t.Errorf("%d bytes are stored of an encrypted disk", result.Allocated)
			}
			wantHeader(t, output.Name(), c.shown)
			noChildren(t)
		})
	}
}

// wantHeader compares a header with what cryptsetup shows of it, where there
// is one.
func wantHeader(t *testing.T, path string, want [3]string) {
	t.Helper()
	cryptsetup, err := exec.LookPath("cryptsetup")
	if err != nil {
		if cryptsetup, err = exec.LookPath("/usr/sbin/cryptsetup"); err != nil {
			return
		}
	}
	out, err := exec.Command(cryptsetup, "luksDump", "--disable-locks", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	for i, field := range []string{"Cipher name:", "Cipher mode:", "MK bits:"} {
		_, rest, _ := strings.Cut(string(out), field)
		line, _, _ := strings.Cut(rest, "\n")
		if strings.TrimSpace(line) != want[i] {
			t.Errorf("%s %s, want %s", field, line, want[i])
		}
	}
}

// TestPassphraseIsNotShown: the tool is told where to read the passphrase, and
// neither its arguments nor its environment nor its error say what it is.
func TestPassphraseIsNotShown(t *testing.T) {
	const passphrase = "geheimes Wort"
	o := ConvertOptions{Target: TargetLUKS, Encryption: quickly(passphrase, "", 0)}
	to, err := o.target(minimum)
	if err != nil {
		t.Fatal(err)
	}
	if shown := strings.Join(o.arguments(to, "source", false, false), " "); strings.Contains(shown, "geheim") || !strings.Contains(shown, "file="+secretName) {
		t.Error(shown)
	}
	// This one says all that it was told, and what it reads where.
	tool := fakeTool(t, "teller")
	source := open(t, filepath.Join(t.TempDir(), "source"), os.O_CREATE|os.O_RDWR)
	_, err = tool.Convert(t.Context(), accepted(t, source, "raw", 0), newOutput(t), o)
	failed, ok := errors.AsType[*ToolError](err)
	if !ok {
		t.Fatal(err)
	}
	told, read, _ := strings.Cut(failed.Stderr, "read: ")
	if strings.Contains(told, "geheim") || !strings.Contains(told, "secret,id=") || !strings.Contains(told, "LC_ALL=C") {
		t.Errorf("it was told %q", told)
	}
	if read != fmt.Sprintf("%q, then %q", passphrase, "") {
		t.Errorf("it read %q", read)
	}
}

// TestUnmeasured: a tool that cannot tell how fast it is is asked again, but
// not for ever, and finds the output empty each time.
func TestUnmeasured(t *testing.T) {
	tool := fakeTool(t, "unmeasured")
	source := open(t, filepath.Join(t.TempDir(), "source"), os.O_CREATE|os.O_RDWR)
	tries := 0
	_, err := tool.Convert(t.Context(), accepted(t, source, "raw", 0), newOutput(t), ConvertOptions{
		Target: TargetLUKS, Encryption: quickly("x", "", 0), Progress: func(int64, int64) { tries++ },
	})
	if !unmeasured(err) || tries != measurements {
		t.Errorf("after %d tries: %v", tries, err)
	}
}
