package engine

import (
	"log/slog"
	"runtime"
	"slices"

	"github.com/assay-dev/assay/engine/sandbox"
	"github.com/assay-dev/assay/native/throttle"
)

// Config says how an engine works. It is immutable: every With method returns
// a changed copy. Errors surface in New.
type Config struct {
	policy       Policy
	probes       []ProbeSource
	sandbox      sandbox.Config
	spoolDir     string
	qemuImg      string
	layers       []string
	maxRuns      int
	maxProcesses int
	maxSpool     int64
	maxMetadata  int64
	rateLimit    int64
	throttle     *throttle.Throttle
	logger       *slog.Logger
}

// ProbeSource is a probe module that a host adds to the shipped ones. It runs
// on the interpreter unless the sandbox configuration allows otherwise.
type ProbeSource struct {
	Wasm []byte
}

// NewConfig returns the defaults: the strict policy, the shipped probes, the
// sandbox in automatic mode, no spool folder, qemu-img found on PATH, as many
// probe runs at a time as there are processors times two, as many child
// processes as there are processors, 64 GiB of spool, 256 MiB of mapping
// tables walked for one image, no rate limit, and nothing logged.
func NewConfig() *Config {
	return &Config{
		policy:       Strict(),
		maxRuns:      2 * runtime.GOMAXPROCS(0),
		maxProcesses: runtime.GOMAXPROCS(0),
		maxSpool:     64 << 30,
		maxMetadata:  256 << 20,
		logger:       slog.New(slog.DiscardHandler),
	}
}

func (c *Config) with(change func(*Config)) *Config {
	copied := *c
	copied.probes = slices.Clone(c.probes)
	copied.layers = slices.Clone(c.layers)
	change(&copied)
	return &copied
}

// WithPolicy sets the policy.
func (c *Config) WithPolicy(p Policy) *Config { return c.with(func(c *Config) { c.policy = p }) }

// WithProbe adds a third-party probe to the shipped ones.
func (c *Config) WithProbe(p ProbeSource) *Config {
	return c.with(func(c *Config) { c.probes = append(c.probes, p) })
}

// WithSandbox sets how probes are compiled and run.
func (c *Config) WithSandbox(s sandbox.Config) *Config {
	return c.with(func(c *Config) { c.sandbox = s })
}

// WithSpoolDir names the folder for temporary copies of streams and of
// sources that are not files. There is no default: what needs it fails with
// an error that names this option. The folder must exist and should be
// private to the caller (0700).
func (c *Config) WithSpoolDir(dir string) *Config {
	return c.with(func(c *Config) { c.spoolDir = dir })
}

// WithQemuImg names the qemu-img binary, instead of the one on PATH.
func (c *Config) WithQemuImg(path string) *Config {
	return c.with(func(c *Config) { c.qemuImg = path })
}

// WithRequiredLayers names layers of confinement (confine.LayerNamespaces and
// so on) without which no tool is run, also under ConvertOptions.BestEffort,
// and also those that are optional by default. New fails for a name that is
// none.
func (c *Config) WithRequiredLayers(names ...string) *Config {
	return c.with(func(c *Config) { c.layers = append(c.layers, names...) })
}

// WithMaxRuns bounds how many inspections run at a time; others wait.
func (c *Config) WithMaxRuns(n int) *Config { return c.with(func(c *Config) { c.maxRuns = n }) }

// WithMaxProcesses bounds how many child processes run at a time; others wait.
func (c *Config) WithMaxProcesses(n int) *Config {
	return c.with(func(c *Config) { c.maxProcesses = n })
}

// WithMaxSpool bounds the bytes that all spools of the engine hold together.
func (c *Config) WithMaxSpool(bytes int64) *Config {
	return c.with(func(c *Config) { c.maxSpool = bytes })
}

// WithMaxMetadata bounds the mapping tables that a deep inspection walks, in
// bytes; an image with larger ones is rejected for its probe's budget.
func (c *Config) WithMaxMetadata(bytes int64) *Config {
	return c.with(func(c *Config) { c.maxMetadata = bytes })
}

// WithRateLimit bounds how fast conversions, comparisons, checks and resizes of
// the engine together read, and how fast they write, each device: in bytes per
// second. Jobs that wait for one device share it in equal parts. Zero, the
// default, bounds nothing; New fails for less, and beyond throttle.MaxRate.
//
// What counts are bytes that are read of sources and written to destinations,
// from and to the page cache too. What a tool writes holds back what it is
// given to read, so that it may be some megabytes ahead. Inspections, whose
// reads have a budget, and spools are not held back, nor is what the system
// does by itself: zeroing a range, or sharing data.
//
// A rate can be held where the source is served (HandOffNBD) or needs no tool.
// Otherwise jobs fail with a *qemuimg.RateLimitError.
func (c *Config) WithRateLimit(bytesPerSecond int64) *Config {
	return c.with(func(c *Config) { c.rateLimit = bytesPerSecond })
}

// WithThrottle has the engine keep to a rate together with every other engine
// that is given the same throttle, as WithRateLimit does for one engine alone.
// Nil, the default, is none.
func (c *Config) WithThrottle(t *throttle.Throttle) *Config {
	return c.with(func(c *Config) { c.throttle = t })
}

// WithLogger has every job of a tool logged when it ends: at level Info with
// sizes, duration and rate, or at level Warn with its error. Names and errors
// are text that others may have chosen, and are escaped; handlers quote what
// their format needs. Nil means that nothing is logged.
func (c *Config) WithLogger(l *slog.Logger) *Config {
	if l == nil {
		l = slog.New(slog.DiscardHandler)
	}
	return c.with(func(c *Config) { c.logger = l })
}
