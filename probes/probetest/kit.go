package probetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/engine/sandbox"
)

// Options say how a Kit works. The zero value is a good default.
type Options struct {
	// Interpret keeps modules off wazero's compiler. That the engines agree is
	// then not checked, and a check takes longer.
	Interpret bool
	// Effort multiplies the number of damaged images that a check looks at; 0
	// is 1.
	Effort int
}

// Kit runs and checks modules. It is safe for concurrent use. What it loads it
// keeps until it is closed.
type Kit struct {
	effort      int
	interpreter *sandbox.Sandbox
	compiler    *sandbox.Sandbox // nil where there is none

	// shipped is an engine with the shipped probes, for what they say of the
	// images of other formats.
	shipped func() (*engine.Engine, error)
	opened  *engine.Engine
	// images are those that are of other formats than a module's.
	images func() []builtImage
}

// New opens a kit. Close it when it is no longer needed.
func New(ctx context.Context, o Options) (*Kit, error) {
	k := &Kit{effort: max(1, o.Effort), images: sync.OnceValue(buildImages)}
	var err error
	if k.interpreter, err = sandbox.New(ctx, sandbox.Config{Mode: sandbox.ModeInterpreter}); err != nil {
		return nil, err
	}
	if !o.Interpret {
		k.compiler, err = sandbox.New(ctx, sandbox.Config{Mode: sandbox.ModeCompiler, CompileThirdParty: true})
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return nil, errors.Join(err, k.interpreter.Close(ctx))
		}
		if err != nil {
			k.compiler = nil
		}
	}
	k.shipped = sync.OnceValues(func() (*engine.Engine, error) {
		eng, err := engine.New(context.WithoutCancel(ctx), engine.NewConfig())
		k.opened = eng
		return eng, err
	})
	return k, nil
}

// Close frees what the kit holds. No call may be under way.
func (k *Kit) Close(ctx context.Context) error {
	err := k.interpreter.Close(ctx)
	if k.compiler != nil {
		err = errors.Join(err, k.compiler.Close(ctx))
	}
	if k.opened != nil {
		err = errors.Join(err, k.opened.Close(ctx))
	}
	return err
}

// Probe is a module that passed the profile, in every engine that the kit
// has.
type Probe struct {
	modules []*sandbox.Module // the faster first
}

// Open checks a module against the profile. What is wrong with it is a
// *sandbox.ProfileError; nothing is compiled yet.
func (k *Kit) Open(wasm []byte) (*Probe, error) {
	p := &Probe{}
	for _, s := range []*sandbox.Sandbox{k.compiler, k.interpreter} {
		if s == nil {
			continue
		}
		m, err := s.Load(wasm, sandbox.ThirdParty)
		if err != nil {
			return nil, fmt.Errorf("probetest: %w", err)
		}
		p.modules = append(p.modules, m)
	}
	return p, nil
}

// Manifest returns what the module says of itself. It must not be changed.
func (p *Probe) Manifest() *sandbox.Manifest { return p.modules[0].Manifest() }

// SHA256 returns the digest of the module in hexadecimal.
func (p *Probe) SHA256() string { return p.modules[0].SHA256() }

// Size returns the size of the module in bytes.
func (p *Probe) Size() int { return p.modules[0].Size() }
