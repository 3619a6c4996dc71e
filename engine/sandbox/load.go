package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tetratelabs/wazero"

	"github.com/assay-dev/assay/hostfuncs"
)

// Trust says where a module comes from.
type Trust uint8

const (
	// ThirdParty modules always run interpreted, unless
	// Config.CompileThirdParty allows otherwise.
	ThirdParty Trust = iota
	// Shipped modules are ours, by their hash in the lock file of package
	// probes, which the caller has compared: what only wazero can tell of a
	// module (Module.rewrite) is not asked again. To call another one that is
	// to give it the meter that holds it.
	Shipped
)

// Module is a module that passed the profile. It is safe for concurrent use.
type Module struct {
	sandbox  *Sandbox
	trust    Trust
	wasm     []byte
	parsed   *module
	manifest *Manifest
	sha256   string

	metered     func() ([]byte, error)
	interpreted func() (*code, error)
	compiled    func() (*code, error)
	// interpretedFuel is what runs on the interpreter have spent so far.
	interpretedFuel atomic.Int64
}

// Load checks a module against the profile and reads its manifest. It compiles
// nothing, takes time and memory in proportion to the module's size, which is
// at most 64 KiB, and keeps a copy of wasm. What is wrong with the module is a
// *ProfileError.
func (s *Sandbox) Load(wasm []byte, trust Trust) (*Module, error) {
	m, err := load(wasm)
	if err != nil {
		return nil, err
	}
	m.sandbox, m.trust = s, trust
	m.metered = sync.OnceValues(m.rewrite)
	m.interpreted = sync.OnceValues(func() (*code, error) {
		return m.compile(func() (wazero.Runtime, error) { return s.interpreter, nil })
	})
	m.compiled = sync.OnceValues(func() (*code, error) { return m.compile(s.compiler) })
	return m, nil
}

// load is Load without a sandbox.
func load(wasm []byte) (*Module, error) {
	parsed, fault := parse(wasm)
	if fault == nil {
		fault = parsed.checkCalls()
	}
	if fault != nil {
		return nil, fault
	}
	manifest, err := parsed.readManifest(wasm)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(wasm)
	return &Module{
		wasm: slices.Clone(wasm), parsed: parsed, manifest: manifest, sha256: hex.EncodeToString(sum[:]),
	}, nil
}

// readManifest reads the manifest and checks it against the module.
func (m *module) readManifest(wasm []byte) (*Manifest, error) {
	fail := func(format string, args ...any) (*Manifest, error) {
		return nil, &ProfileError{m.manifest.from, RuleManifest, fmt.Sprintf(format, args...)}
	}
	if m.manifest == (span{}) {
		return fail("section %s is missing", hostfuncs.ManifestSection)
	}
	manifest, err := parseManifest(m.manifest.of(wasm))
	if err != nil {
		return fail("%v", err)
	}
	if end := uint64(m.window) + uint64(manifest.Window); end > uint64(m.pages)*pageSize {
		return fail("window of %d bytes at %d does not fit in a memory of %d pages", manifest.Window, m.window, m.pages)
	}
	return manifest, nil
}

// Manifest returns what the module says of itself. It must not be changed.
func (m *Module) Manifest() *Manifest { return m.manifest }

// SHA256 returns the digest of the module as it was loaded, in hexadecimal.
func (m *Module) SHA256() string { return m.sha256 }

// Size returns the size of the module as it was loaded, in bytes.
func (m *Module) Size() int { return len(m.wasm) }
