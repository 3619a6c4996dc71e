package probes_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/engine/sandbox"
	"github.com/assay-dev/assay/hostfuncs"
	"github.com/assay-dev/assay/probes"
	"github.com/google/go-cmp/cmp"
)

func shipped(t *testing.T) []probes.Module {
	t.Helper()
	modules, err := probes.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	return modules
}

// The engine does not start with a byte changed in any module.
func TestEngineRefusesChangedModule(t *testing.T) {
	for _, m := range shipped(t) {
		t.Run(m.Name, func(t *testing.T) {
			probes.ReplaceShipped(t, m.File, func(wasm []byte) []byte {
				wasm[len(wasm)/2] ^= 1
				return wasm
			})
			eng, err := engine.New(t.Context(), engine.NewConfig())
			if locked, ok := errors.AsType[*probes.LockError](err); !ok || locked.File != m.File || eng != nil {
				t.Fatalf("engine %v, error %v; want none and a *LockError for %s", eng, err, m.File)
			}
		})
	}
	eng, err := engine.New(t.Context(), engine.NewConfig())
	if err != nil {
		t.Fatalf("with the modules as they are: %v", err)
	}
	if err := eng.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Every module passes the profile, and its file, its manifest, its source and
// the lock agree on what it is.
func TestManifests(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("wasm", probes.LockFile))
	if err != nil {
		t.Fatal(err)
	}
	var lock probes.Lock
	if err := json.Unmarshal(text, &lock); err != nil {
		t.Fatal(err)
	}
	if lock.ABI != hostfuncs.ABIVersion || lock.Rustc == "" || lock.Linker == "" {
		t.Errorf("the lock is of ABI %d, rustc %q, linker %q", lock.ABI, lock.Rustc, lock.Linker)
	}
	box, err := sandbox.New(t.Context(), sandbox.Config{Mode: sandbox.ModeInterpreter})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close(t.Context())
	always := 0
	for _, m := range shipped(t) {
		t.Run(m.Name, func(t *testing.T) {
			loaded, err := box.Load(m.Wasm, sandbox.Shipped)
			if err != nil {
				t.Fatal(err)
			}
			manifest := loaded.Manifest()
			if manifest.Name != m.Name || loaded.SHA256() != m.SHA256 {
				t.Errorf("%s holds the probe %q with digest %s", m.File, manifest.Name, loaded.SHA256())
			}
			if _, err := engine.ParseFormat(manifest.Format); err != nil {
				t.Error(err)
			}
			if manifest.Always {
				always++
			}
			source, err := os.ReadFile(filepath.Join("src", m.Name, "manifest.json"))
			if err != nil {
				t.Fatal(err)
			}
			var want, got any
			if err := json.Unmarshal(source, &want); err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(manifest)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(text, &got); err != nil {
				t.Fatal(err)
			}
			// The budget is written out when it is absent.
			if w := want.(map[string]any); w["budget"] == nil {
				delete(got.(map[string]any), "budget")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("manifest in the module differs from its source (-source +module):\n%s", diff)
			}
		})
	}
	if always > 2 {
		t.Errorf("%d probes run on every image, at most 2 may", always)
	}
}
