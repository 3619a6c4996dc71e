// Package engine vets untrusted disk images and hands only vetted ones to
// native tools.
//
//	eng, err := engine.New(ctx, engine.NewConfig())
//	defer eng.Close(ctx)
//	report, err := eng.Inspect(ctx, engine.File(f), engine.Claim("qcow2"))
//
// Inspect says what an image is: its format, the size of its disk, every
// external reference, and what is wrong with it, each finding with the offset
// it was read at and the severity that the policy gives it. An error means
// that the image could not be looked at; what is wrong with the image is in
// the report. Vet is Inspect at full depth that returns an Image to work with,
// or a *RejectedError. Convert takes such an Image and nothing else.
//
// What the package protects: bytes of an image are interpreted only by probes
// in a WebAssembly sandbox, under budgets; what a probe cannot finish rejects
// the image. The strict policy rejects whatever would make a later reader
// open another file, misread the size or the format, or read zeros for data
// that is not there.
//
// What it does not do: it says nothing about the contents of the disk (file
// systems, malware), and a raw image is accepted for what it is, any bytes.
//
// An Engine is safe for concurrent use; every call honours its context; the
// package has no global state and writes only where it is told to.
package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/assay-dev/assay/engine/sandbox"
	"github.com/assay-dev/assay/native/confine"
	"github.com/assay-dev/assay/native/qemuimg"
	"github.com/assay-dev/assay/native/throttle"
	"github.com/assay-dev/assay/probes"
)

// Engine inspects, vets and converts images under one configuration. Make it
// with New, end it with Close.
type Engine struct {
	config  Config
	sandbox *sandbox.Sandbox
	probes  []*sandbox.Module // in order of name
	// headBytes and tailBytes are what the signatures of all probes look at.
	headBytes, tailBytes int

	runs      chan struct{} // one token a running inspection
	processes chan struct{} // one token a child process
	spooled   atomic.Int64  // bytes in all spools
	throttles []*throttle.Throttle

	toolMu sync.Mutex
	tools  map[bool]*qemuimg.Tool // found so far; by ConvertOptions.BestEffort

	calls  sync.RWMutex // held for reading by every call, for writing by Close
	closed bool
}

// New checks the configuration and loads the probes: the shipped ones against
// their lock file, then those of the configuration, each against the profile
// of the sandbox. Nothing is compiled before it is needed.
func New(ctx context.Context, config *Config) (*Engine, error) {
	e := &Engine{config: *config, tools: map[bool]*qemuimg.Tool{}}
	if e.config.maxRuns < 1 || e.config.maxProcesses < 1 || e.config.maxSpool < 0 || e.config.maxMetadata < 0 {
		return nil, errors.New("engine: bounds of the configuration must be positive")
	}
	for _, name := range e.config.layers {
		if !slices.Contains(confine.LayerNames(), name) {
			return nil, fmt.Errorf("engine: there is no layer of confinement %q", name)
		}
	}
	e.runs = make(chan struct{}, e.config.maxRuns)
	e.processes = make(chan struct{}, e.config.maxProcesses)
	var err error
	if e.throttles, err = e.config.newThrottles(); err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	shipped, err := probes.Shipped()
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	if e.sandbox, err = sandbox.New(ctx, e.config.sandbox); err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	var given []candidate
	for _, m := range shipped {
		given = append(given, candidate{m.File, m.Wasm, sandbox.Shipped})
	}
	for i, p := range e.config.probes {
		given = append(given, candidate{fmt.Sprintf("third-party probe %d", i+1), p.Wasm, sandbox.ThirdParty})
	}
	if err := e.load(given); err != nil {
		return nil, errors.Join(fmt.Errorf("engine: %w", err), e.sandbox.Close(ctx))
	}
	return e, nil
}

// A candidate is a module that is to be loaded as a probe.
type candidate struct {
	name  string
	wasm  []byte
	trust sandbox.Trust
}

// load loads probes, beside each other, and takes those that are fit in the
// order in which they are given. Its error is of all others.
func (e *Engine) load(given []candidate) error {
	modules, errs := make([]*sandbox.Module, len(given)), make([]error, len(given))
	var loading sync.WaitGroup
	for i, c := range given {
		loading.Go(func() { modules[i], errs[i] = e.sandbox.Load(c.wasm, c.trust) })
	}
	loading.Wait()
	for i, c := range given {
		if errs[i] == nil {
			errs[i] = e.add(modules[i])
		}
		if errs[i] != nil {
			errs[i] = fmt.Errorf("%s: %w", c.name, errs[i])
		}
	}
	return errors.Join(errs...)
}

// add takes a module as the last of the probes.
func (e *Engine) add(m *sandbox.Module) error {
	manifest := m.Manifest()
	if _, ok := formats[Format(manifest.Format)]; !ok {
		return fmt.Errorf("format %q of the manifest is not known", manifest.Format)
	}
	for _, other := range e.probes {
		if other.Manifest().Name == manifest.Name {
			return fmt.Errorf("a probe named %q is loaded already", manifest.Name)
		}
	}
	e.headBytes = max(e.headBytes, manifest.HeadBytes())
	e.tailBytes = max(e.tailBytes, manifest.TailBytes())
	e.probes = append(e.probes, m)
	return nil
}

// Policy returns the policy that the engine judges by.
func (e *Engine) Policy() Policy { return e.config.policy }

// Probes returns the loaded probes in the order they run.
func (e *Engine) Probes() []*sandbox.Module { return append([]*sandbox.Module(nil), e.probes...) }

// Sandbox returns the engine's sandbox, for what it can tell about itself.
func (e *Engine) Sandbox() *sandbox.Sandbox { return e.sandbox }

// Close waits for calls that are under way and frees the sandbox. Images that
// this engine vetted are refused from then on. It may be called again.
func (e *Engine) Close(ctx context.Context) error {
	e.calls.Lock()
	defer e.calls.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	return e.sandbox.Close(ctx)
}

// admit lets a call in; the function it returns ends the call. A call admits
// itself once.
func (e *Engine) admit() (leave func(), err error) {
	e.calls.RLock()
	if e.closed {
		e.calls.RUnlock()
		return nil, ErrClosed
	}
	return e.calls.RUnlock, nil
}

// turn takes a token of slots; the function it returns gives it back.
func turn(ctx context.Context, slots chan struct{}) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case slots <- struct{}{}:
		return func() { <-slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
