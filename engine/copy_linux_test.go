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
	"github.com/assay-dev/assay/native/qemuimg"
	"github.com/assay-dev/assay/testdata/images"
)

// A raw image, whatever is on it, becomes a raw one without any tool, of whole
// sectors as a tool would make it; the result says what did it.
func TestCopyRaw(t *testing.T) {
	eng := newEngine(t, engine.NewConfig().WithQemuImg("/nonexistent/qemu-img"))
	for name, disk := range map[string][]byte{
		"raw":         randomDisk(3 << 20),
		"odd size":    randomDisk(1<<20 + 1),
		"all zeros":   make([]byte, 1<<20),
		"one byte":    {1},
		"gpt":         append(images.GPT(512), randomDisk(1<<20)...),
		"iso":         images.ISO(),
		"luks":        images.LUKS1(),
		"luks 2":      images.LUKS2(),
		"with a tail": append(make([]byte, 2<<20), 1),
	} {
		for _, kind := range []string{"file", "reader"} {
			t.Run(name+" from a "+kind, func(t *testing.T) {
				source := engine.Source(engine.ReaderAt(bytes.NewReader(disk), int64(len(disk))))
				if kind == "file" {
					source = engine.File(openBytes(t, disk))
				}
				image, err := eng.Vet(t.Context(), source, engine.Claim("raw"))
				if err != nil {
					t.Fatal(err)
				}
				defer image.Close()
				done, total := int64(0), int64(0)
				dst := filepath.Join(t.TempDir(), "dst")
				result, err := eng.Convert(t.Context(), image, engine.ToFile(dst), engine.ConvertOptions{
					To: "raw", Progress: func(d, n int64) { done, total = d, n },
				})
				if err != nil {
					t.Fatal(err)
				}
				want := append(bytes.Clone(disk), make([]byte, -len(disk)&511)...)
				if !bytes.Equal(readFile(t, dst), want) {
					t.Error("the output is another disk")
				}
				if result.Tool.Name != "assay" || result.Tool.Version == "" || result.HandOff != engine.HandOffNone ||
					result.Layers == nil || len(result.Layers) != 0 || result.SourceMode != engine.SourcePinned ||
					result.Bytes != int64(len(want)) || result.AllocatedBytes > int64(len(want)+4095)/4096*4096 {
					t.Errorf("result %+v", result)
				}
				if done != result.Bytes || total != result.Bytes {
					t.Errorf("progress ended at %d of %d, want %d", done, total, result.Bytes)
				}
			})
		}
	}
}

// Only that needs no tool: of everything else the error says what to install.
func TestCopyIsForRawOnly(t *testing.T) {
	eng := newEngine(t, engine.NewConfig().WithQemuImg("/nonexistent/qemu-img"))
	raw := vet(t, eng, openBytes(t, randomDisk(1<<20)), engine.Claim("raw"))
	qcow2 := vet(t, eng, openBytes(t, images.Qcow2()))
	dir := t.TempDir()
	for name, tc := range map[string]struct {
		image *engine.Image
		o     engine.ConvertOptions
	}{
		"another target":   {raw, engine.ConvertOptions{To: "qcow2"}},
		"another source":   {qcow2, engine.ConvertOptions{To: "raw"}},
		"by a descriptor":  {raw, engine.ConvertOptions{To: "raw", HandOff: engine.HandOffDescriptor}},
		"over connections": {raw, engine.ConvertOptions{To: "raw", HandOff: engine.HandOffNBD}},
	} {
		if _, err := eng.Convert(t.Context(), tc.image, engine.ToFile(filepath.Join(dir, "x")), tc.o); !isError[*qemuimg.NotFoundError](err) {
			t.Errorf("%s: %v, want a NotFoundError", name, err)
		}
	}
	_, err := eng.Convert(t.Context(), raw, engine.ToFile(filepath.Join(dir, "x")), engine.ConvertOptions{To: "raw", SizeLimit: 1<<20 - 1})
	if limited, ok := errors.AsType[*qemuimg.ToolError](err); !ok || limited.Limit != qemuimg.LimitFileSize {
		t.Errorf("beyond the limit: %v", err)
	}
	nothingIn(t, dir)
}

// Whatever a writer does to a raw image while it is copied, there is no output,
// unless it is not done to the image at all.
func TestCopyWhileWritten(t *testing.T) {
	eng := newEngine(t, engine.NewConfig())
	whole, other := append(images.GPT(512), randomDisk(2<<20)...), randomDisk(2<<20)
	for _, w := range writers(other) {
		t.Run(w.name, func(t *testing.T) {
			dir := t.TempDir()
			source := filepath.Join(t.TempDir(), "source")
			if err := os.WriteFile(source, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			// Whatever the clock of the file system shows, it is later.
			if err := os.Chtimes(source, time.Time{}, time.Unix(1e9, 0)); err != nil {
				t.Fatal(err)
			}
			image := vet(t, eng, open(t, source), engine.Claim("raw"))
			f, err := os.OpenFile(source, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			written := false
			result, err := eng.Convert(t.Context(), image, engine.ToFile(filepath.Join(dir, "dst")), engine.ConvertOptions{
				To: "raw",
				Progress: func(int64, int64) {
					if !written {
						if err := w.do(source, f, whole); err != nil {
							t.Error(err)
						}
					}
					written = true
				},
			})
			if !written {
				t.Fatal("nothing was written")
			}
			if w.name == "swap the path" {
				if err != nil || result.Bytes != int64(len(whole)) || !bytes.Equal(readFile(t, filepath.Join(dir, "dst")), whole) {
					t.Errorf("the open file was not copied: %v", err)
				}
				return
			}
			if !isError[*engine.SourceChangedError](err) {
				t.Errorf("error %v, want a SourceChangedError", err)
			}
			nothingIn(t, dir)
		})
	}
}

// A copy that is cancelled leaves nothing.
func TestCopyCancelled(t *testing.T) {
	eng := newEngine(t, engine.NewConfig())
	image := vet(t, eng, openBytes(t, randomDisk(8<<20)), engine.Claim("raw"))
	for at := range 6 {
		ctx, cancel := context.WithCancel(t.Context())
		dir := t.TempDir()
		calls := 0
		_, err := eng.Convert(ctx, image, engine.ToFile(filepath.Join(dir, "dst")), engine.ConvertOptions{To: "raw", Progress: func(int64, int64) {
			if calls++; calls > at {
				cancel()
			}
		}})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled after %d parts: %v", at, err)
		}
		nothingIn(t, dir)
	}
}
