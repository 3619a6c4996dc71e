package probetest

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"testing"
)

// VectorExtension is how the names of files with vectors end.
const VectorExtension = ".vector"

// Try runs a module over a vector and says what is wrong; nothing when all is
// well. An error says that it could not be tried.
func (p *Probe) Try(ctx context.Context, v *Vector) ([]string, error) {
	r, err := p.Run(ctx, v.Input)
	if unsteady, ok := err.(*UnsteadyError); ok {
		return []string{unsteady.Error()}, nil
	}
	if err != nil {
		return nil, err
	}
	return v.Judge(r), nil
}

// ReadVectors reads the vectors of a folder and what lies below, in the order
// of their names. The first comment of each is its name.
func ReadVectors(folder fs.FS) ([]*Vector, error) {
	var vectors []*Vector
	err := fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != VectorExtension {
			return err
		}
		text, err := fs.ReadFile(folder, name)
		if err != nil {
			return err
		}
		v, err := ParseVector(text)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		v.Comment = append([]string{name}, v.Comment...)
		vectors = append(vectors, v)
		return nil
	})
	return vectors, err
}

// TestVectors drives a module by the vectors of a folder and what lies below,
// each a test of its own. There must be some.
//
//	func TestVectors(t *testing.T) {
//		probetest.TestVectors(t, wasm, os.DirFS("testdata"))
//	}
func TestVectors(t *testing.T, wasm []byte, folder fs.FS) {
	t.Helper()
	vectors, err := ReadVectors(folder)
	if err != nil {
		t.Fatal(err)
	}
	if len(vectors) == 0 {
		t.Fatalf("no file ends in %s", VectorExtension)
	}
	kit, err := New(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kit.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	p, err := kit.Open(wasm)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		t.Run(v.Comment[0], func(t *testing.T) {
			wrong, err := p.Try(t.Context(), v)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range wrong {
				t.Error(w)
			}
		})
	}
}
