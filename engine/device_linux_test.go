package engine_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/native/destination"
)

// loopDevice makes a block device of size bytes that holds 0xff everywhere.
func loopDevice(t *testing.T, size int, sector string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("loop devices need root")
	}
	backing := filepath.Join(t.TempDir(), "backing")
	if err := os.WriteFile(backing, bytes.Repeat([]byte{0xff}, size), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("losetup", "--find", "--show", "--sector-size", sector, backing).Output()
	if err != nil {
		unavailable(t, "losetup: %v", err)
	}
	path := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if out, err := exec.Command("losetup", "--detach", path).CombinedOutput(); err != nil {
			t.Errorf("losetup: %v: %s", err, out)
		}
	})
	return path
}

// On a device that held something else there is the disk afterwards, and
// behind it zeros, or what was there: whether a tool wrote it or the engine.
func TestConvertToDevice(t *testing.T) {
	needTools(t)
	const size = 6 << 20
	disk := append(append(randomDisk(1<<20), make([]byte, 2<<20)...), randomDisk(512<<10)...)
	eng := newEngine(t, engine.NewConfig())
	dir := quickDir(t)
	raw, qcow2 := filepath.Join(dir, "raw"), filepath.Join(dir, "qcow2")
	if err := os.WriteFile(raw, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, qcow2)
	for _, sector := range []string{"512", "4096"} {
		for from, claim := range map[string]engine.Format{raw: "raw", qcow2: "qcow2"} {
			for _, keep := range []bool{false, true} {
				t.Run(sector+" "+string(claim)+map[bool]string{true: " keep"}[keep], func(t *testing.T) {
					device := loopDevice(t, size, sector)
					before, err := os.Stat(device)
					if err != nil {
						t.Fatal(err)
					}
					result := convertTo(t, eng, from, claim, engine.ToDevice(device), engine.ConvertOptions{To: "raw", KeepTail: keep})
					if result.Bytes != int64(len(disk)) || result.VirtualSize != int64(len(disk)) {
						t.Errorf("result %+v", result)
					}
					f, err := os.Open(device)
					if err != nil {
						t.Fatal(err)
					}
					defer f.Close()
					got, err := io.ReadAll(f)
					if err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(got[:len(disk)], disk) {
						t.Error("the device holds another disk")
					}
					tail := byte(0)
					if keep {
						tail = 0xff
					}
					if !bytes.Equal(got[len(disk):], bytes.Repeat([]byte{tail}, size-len(disk))) {
						t.Error("what is behind the disk is something else")
					}
					after, err := os.Stat(device)
					if err != nil {
						t.Fatal(err)
					}
					if owner(t, before) != owner(t, after) || before.Mode() != after.Mode() {
						t.Error("the device has another owner or mode")
					}
				})
			}
		}
	}
}

// A device that cannot take the disk is refused with all it holds, and one
// where the work failed holds zeros where the disk would be.
func TestConvertToDeviceRefused(t *testing.T) {
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	disk := randomDisk(1 << 20)
	vet := func(t *testing.T) *engine.Image {
		image, err := eng.Vet(t.Context(), engine.File(openBytes(t, disk)), engine.Claim("raw"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { image.Close() })
		return image
	}
	holds := func(t *testing.T, device string, want []byte) {
		t.Helper()
		if got := readFile(t, device); !bytes.Equal(got, want) {
			t.Error("the device holds something else")
		}
	}
	t.Run("too small", func(t *testing.T) {
		device := loopDevice(t, 512<<10, "512")
		_, err := eng.Convert(t.Context(), vet(t), engine.ToDevice(device), engine.ConvertOptions{To: "raw"})
		if !isError[*destination.TooSmallError](err) {
			t.Errorf("got %v", err)
		}
		holds(t, device, bytes.Repeat([]byte{0xff}, 512<<10))
	})
	t.Run("busy", func(t *testing.T) {
		device := loopDevice(t, 2<<20, "512")
		f, err := os.OpenFile(device, os.O_RDWR|os.O_EXCL, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = eng.Convert(t.Context(), vet(t), engine.ToDevice(device), engine.ConvertOptions{To: "raw"})
		f.Close()
		if !isError[*destination.BusyError](err) {
			t.Errorf("got %v", err)
		}
		holds(t, device, bytes.Repeat([]byte{0xff}, 2<<20))
	})
	t.Run("another format", func(t *testing.T) {
		device := loopDevice(t, 2<<20, "512")
		_, err := eng.Convert(t.Context(), vet(t), engine.ToDevice(device), engine.ConvertOptions{To: "qcow2"})
		if !errors.Is(err, engine.ErrNotSupported) {
			t.Errorf("got %v", err)
		}
		holds(t, device, bytes.Repeat([]byte{0xff}, 2<<20))
	})
	for _, handOff := range []string{"", engine.HandOffNBD} {
		t.Run("cancelled "+handOff, func(t *testing.T) {
			device := loopDevice(t, 2<<20, "512")
			ctx, cancel := context.WithCancel(t.Context())
			_, err := eng.Convert(ctx, vet(t), engine.ToDevice(device), engine.ConvertOptions{
				To: "raw", HandOff: handOff, Progress: func(done, total int64) { cancel() },
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			holds(t, device, append(make([]byte, 1<<20), bytes.Repeat([]byte{0xff}, 1<<20)...))
		})
	}
}

// convertTo vets an image and converts it.
func convertTo(t *testing.T, eng *engine.Engine, from string, claim engine.Format, to engine.Destination, o engine.ConvertOptions) *engine.ConvertResult {
	t.Helper()
	f, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	image, err := eng.Vet(t.Context(), engine.File(f), engine.Claim(claim))
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	result, err := eng.Convert(t.Context(), image, to, o)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// owner is the user and the group of a file.
func owner(t *testing.T, info os.FileInfo) [2]uint32 {
	t.Helper()
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatalf("%T", info.Sys())
	}
	return [2]uint32{st.Uid, st.Gid}
}
