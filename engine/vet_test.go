package engine_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/testdata/images"
)

// openBytes writes data to a file and opens it.
func openBytes(t testing.TB, data []byte) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func vet(t testing.TB, eng *engine.Engine, f *os.File, opts ...engine.Option) *engine.Image {
	t.Helper()
	image, err := eng.Vet(t.Context(), engine.File(f), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = image.Close() })
	return image
}

func TestVetRejects(t *testing.T) {
	eng := newEngine(t, engine.NewConfig())
	f := openBytes(t, images.Qcow2(images.Backing("/etc/passwd")))
	_, err := eng.Vet(t.Context(), engine.File(f))
	rejected, ok := errors.AsType[*engine.RejectedError](err)
	if !ok {
		t.Fatalf("error %v, want a RejectedError", err)
	}
	if rejected.Report.Accepted || !strings.Contains(err.Error(), "qcow2.backing-file") || !strings.Contains(err.Error(), "/etc/passwd") {
		t.Errorf("error %q", err)
	}
}

// An Image cannot be made, copied or edited into acceptance.
func TestImageCannotBeForged(t *testing.T) {
	eng, other := newEngine(t, engine.NewConfig()), newEngine(t, engine.NewConfig())
	f := openBytes(t, images.Qcow2())
	dst := filepath.Join(t.TempDir(), "out.raw")
	for name, forge := range map[string]func() *engine.Image{
		"nil":     func() *engine.Image { return nil },
		"zero":    func() *engine.Image { return new(engine.Image) },
		"foreign": func() *engine.Image { return vet(t, other, f) },
		"closed": func() *engine.Image {
			i := vet(t, eng, f)
			if err := i.Close(); err != nil {
				t.Error(err)
			}
			return i
		},
		"edited verdict": func() *engine.Image {
			i := vet(t, eng, f)
			i.Report().Format = "raw"
			return i
		},
		"edited finding": func() *engine.Image {
			i := vet(t, eng, f)
			i.Report().Properties["qcow2.version"] = uint64(9)
			return i
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := eng.Convert(t.Context(), forge(), engine.ToFile(dst), engine.ConvertOptions{To: "raw"})
			if !errors.Is(err, engine.ErrNotVetted) {
				t.Errorf("error %v, want ErrNotVetted", err)
			}
			if _, err := os.Lstat(dst); err == nil {
				t.Error("a destination appeared")
			}
		})
	}
}

// A change of a byte that was looked at (the tail too, where a format could
// have had its footer), or of the size, is noticed; one of a byte that was
// not is none of the verdict's business.
func TestImageCheck(t *testing.T) {
	eng := newEngine(t, engine.NewConfig())
	data := append(images.Qcow2(), make([]byte, 1<<20)...)
	for name, tc := range map[string]struct {
		change func(*os.File) error
		want   bool
	}{
		"nothing": {func(*os.File) error { return nil }, false},
		"header":  {func(f *os.File) error { _, err := f.WriteAt([]byte{9}, 40); return err }, true},
		"unseen":  {func(f *os.File) error { _, err := f.WriteAt([]byte{9}, 512<<10); return err }, false},
		"tail":    {func(f *os.File) error { _, err := f.WriteAt([]byte{9}, int64(len(data))-1); return err }, true},
		"grown":   {func(f *os.File) error { return f.Truncate(int64(len(data)) + 1) }, true},
		"cut":     {func(f *os.File) error { return f.Truncate(int64(len(data)) - 1) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := openBytes(t, data)
			image := vet(t, eng, f)
			if err := tc.change(f); err != nil {
				t.Fatal(err)
			}
			err := image.Check()
			changed, ok := errors.AsType[*engine.SourceChangedError](err)
			if ok != tc.want {
				t.Fatalf("Check: %v", err)
			}
			if ok && changed.Source != f.Name() {
				t.Errorf("the error names %q", changed.Source)
			}
		})
	}
}

func TestVetReaderAt(t *testing.T) {
	eng := newEngine(t, engine.NewConfig())
	data := images.Qcow2()
	image, err := eng.Vet(t.Context(), engine.ReaderAt(bytes.NewReader(data), int64(len(data))), engine.Named("disk.qcow2"))
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	r := image.Report()
	if r.Source != "disk.qcow2" || r.Depth != "deep" || r.Inspected.SHA256 == "" {
		t.Errorf("source %q, depth %q, sha256 %q", r.Source, r.Depth, r.Inspected.SHA256)
	}
}
