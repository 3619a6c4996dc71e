package engine_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/native/qemuimg"
)

// allZeros are a disk of them.
type allZeros struct{}

func (allZeros) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }

// A disk that the format cannot hold is refused before a tool is looked for.
func TestConvertBeyondCapacity(t *testing.T) {
	eng := newEngine(t, engine.NewConfig().WithQemuImg("/nonexistent/qemu-img"))
	const size = 8<<40 + 512
	image, err := eng.Vet(t.Context(), engine.ReaderAt(allZeros{}, size), engine.Claim("raw"))
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	dir := t.TempDir()
	for _, o := range []engine.ConvertOptions{
		{To: "vhd", Subformat: "fixed"}, {To: "vmdk"}, {To: "qcow2", Options: map[string]string{"cluster_size": "4096"}},
	} {
		_, err := eng.Convert(t.Context(), image, engine.ToFile(filepath.Join(dir, "dst")), o)
		tooLarge, ok := errors.AsType[*qemuimg.CapacityError](err)
		if !ok || tooLarge.Size != size || tooLarge.Limit >= size || !errors.Is(err, engine.ErrNotSupported) {
			t.Errorf("%s: %v", outputName(o), err)
		}
	}
	nothingIn(t, dir)
}
