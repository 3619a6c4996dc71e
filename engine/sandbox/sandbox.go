package sandbox

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/assay-dev/assay/hostfuncs"
)

// Mode says which of wazero's engines run probes.
type Mode string

// The modes. Results are the same in all of them.
const (
	// ModeAuto starts a module on the interpreter and compiles it when that
	// pays; where executable memory is not to be had it stays interpreted.
	ModeAuto Mode = "auto"
	// ModeCompiler compiles a module before its first run.
	ModeCompiler Mode = "compiler"
	// ModeInterpreter compiles nothing and needs no executable memory.
	ModeInterpreter Mode = "interpreter"
)

// Config is how a sandbox runs modules. The zero value is a good default.
type Config struct {
	// Mode is ModeAuto when empty.
	Mode Mode
	// CacheDir keeps compiled code between processes; "" keeps none. The code
	// is run as it is found, so the folder and all above it must be writable
	// by nobody but root and the user of this process; New fails otherwise. It
	// is made, for this user alone, if it does not exist.
	CacheDir string
	// CompileThirdParty lets modules that are not shipped be compiled as well.
	// A bug in wazero's compiler could then be reached by code that nobody
	// has read.
	CompileThirdParty bool
}

// Sandbox runs modules. It is safe for concurrent use.
type Sandbox struct {
	config      Config
	cache       wazero.CompilationCache // nil without CacheDir
	interpreter wazero.Runtime
	// compiler opens the compiling runtime when it is first wanted: most
	// processes look at one image and never want it.
	compiler func() (wazero.Runtime, error)
	compiles wazero.Runtime // what compiler returned, for Close

	runs [hostfuncs.MaxPages + 1]sync.Pool // *run, by pages of memory

	// mu is held for reading by everything that uses a runtime; Close takes
	// it, as closing a runtime frees the code that may be running.
	mu     sync.RWMutex
	closed bool
}

// New opens a sandbox. In ModeCompiler it fails with an error that wraps
// errors.ErrUnsupported where compiled code cannot be run.
func New(ctx context.Context, config Config) (*Sandbox, error) {
	s := &Sandbox{config: config}
	for pages := range s.runs {
		s.runs[pages].New = func() any { return newRun(pages) }
	}
	fail := func(err error) (*Sandbox, error) {
		return nil, errors.Join(fmt.Errorf("sandbox: %w", err), s.Close(ctx))
	}
	switch config.Mode {
	case "", ModeAuto, ModeCompiler, ModeInterpreter:
	default:
		return fail(fmt.Errorf("mode %q is none of %s, %s, %s", config.Mode, ModeAuto, ModeCompiler, ModeInterpreter))
	}
	if config.CacheDir != "" {
		dir, err := privateDir(config.CacheDir)
		if err == nil {
			s.cache, err = wazero.NewCompilationCacheWithDir(dir)
		}
		if err != nil {
			return fail(fmt.Errorf("cache folder: %w", err))
		}
	}
	s.compiler = sync.OnceValues(func() (_ wazero.Runtime, err error) {
		if !compilerOffered {
			return nil, fmt.Errorf("no compiler for %s/%s: %w", runtime.GOOS, runtime.GOARCH, errors.ErrUnsupported)
		}
		// wazero panics where it cannot map memory and make it executable.
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("executable memory: %v: %w", v, errors.ErrUnsupported)
			}
		}()
		c := wazero.NewRuntimeConfigCompiler()
		if s.cache != nil {
			c = c.WithCompilationCache(s.cache)
		}
		s.compiles, err = openRuntime(c)
		return s.compiles, err
	})
	var err error
	if s.interpreter, err = openRuntime(wazero.NewRuntimeConfigInterpreter()); err != nil {
		return fail(err)
	}
	if config.Mode == ModeCompiler {
		if _, err := s.compiler(); err != nil {
			return fail(err)
		}
	}
	return s, nil
}

// openRuntime opens a runtime of either engine that offers what a metered
// module imports, and no feature that the profile leaves out.
func openRuntime(config wazero.RuntimeConfig) (wazero.Runtime, error) {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, config.
		WithCoreFeatures(api.CoreFeaturesV1|api.CoreFeatureSignExtensionOps).
		WithMemoryLimitPages(hostfuncs.MaxPages).
		WithDebugInfoEnabled(false))
	if err := offerImports(ctx, r); err != nil {
		return nil, errors.Join(err, r.Close(ctx))
	}
	return r, nil
}

// EngineStatus says whether one of wazero's engines can be used.
type EngineStatus struct {
	Mode   Mode  // ModeCompiler or ModeInterpreter
	Usable bool  // by this process
	Used   bool  // by this sandbox, as configured
	Err    error // why it is not usable
}

// Engines says which engines this process could use, the faster first.
func (s *Sandbox) Engines() []EngineStatus {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil
	}
	_, err := s.compiler()
	return []EngineStatus{
		{Mode: ModeCompiler, Usable: err == nil, Used: err == nil && s.config.Mode != ModeInterpreter, Err: err},
		{Mode: ModeInterpreter, Usable: true, Used: s.config.Mode != ModeCompiler},
	}
}

// Close waits for runs that are under way and frees all compiled code. Runs
// that come later fail with ErrClosed. To end it sooner, cancel the runs.
func (s *Sandbox) Close(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var err error
	for _, r := range []wazero.Runtime{s.interpreter, s.compiles} {
		if r != nil {
			err = errors.Join(err, r.Close(ctx))
		}
	}
	if s.cache != nil {
		err = errors.Join(err, s.cache.Close(ctx))
	}
	s.interpreter, s.compiles, s.cache = nil, nil, nil
	return err
}
