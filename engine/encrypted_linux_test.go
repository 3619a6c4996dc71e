package engine_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/native/destination"
	"github.com/assay-dev/assay/native/luks"
	"github.com/assay-dev/assay/native/qemuimg"
	"golang.org/x/sys/unix"
)

// encryptedBy makes a LUKS image of a disk with other tools, quickly.
func encryptedBy(t *testing.T, passphrase string, disk []byte) string {
	t.Helper()
	needTools(t)
	cryptsetup, err := exec.LookPath("cryptsetup")
	if err != nil {
		if cryptsetup, err = exec.LookPath("/usr/sbin/cryptsetup"); err != nil {
			unavailable(t, "%v", err)
		}
	}
	dir := t.TempDir()
	raw, path, secret := filepath.Join(dir, "raw"), filepath.Join(dir, "image"), filepath.Join(dir, "secret")
	// 2 MiB is the header of cryptsetup's default.
	err = errors.Join(os.WriteFile(raw, disk, 0o600), os.WriteFile(path, make([]byte, 2<<20+len(disk)), 0o600), os.WriteFile(secret, []byte(passphrase), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	tool(t, cryptsetup, "luksFormat", "-q", "--pbkdf-force-iterations", "1000", "--type", "luks1", "--disable-locks", path, secret)
	tool(t, "qemu-img", "convert", "-n", "-f", "raw", "--object", "secret,id=s,file="+secret,
		"--target-image-opts", raw, "driver=luks,key-secret=s,file.filename="+path)
	return path
}

// inside vets a LUKS image and returns the disk in it as a source.
func inside(t *testing.T, eng *engine.Engine, f *os.File, passphrase string) engine.Source {
	t.Helper()
	outer := vet(t, eng, f, engine.Claim("luks"))
	disk, err := luks.Open(t.Context(), outer, outer.Report().Size, []byte(passphrase))
	if err != nil {
		t.Fatal(err)
	}
	return engine.Inside(outer, disk, disk.Size())
}

// vetInside is inside, vetted.
func vetInside(t *testing.T, eng *engine.Engine, f *os.File, passphrase string) *engine.Image {
	t.Helper()
	image, err := eng.Vet(t.Context(), inside(t, eng, f, passphrase), engine.Claim("raw"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { image.Close() })
	return image
}

// TestLUKS: a disk is encrypted, encrypted anew with another passphrase, and
// decrypted, and is the same disk; no passphrase but the last opens the second,
// and none is logged or in a result.
func TestLUKS(t *testing.T) {
	needTools(t)
	var log bytes.Buffer
	eng := newEngine(t, engine.NewConfig().WithLogger(slog.New(slog.NewJSONHandler(&log, nil))))
	disk := append(randomDisk(300_000), make([]byte, 1<<20)...)
	disk = append(disk, make([]byte, -len(disk)&511)...)
	dir := t.TempDir()
	first, second, back := filepath.Join(dir, "first"), filepath.Join(dir, "second"), filepath.Join(dir, "back")
	to := func(passphrase, cipher string) engine.ConvertOptions {
		return engine.ConvertOptions{To: "luks", Encryption: qemuimg.Encryption{
			Passphrase: []byte(passphrase), Cipher: cipher, IterTime: 10 * time.Millisecond,
		}}
	}
	result, err := eng.Convert(t.Context(), vet(t, eng, openBytes(t, disk), engine.Claim("raw")), engine.ToFile(first), to("geheim 1", ""))
	if err != nil {
		t.Fatal(err)
	}
	if result.Format != "luks" || result.VirtualSize != int64(len(disk)) || result.Tool.Name != "qemu-img" || strings.Contains(text(result), "geheim") {
		t.Errorf("result %s", text(result))
	}
	if _, err := eng.Convert(t.Context(), vetInside(t, eng, open(t, first), "geheim 1"), engine.ToFile(second), to("geheim 2", "aes-cbc-essiv:sha256")); err != nil {
		t.Fatal(err)
	}
	outer := vet(t, eng, open(t, second), engine.Claim("luks"))
	if got := outer.Report().Properties["luks.cipher_mode"]; got != "cbc-essiv:sha256" {
		t.Errorf("cipher mode %v", got)
	}
	if _, err := luks.Open(t.Context(), outer, outer.Report().Size, []byte("geheim 1")); !errors.Is(err, luks.ErrPassphrase) {
		t.Errorf("the first passphrase: %v", err)
	}
	result, err = eng.Convert(t.Context(), vetInside(t, eng, open(t, second), "geheim 2"), engine.ToFile(back), engine.ConvertOptions{To: "raw"})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(readFile(t, back), disk) || result.Tool.Name != "assay" {
		t.Error("another disk came back")
	}
	// It fails once qemu-img has the passphrase, and that is logged too.
	o := to("geheim 3", "")
	o.SizeLimit = 1 << 20
	if _, err := eng.Convert(t.Context(), vet(t, eng, openBytes(t, disk), engine.Claim("raw")), engine.ToFile(back+"2"), o); !isError[*qemuimg.ToolError](err) || strings.Contains(err.Error(), "geheim") {
		t.Errorf("too large: %v", err)
	}
	if said := log.String(); strings.Contains(said, "geheim") || strings.Count(said, "convert") < 4 {
		t.Errorf("logged: %s", said)
	}
}

// TestInside: what is inside of an image is vetted like any image, and changes
// and is used no more than the image that it is inside of.
func TestInside(t *testing.T) {
	disk := randomDisk(1 << 20)
	path := encryptedBy(t, "geheim", disk)
	eng := newEngine(t, engine.NewConfig().WithSpoolDir(t.TempDir()))
	dir := t.TempDir()
	dst := filepath.Join(dir, "out")
	convert := func(image *engine.Image, to string, o engine.ConvertOptions) error {
		_, err := eng.Convert(t.Context(), image, engine.ToFile(to), o)
		return err
	}
	image := vetInside(t, eng, open(t, path), "geheim")
	for _, o := range []engine.ConvertOptions{{To: "raw"}, {To: "raw", HandOff: engine.HandOffNBD}, {To: "qcow2"}} {
		to := filepath.Join(t.TempDir(), "out")
		if err := convert(image, to, o); err != nil {
			t.Errorf("%+v: %v", o, err)
		} else if o.To == "raw" && !bytes.Equal(readFile(t, to), disk) {
			t.Errorf("%+v: another disk", o)
		}
	}
	if err := convert(image, dst, engine.ConvertOptions{To: "raw", HandOff: engine.HandOffDescriptor}); !errors.Is(err, engine.ErrNotSupported) {
		t.Errorf("by descriptor: %v", err)
	}
	if err := convert(image, path, engine.ConvertOptions{To: "raw", Overwrite: true}); !isError[*destination.SourceError](err) {
		t.Errorf("onto the image it is inside of: %v", err)
	}
	outer := vet(t, eng, open(t, path), engine.Claim("luks"))
	o := engine.ConvertOptions{To: "luks", Encryption: qemuimg.Encryption{Passphrase: []byte("x")}}
	if err := convert(outer, dst, o); !isError[*engine.EncryptedError](err) || !errors.Is(err, engine.ErrNotSupported) {
		t.Errorf("encrypted twice: %v", err)
	}

	writer, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	// As qemu's programs lock what they write to: byte 101 says so.
	lock := unix.Flock_t{Type: unix.F_RDLCK, Start: 101, Len: 1}
	if err := unix.FcntlFlock(writer.Fd(), unix.F_OFD_SETLK, &lock); err != nil {
		t.Fatal(err)
	}
	if err := convert(image, dst, engine.ConvertOptions{To: "raw"}); !isError[*qemuimg.LockedError](err) {
		t.Errorf("of an image that is locked: %v", err)
	}
	lock.Type = unix.F_UNLCK
	if err := unix.FcntlFlock(writer.Fd(), unix.F_OFD_SETLK, &lock); err != nil {
		t.Fatal(err)
	}
	// Of the disk, and not of what was inspected.
	if _, err := writer.WriteAt([]byte("changed"), 2<<20+600_000); err != nil {
		t.Fatal(err)
	}
	if err := convert(image, dst, engine.ConvertOptions{To: "raw"}); !isError[*engine.SourceChangedError](err) {
		t.Errorf("of an image that was written to: %v", err)
	}
	if _, err := os.Stat(dst); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left: %v", err)
	}

	// One of another engine, and one that is closed.
	for name, outer := range map[string]*engine.Image{"another engine's": vet(t, newEngine(t, engine.NewConfig()), open(t, path)), "none": nil} {
		if _, err := eng.Inspect(t.Context(), engine.Inside(outer, bytes.NewReader(disk), int64(len(disk)))); !errors.Is(err, engine.ErrNotVetted) {
			t.Errorf("inside of %s: %v", name, err)
		}
	}
	outer.Close()
	if _, err := eng.Inspect(t.Context(), engine.Inside(outer, bytes.NewReader(disk), int64(len(disk)))); !errors.Is(err, engine.ErrNotVetted) {
		t.Errorf("inside of a closed one: %v", err)
	}
}

// TestHostileInside: an image that opens another file is refused inside of an
// encrypted one as anywhere, before there is anything to run.
func TestHostileInside(t *testing.T) {
	dir := t.TempDir()
	hostile := filepath.Join(dir, "hostile")
	needTools(t)
	tool(t, "qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", "/etc/passwd", "-F", "raw", hostile, "1M")
	path := encryptedBy(t, "geheim", readFile(t, hostile))
	eng := newEngine(t, engine.NewConfig().WithQemuImg("/nonexistent"))
	for _, claim := range []engine.Format{"raw", ""} {
		_, err := eng.Vet(t.Context(), inside(t, eng, open(t, path), "geheim"), engine.Claim(claim))
		rejected, ok := errors.AsType[*engine.RejectedError](err)
		if !ok {
			t.Fatalf("claimed %q: %v", claim, err)
		}
		if len(rejected.Report.References) != 1 || rejected.Report.References[0].Target != "/etc/passwd" {
			t.Errorf("claimed %q: %s", claim, text(rejected.Report))
		}
	}
}
