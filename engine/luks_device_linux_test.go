package engine_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/native/destination"
	"github.com/assay-dev/assay/native/qemuimg"
)

// An encrypted volume is LUKS on a device: plain qemu-img finds the disk there
// by the passphrase, nothing of what the device held is left, and behind the
// disk there are zeros, or what was there.
func TestLUKSToDevice(t *testing.T) {
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	// Zeros in between: they are encrypted too.
	disk := append(append(randomDisk(300_000), make([]byte, 1<<20)...), randomDisk(512<<10)...)
	disk = append(disk, make([]byte, -len(disk)&511)...)
	dir := quickDir(t)
	raw, qcow2, secret := filepath.Join(dir, "raw"), filepath.Join(dir, "qcow2"), filepath.Join(dir, "secret")
	for path, data := range map[string][]byte{raw: disk, secret: []byte("geheim")} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tool(t, "qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, qcow2)
	const behind = 1 << 20
	for i, c := range []struct {
		from, sector, cipher string
		claim                engine.Format
		behind               int // bytes of the device that are not needed
		keep                 bool
	}{
		{raw, "512", "", "raw", 0, false},
		{qcow2, "4096", "aes-cbc-essiv:sha256", "qcow2", behind, false},
		{qcow2, "512", "serpent-xts-plain64", "qcow2", behind, true},
		{raw, "4096", "twofish-cbc-plain", "raw", behind, true},
	} {
		if i >= 2 && !long() {
			break // qemu-img takes seconds to measure how fast it derives a key
		}
		t.Run(c.sector+" "+string(c.claim), func(t *testing.T) {
			encryption := qemuimg.Encryption{Passphrase: []byte("geheim"), Cipher: c.cipher, IterTime: 10 * time.Millisecond}
			end := int(encryption.HeaderSize()) + len(disk)
			size := end + c.behind
			size += -size & 4095
			device := loopDevice(t, size, c.sector)
			result := convertTo(t, eng, c.from, c.claim, engine.ToDevice(device), engine.ConvertOptions{To: "luks", KeepTail: c.keep, Encryption: encryption})
			if result.Bytes != int64(end) || result.AllocatedBytes != result.Bytes || result.VirtualSize != int64(len(disk)) {
				t.Errorf("result %s", text(result))
			}
			got := readFile(t, device)
			if len(got) != size {
				t.Fatalf("%d bytes", len(got))
			}
			tail := byte(0)
			if c.keep {
				tail = 0xff
			}
			if !bytes.Equal(got[end:], bytes.Repeat([]byte{tail}, size-end)) {
				t.Error("what is behind the disk is something else")
			}
			if bytes.Contains(got[:end], bytes.Repeat([]byte{0xff}, 64)) {
				t.Error("there is something of what the device held")
			}
			// The disk reaches to the end of the device.
			back := filepath.Join(t.TempDir(), "back")
			tool(t, "qemu-img", "convert", "--object", "secret,id=s,file="+secret, "--image-opts",
				"driver=luks,key-secret=s,file.driver=host_device,file.filename="+device, "-O", "raw", back)
			if whole := readFile(t, back); len(whole) != size-int(encryption.HeaderSize()) || !bytes.Equal(whole[:len(disk)], disk) {
				t.Errorf("another disk, of %d bytes", len(whole))
			}
		})
	}
}

// The header of LUKS needs room too: one sector less is refused before anything
// is written. What is not completed leaves zeros.
func TestLUKSToDeviceRoom(t *testing.T) {
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	disk := randomDisk(1 << 20)
	convert := func(ctx context.Context, device string, progress func(done, total int64)) error {
		image := vet(t, eng, openBytes(t, disk), engine.Claim("raw"))
		_, err := eng.Convert(ctx, image, engine.ToDevice(device), engine.ConvertOptions{
			To: "luks", Encryption: qemuimg.Encryption{Passphrase: []byte("geheim"), IterTime: 10 * time.Millisecond}, Progress: progress,
		})
		return err
	}
	need := int((&qemuimg.Encryption{}).HeaderSize()) + len(disk)
	small := loopDevice(t, need-512, "512")
	if err := convert(t.Context(), small, nil); !isError[*destination.TooSmallError](err) {
		t.Errorf("a sector is missing: %v", err)
	}
	if !bytes.Equal(readFile(t, small), bytes.Repeat([]byte{0xff}, need-512)) {
		t.Error("refused, the device was written to")
	}
	const behind = 1 << 20
	device := loopDevice(t, need+behind, "512")
	ctx, cancel := context.WithCancel(t.Context())
	if err := convert(ctx, device, func(done, total int64) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if !bytes.Equal(readFile(t, device), append(make([]byte, need), bytes.Repeat([]byte{0xff}, behind)...)) {
		t.Error("cancelled, the device holds something else")
	}
}
