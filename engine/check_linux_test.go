package engine_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/native/confine"
	"github.com/assay-dev/assay/testdata/images"
)

// A check takes vetted images only, of a file, a reader or a stream; says how
// it was done; and finds nothing in what qemu-img made.
func TestCheck(t *testing.T) {
	needTools(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "a.qcow2")
	tool(t, "qemu-img", "create", "-q", "-f", "qcow2", path, "24M")
	tool(t, "qemu-io", "-c", "write -q -P 3 1M 3M", path)
	eng := newEngine(t, engine.NewConfig().WithSpoolDir(dir))
	before := readFile(t, path)
	for name, source := range map[string]engine.Source{
		"file":   engine.File(open(t, path)),
		"reader": engine.ReaderAt(bytes.NewReader(before), int64(len(before))),
		"stream": engine.Stream(bytes.NewReader(before)),
	} {
		image, err := eng.Vet(t.Context(), source)
		if err != nil {
			t.Fatal(err)
		}
		defer image.Close()
		for _, handOff := range []string{engine.HandOffNBD, engine.HandOffDescriptor} {
			r, err := eng.Check(t.Context(), image, engine.CheckOptions{HandOff: handOff})
			if err != nil {
				t.Fatalf("%s by %s: %v", name, handOff, err)
			}
			if !r.Clean || r.Format != "qcow2" || r.VirtualSize != 24<<20 || r.Clusters == nil || r.Clusters.Total != 384 || r.Clusters.Allocated != 48 ||
				r.Tool.Name != "qemu-img" || r.SourceMode != engine.SourcePinned || r.HandOff != handOff || r.Inspected.SHA256 == "" ||
				!slices.Contains(r.Layers, confine.LayerSeccomp) || r.DurationMicros <= 0 {
				t.Errorf("%s by %s: %s", name, handOff, text(r))
			}
		}
	}
	if !bytes.Equal(readFile(t, path), before) {
		t.Error("the image was changed")
	}
}

// Nothing but an open image of this engine, unedited, reaches the tool; and
// what became of its file is noticed.
func TestCheckAndCompareRefuse(t *testing.T) {
	needTools(t)
	eng, other := newEngine(t, engine.NewConfig()), newEngine(t, engine.NewConfig())
	good := func() *engine.Image { return vet(t, eng, openBytes(t, images.Qcow2())) }
	closed, edited, foreign := good(), good(), vet(t, other, openBytes(t, images.Qcow2()))
	closed.Close()
	edited.Report().Accepted = false
	calls := map[string]func(*engine.Image) error{
		"check": func(i *engine.Image) error { _, err := eng.Check(t.Context(), i, engine.CheckOptions{}); return err },
		"compare, first": func(i *engine.Image) error {
			_, err := eng.Compare(t.Context(), i, good(), engine.CompareOptions{})
			return err
		},
		"compare, second": func(i *engine.Image) error {
			_, err := eng.Compare(t.Context(), good(), i, engine.CompareOptions{})
			return err
		},
	}
	for name, call := range calls {
		if err := call(good()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for why, image := range map[string]*engine.Image{"nil": nil, "zero": {}, "closed": closed, "edited": edited, "foreign": foreign} {
			if err := call(image); !errors.Is(err, engine.ErrNotVetted) {
				t.Errorf("%s: %s: %v", name, why, err)
			}
		}
		f := openBytes(t, images.Qcow2())
		image := vet(t, eng, f)
		if _, err := f.WriteAt([]byte{1}, 100); err != nil {
			t.Fatal(err)
		}
		if err := call(image); !isError[*engine.SourceChangedError](err) {
			t.Errorf("%s of a changed source: %v", name, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := eng.Check(ctx, good(), engine.CheckOptions{}); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	}
	raw := vet(t, eng, openBytes(t, randomDisk(4096)), engine.Claim("raw"))
	if _, err := eng.Check(t.Context(), raw, engine.CheckOptions{}); !errors.Is(err, engine.ErrNotSupported) {
		t.Errorf("raw: %v", err)
	}
}

// The disks of two images are compared whatever their formats.
func TestCompare(t *testing.T) {
	needTools(t)
	dir := t.TempDir()
	disk := randomDisk(1 << 20)
	changed := bytes.Clone(disk)
	changed[700<<10] ^= 1
	eng := newEngine(t, engine.NewConfig().WithSpoolDir(dir))
	packed := filepath.Join(dir, "a.vmdk")
	plain := openBytes(t, disk)
	tool(t, "qemu-img", "convert", "-f", "raw", "-O", "vmdk", plain.Name(), packed)
	a := vet(t, eng, open(t, packed))
	same, err := eng.Vet(t.Context(), engine.Stream(bytes.NewReader(disk)), engine.Claim("raw"))
	if err != nil {
		t.Fatal(err)
	}
	defer same.Close()
	for _, c := range []struct {
		b         *engine.Image
		identical bool
		offset    int64
	}{
		{same, true, 0}, {vet(t, eng, openBytes(t, changed), engine.Claim("raw")), false, 700 << 10},
	} {
		r, err := eng.Compare(t.Context(), a, c.b, engine.CompareOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Identical != c.identical || (r.Offset == nil) != c.identical || r.Offset != nil && *r.Offset != c.offset ||
			r.A.Format != "vmdk" || r.B.Format != "raw" || r.A.VirtualSize != 1<<20 || r.B.Inspected.SHA256 == "" ||
			r.SourceMode != engine.SourcePinned || !slices.Contains(r.Layers, confine.LayerSeccomp) {
			t.Errorf("got %s", text(r))
		}
	}
}
