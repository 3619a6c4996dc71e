package probetest

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"testing"
)

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

// VectorExtension is how the names of files with vectors end.
const VectorExtension = ".vector"

// TestVectors drives a module by the vectors of a folder and what lies below,
// each a test of its own. There must be some.
//
//	func TestVectors(t *testing.T) {
//		probetest.TestVectors(t, wasm, os.DirFS("testdata"))
//	}
func TestVectors(t *testing.T, wasm []byte, folder fs.FS) {
	t.Helper()
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
	found := 0
	err = fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != VectorExtension {
			return err
		}
		found++
		t.Run(name, func(t *testing.T) {
			wrong, err := tryFile(t.Context(), p, folder, name)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range wrong {
				t.Error(w)
			}
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found == 0 {
		t.Fatalf("no file ends in %s", VectorExtension)
	}
}

func tryFile(ctx context.Context, p *Probe, folder fs.FS, name string) ([]string, error) {
	text, err := fs.ReadFile(folder, name)
	if err != nil {
		return nil, err
	}
	v, err := ParseVector(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p.Try(ctx, v)
}
