package probetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/engine/sandbox"
	"github.com/assay-dev/assay/hostfuncs"
)

// CheckName names what a module is checked for.
type CheckName string

// The checks.
const (
	// CheckProfile: the module passes the profile and is valid WebAssembly.
	CheckProfile CheckName = "profile"
	// CheckManifest: a host can do what the manifest says.
	CheckManifest CheckName = "manifest"
	// CheckSignatures: the module matches nothing that its signatures exclude,
	// and they exclude no image of the format.
	CheckSignatures CheckName = "signatures"
	// CheckMatch: images of the format are matched, with a virtual size.
	CheckMatch CheckName = "match"
	// CheckForeign: images of other formats, and of none, are not matched.
	CheckForeign CheckName = "foreign"
	// CheckTrap: no input traps.
	CheckTrap CheckName = "trap"
	// CheckBudget: every valid image fits the budget.
	CheckBudget CheckName = "budget"
	// CheckLoop: no input keeps the module busy until the budget ends it.
	CheckLoop CheckName = "loop"
	// CheckReport: records and return value follow the ABI.
	CheckReport CheckName = "report"
	// CheckSteady: the same input gives the same result, again and in every
	// engine.
	CheckSteady CheckName = "steady"
	// CheckMemory: nothing depends on memory that the run did not write, in
	// particular not on what an earlier run left.
	CheckMemory CheckName = "memory"
	// CheckCut: a file that was cut, with its magic, is malformed and not
	// something else.
	CheckCut CheckName = "cut"
	// CheckStream: what is said while a stream arrives holds for the whole.
	CheckStream CheckName = "stream"
	// CheckVector: the author's own vectors hold.
	CheckVector CheckName = "vector"
)

// Checks lists every check, in the order of docs/probe-workbench.md.
var Checks = []CheckName{
	CheckProfile,
	CheckManifest,
	CheckSignatures,
	CheckMatch,
	CheckForeign,
	CheckTrap,
	CheckBudget,
	CheckLoop,
	CheckReport,
	CheckSteady,
	CheckMemory,
	CheckCut,
	CheckStream,
	CheckVector,
}

// Problem is something to be fixed.
type Problem struct {
	Check CheckName `json:"check"`
	// Message says what is wrong and names the input; Fix what to do.
	Message string `json:"message"`
	Fix     string `json:"fix"`
	// Vector is the input that shows it; nil when it shows without one.
	Vector *Vector `json:"-"`
}

// Result is what a check found.
type Result struct {
	Name    string `json:"name,omitempty"`
	Format  string `json:"format,omitempty"`
	Version string `json:"version,omitempty"`
	SHA256  string `json:"sha256,omitempty"`
	Size    int    `json:"size"` // of the module in bytes
	// Problems are in the order in which they were found, at most three of a
	// check.
	Problems []Problem `json:"problems"`
	// Notes say what was not checked, and why.
	Notes []string `json:"notes"`
	// Runs is how often the module was run; Most is the most that a header run
	// over an image of the format spent, field by field, and Budget what such
	// a run may spend.
	Runs   int              `json:"runs"`
	Most   hostfuncs.Spent  `json:"most"`
	Budget hostfuncs.Budget `json:"budget"`
}

// OK tells whether nothing is to be fixed.
func (r *Result) OK() bool { return len(r.Problems) == 0 }

const (
	maxProblems = 3 // of a check
	// maxFailures ends a check: a run that fails may take the whole of its
	// budget, and after so many the author knows.
	maxFailures = 8
)

// Check checks a module: against the profile, over the generated images of
// every format, and over what becomes of those of its own format when they are
// damaged. vectors are the author's: all are tried, and what they expect to
// match is damaged too. An error says that it could not be checked; what is
// wrong with the module is in the result. The same module and vectors give the
// same result.
func (k *Kit) Check(ctx context.Context, wasm []byte, vectors ...*Vector) (*Result, error) {
	c := &checker{kit: k, ctx: ctx, vectors: vectors}
	c.Size, c.Problems, c.Notes = len(wasm), []Problem{}, []string{}
	p, err := k.Open(wasm)
	if fault, ok := errors.AsType[*sandbox.ProfileError](err); ok {
		c.problem(CheckProfile, nil, profileFixes[fault.Rule], "%v", fault)
		return &c.Result, nil
	}
	if err != nil {
		return nil, err
	}
	c.probe, c.manifest = p, p.Manifest()
	c.Name, c.Format, c.Version, c.SHA256 = c.manifest.Name, c.manifest.Format, c.manifest.Version, p.SHA256()
	c.Budget = hostfuncs.HeaderBudget().Min(c.manifest.Budget)
	if c.valid() {
		c.checkManifest()
		c.checkOwn()
		c.checkVectors()
		c.checkForeign()
		c.checkDamaged()
	}
	if c.err != nil {
		return nil, c.err
	}
	return &c.Result, nil
}

// checker is a check under way.
type checker struct {
	Result
	kit      *Kit
	ctx      context.Context
	probe    *Probe
	manifest *sandbox.Manifest
	vectors  []*Vector

	// bases are images of the format that are to be damaged.
	bases []specimen
	// residue is the memory that a run over an image of the format left.
	residue  []byte
	failures int
	err      error // why the check cannot go on
}

// specimen is an input with a name.
type specimen struct {
	name string
	Input
	valid bool // of the module's format, and nothing is wrong with it
}

// vector returns the specimen as one; its content is the caller's to change.
func (s specimen) vector(problem string) *Vector {
	v := &Vector{Comment: []string{s.name, problem}, Input: s.Input}
	v.Content = bytes.Clone(v.Content)
	return v
}

func (c *checker) problem(check CheckName, s *specimen, fix, format string, args ...any) {
	n := 0
	for _, p := range c.Problems {
		if p.Check == check {
			n++
		}
	}
	if n >= maxProblems {
		return
	}
	p := Problem{Check: check, Message: fmt.Sprintf(format, args...), Fix: fix}
	if s != nil {
		p.Vector = s.vector(p.Message)
	}
	c.Problems = append(c.Problems, p)
}

func (c *checker) note(format string, args ...any) {
	c.Notes = append(c.Notes, fmt.Sprintf(format, args...))
}

// over tells whether the check ends here.
func (c *checker) over() bool { return c.err != nil || c.failures >= maxFailures }

// valid runs the module over nothing, which validates and compiles it.
func (c *checker) valid() bool {
	for _, m := range c.probe.modules {
		r, err := runOn(c.ctx, m, file{Input: &Input{}}, nil)
		if err != nil {
			c.err = err
			return false
		}
		if r.Failed != nil && r.Spent.Fuel == 0 { // every function begins with a charge
			c.problem(CheckProfile, nil, "compile it with a compiler that makes valid WebAssembly (MVP with sign extension)", "%v", r.Failed)
			return false
		}
	}
	return true
}

func (c *checker) checkManifest() {
	format, err := engine.ParseFormat(c.manifest.Format)
	switch {
	case err != nil:
		c.note("%v: no engine loads the module", err)
	case string(format) != c.manifest.Format, format == engine.Raw:
		c.problem(CheckManifest, nil, "name the format as reports do", "the manifest's format is %s", c.manifest.Format)
	}
	host := hostfuncs.HeaderBudget()
	for i, r := range resources(c.manifest.Budget) {
		if limit := resources(host)[i].amount; r.amount > limit {
			c.problem(CheckManifest, nil, "ask for no more, or leave it out",
				"the manifest's budget of %d %s is more than the %d that a host gives", r.amount, r.name, limit)
		}
	}
}

// look runs the module over a specimen in the fastest engine and checks what
// must hold for any input; it returns nil when there is no result.
func (c *checker) look(s *specimen) *Run {
	if c.over() {
		return nil
	}
	f := file{Input: &s.Input}
	r, err := runOn(c.ctx, c.probe.modules[0], f, nil)
	if err != nil {
		c.err = err
		return nil
	}
	c.Runs++
	if r.Failed != nil {
		c.failed(s, r)
		return nil
	}
	if r.Outcome != hostfuncs.NoMatch && !f.wanted(c.manifest) {
		c.problem(CheckSignatures, s, "add a signature to the manifest, or have the module look for the one that is there",
			"%s: matches what the manifest's signatures exclude", s.name)
	}
	return r
}

// failed says why a run failed.
func (c *checker) failed(s *specimen, r *Run) {
	c.failures++
	why := r.Failed.Err
	switch r.Failed.Kind {
	case sandbox.ProbeTrap:
		c.problem(CheckTrap, s, "use no byte beyond window_len or beyond what read_at returned, and no number of the image before it is checked",
			"%s: traps: %v", s.name, why)
	case sandbox.ProbeReport:
		c.problem(CheckReport, s, "report keys of docs/abi-keys.md as it says, and return 0, 1 or 2",
			"%s: gives a report that no host accepts: %v", s.name, why)
	default:
		if s.valid {
			c.problem(CheckBudget, s, "do less, or ask for more in the manifest when it asks for less than a host gives; report metadata_bytes for a deep run",
				"%s: a valid image does not fit: %v", s.name, why)
			return
		}
		c.problem(CheckLoop, s, "bound every loop by a constant or by the bytes that are there, not by a number of the image",
			"%s: does not come to an end: %v", s.name, why)
	}
}

// steady checks that a run's result depends on its input alone.
func (c *checker) steady(s *specimen, r *Run) {
	f := file{Input: &s.Input}
	err := c.probe.steady(c.ctx, f, r)
	if err == nil && c.residue != nil {
		var again *Run
		if again, err = runOn(c.ctx, c.probe.modules[0], f, slices.Clone(c.residue)); err == nil {
			if diff := r.differs(again); diff != "" {
				err = &UnsteadyError{OnMemory, diff}
			}
		}
	}
	unsteady, ok := errors.AsType[*UnsteadyError](err)
	switch {
	case !ok:
		c.err = err
	case unsteady.On == OnWindow:
		c.problem(CheckMemory, s, "use no byte of the window beyond window_len", "%s: %v", s.name, unsteady)
	case unsteady.On == OnMemory:
		c.problem(CheckMemory, s, "keep nothing in static variables, and use no byte of a buffer beyond what read_at returned",
			"%s: %v", s.name, unsteady)
	default:
		c.problem(CheckSteady, s, "a module cannot do this by itself: report it to the project", "%s: %v", s.name, unsteady)
	}
}

var profileFixes = map[sandbox.Rule]string{
	sandbox.RuleSize:      "make it smaller: optimize for size, leave out formatting and panics, split large functions",
	sandbox.RuleEncoding:  "the file is no WebAssembly module, or is damaged: build it again",
	sandbox.RuleFeature:   "compile for the MVP: no floats, bulk memory, growing memory or start function",
	sandbox.RuleIndex:     "the module is damaged: build it again",
	sandbox.RuleImport:    "import read_at and report of assay_v1 and nothing else: no WASI, no standard library that needs one",
	sandbox.RuleExport:    "export memory, assay_window and assay_probe and nothing else",
	sandbox.RuleMemory:    "give the linker the same initial and maximum memory, at most 16 pages",
	sandbox.RuleTable:     "avoid function pointers, or keep the table small and fixed",
	sandbox.RuleRecursion: "turn recursion into a loop; a call through a function pointer counts as a call of every function in the table",
	sandbox.RuleManifest:  "mend the manifest: docs/abi.md lists its keys",
}
