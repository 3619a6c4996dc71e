// Package probes holds the probes that ship with Assay: WebAssembly modules,
// one a format, built from the sources in src.
//
// It protects against a module that is not the one that was reviewed: what
// Shipped returns has the size and the SHA-256 that probes.lock names, and the
// lock and the modules agree on what there is. Whether the lock is what the
// sources build is checked where there is a compiler (make check).
//
// The package says nothing of what the modules do; engine/sandbox loads them.
package probes

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed wasm
var embedded embed.FS

// shipped is the folder above wasm; tests put another one in its place.
var shipped fs.FS = embedded

// LockFile is the name of the lock in the folder of the modules.
const LockFile = "probes.lock"

// Lock says what the modules are and what they were built with.
type Lock struct {
	ABI     int            `json:"abi"`
	Rustc   string         `json:"rustc"`  // the compiler's own words
	Linker  string         `json:"linker"` // the linker's own words
	Modules []LockedModule `json:"modules"`
}

// LockedModule is one module of a Lock. Size is in bytes, SHA256 in lower-case
// hexadecimal.
type LockedModule struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// Module is a shipped probe.
type Module struct {
	Name   string // "qcow2"
	File   string // "qcow2.wasm"
	SHA256 string // of Wasm, in lower-case hexadecimal
	Wasm   []byte
}

// LockError says that a module is not what the lock says.
type LockError struct {
	File   string
	Reason string
}

// Error implements error.
func (e *LockError) Error() string {
	return fmt.Sprintf("probe %s: %s; build the probes with `make probes`", e.File, e.Reason)
}

// Shipped returns the modules in the order of the lock, each of them checked
// against it. When one is wrong it returns none, and a *LockError. The modules
// are the caller's to keep and change.
func Shipped() ([]Module, error) { return load(shipped, "wasm") }

// load is Shipped for any folder. An empty one is wrong too: to an engine
// without probes everything is raw.
func load(fsys fs.FS, dir string) ([]Module, error) {
	text, err := fs.ReadFile(fsys, path.Join(dir, LockFile))
	if err != nil {
		return nil, &LockError{LockFile, err.Error()}
	}
	var lock Lock
	if err := json.Unmarshal(text, &lock); err != nil {
		return nil, &LockError{LockFile, err.Error()}
	}
	if len(lock.Modules) == 0 {
		return nil, &LockError{LockFile, "it names no module"}
	}
	locked := map[string]bool{LockFile: true}
	modules := make([]Module, 0, len(lock.Modules))
	for _, m := range lock.Modules {
		if locked[m.File] {
			return nil, &LockError{m.File, "the lock names it twice"}
		}
		locked[m.File] = true
		wasm, err := fs.ReadFile(fsys, path.Join(dir, m.File))
		if err != nil {
			return nil, &LockError{m.File, err.Error()}
		}
		sum := sha256.Sum256(wasm)
		digest := hex.EncodeToString(sum[:])
		switch {
		case int64(len(wasm)) != m.Size:
			return nil, &LockError{m.File, fmt.Sprintf("it has %d bytes, the lock says %d", len(wasm), m.Size)}
		case digest != m.SHA256:
			return nil, &LockError{m.File, fmt.Sprintf("its SHA-256 is %s, the lock says %s", digest, m.SHA256)}
		}
		modules = append(modules, Module{strings.TrimSuffix(m.File, ".wasm"), m.File, digest, wasm})
	}
	present, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil, &LockError{LockFile, err.Error()}
	}
	for _, e := range present {
		if !locked[e.Name()] {
			return nil, &LockError{e.Name(), "the lock does not name it"}
		}
	}
	return modules, nil
}
