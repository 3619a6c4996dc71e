package probetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/engine/sandbox"
	"github.com/assay-dev/assay/hostfuncs"
)

// maxMetadata is what a deep look of an oracle walks at most, in bytes: what
// is wrong with a walk shows in a short one.
const maxMetadata = 1 << 20

// maxInterpreted is how much fuel a look may have spent that is repeated on
// the interpreter. It takes 20 times as long as compiled code, and a long walk
// shows no more than a short one.
const maxInterpreted = 100_000

// Oracle looks at images with whole engines and says when a look breaks a
// promise that holds for every image.
type Oracle struct {
	compiled    *engine.Engine // nil where there is no compiler
	interpreted *engine.Engine
}

// NewOracle opens the engines: one interpreting, and one compiling where that
// can be. config says which probes and which policy; nil is the default. Close
// the oracle when it is no longer needed.
func NewOracle(ctx context.Context, config *engine.Config) (*Oracle, error) {
	if config == nil {
		config = engine.NewConfig()
	}
	config = config.WithMaxMetadata(maxMetadata)
	o := &Oracle{}
	var err error
	if o.interpreted, err = engine.New(ctx, config.WithSandbox(sandbox.Config{Mode: sandbox.ModeInterpreter})); err != nil {
		return nil, err
	}
	o.compiled, err = engine.New(ctx, config.WithSandbox(sandbox.Config{Mode: sandbox.ModeCompiler, CompileThirdParty: true}))
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return nil, errors.Join(err, o.interpreted.Close(ctx))
	}
	return o, nil
}

// Close closes the engines.
func (o *Oracle) Close(ctx context.Context) error {
	err := o.interpreted.Close(ctx)
	if o.compiled != nil {
		err = errors.Join(err, o.compiled.Close(ctx))
	}
	return err
}

// Judge looks at an image at both depths and returns what breaks a promise:
//
//   - an image in memory can always be looked at;
//   - the same image gives the same report, twice and in both engines;
//   - no run spends more than its budget;
//   - a report is printable and survives its JSON;
//   - what was inspected lies in the file, in order;
//   - an accepted image has a driver and a possible geometry, and refers to
//     nothing;
//   - a deep look finds all that a look at the header finds, and never accepts
//     what that rejects.
//
// It also returns the deep report.
func (o *Oracle) Judge(ctx context.Context, image []byte) (*engine.Report, error) {
	shallow, err := o.look(ctx, image, engine.Header)
	if err != nil {
		return nil, err
	}
	deep, err := o.look(ctx, image, engine.Deep)
	if err != nil {
		return nil, err
	}
	return deep, compareDepths(shallow, deep)
}

func (o *Oracle) look(ctx context.Context, image []byte, depth engine.Depth) (*engine.Report, error) {
	inspect := func(e *engine.Engine) (*engine.Report, error) {
		r, err := e.Inspect(ctx, engine.ReaderAt(bytes.NewReader(image), int64(len(image))), engine.AtDepth(depth), engine.WithDigest())
		if err != nil {
			return nil, fmt.Errorf("%s: not looked at: %w", depth, err)
		}
		r.ElapsedMicros = 0
		return r, nil
	}
	fast := o.compiled
	if fast == nil {
		fast = o.interpreted
	}
	first, err := inspect(fast)
	if err != nil {
		return nil, err
	}
	others := []*engine.Engine{fast}
	if o.compiled != nil && fuel(first) <= maxInterpreted {
		others = append(others, o.interpreted)
	}
	for _, other := range others {
		again, err := inspect(other)
		if err != nil {
			return nil, err
		}
		if !reflect.DeepEqual(first, again) {
			return nil, fmt.Errorf("%s: the reports differ:\n%s\n%s", depth, encoded(first), encoded(again))
		}
	}
	if err := judge(first, int64(len(image))); err != nil {
		return nil, fmt.Errorf("%s: %w:\n%s", depth, err, encoded(first))
	}
	return first, nil
}

// fuel returns what all runs behind a report spent.
func fuel(r *engine.Report) int64 {
	var sum int64
	for _, m := range r.Matches {
		sum += m.Fuel
	}
	return sum
}

func encoded(r *engine.Report) []byte {
	text, err := json.Marshal(r)
	if err != nil {
		return []byte(err.Error())
	}
	return text
}

// judge says which promise a report of a file of size bytes breaks.
func judge(r *engine.Report, size int64) error {
	if err := judgeText(r); err != nil {
		return err
	}
	budget := hostfuncs.HeaderBudget()
	if r.Depth == engine.Deep.String() {
		budget = budget.Add(hostfuncs.DeepBudget(size, maxMetadata))
	}
	for _, m := range r.Matches {
		if m.Fuel > budget.Fuel || m.Reads > budget.Reads || m.BytesRead > budget.ReadBytes {
			return fmt.Errorf("probe %s is over its budget: %+v", m.Probe, budget)
		}
	}
	var end, sum int64
	for _, part := range r.Inspected.Ranges {
		if part[0] < end || part[1] <= 0 || part[1] > size-part[0] {
			return fmt.Errorf("inspected %d bytes at %d", part[1], part[0])
		}
		end = part[0] + part[1]
		sum += part[1]
	}
	if sum != r.Inspected.Bytes {
		return fmt.Errorf("inspected %d bytes in ranges of %d", r.Inspected.Bytes, sum)
	}
	if r.Accepted {
		return judgeAccepted(r, size)
	}
	if len(r.FindingsOf(engine.Reject)) == 0 {
		return errors.New("rejected without a finding that rejects")
	}
	return nil
}

// judgeText refuses text that could do something to a terminal, or that JSON
// does not keep.
func judgeText(r *engine.Report) error {
	texts := []string{r.Source}
	for _, f := range r.Findings {
		texts = append(texts, f.Message)
	}
	for _, ref := range r.References {
		texts = append(texts, ref.Target)
	}
	for _, v := range r.Properties {
		if text, ok := v.(string); ok {
			texts = append(texts, text)
		}
	}
	for _, text := range texts {
		if strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) }) {
			return fmt.Errorf("text %q is not printable", text)
		}
	}
	var again engine.Report
	if err := json.Unmarshal(encoded(r), &again); err != nil {
		return fmt.Errorf("the report's JSON: %w", err)
	}
	if again.Accepted != r.Accepted || len(again.Findings) != len(r.Findings) {
		return errors.New("the report changes in JSON")
	}
	return nil
}

// units are properties that other numbers of an image are multiples of: no
// accepted image has one of 0.
var units = []string{"cluster_size", "block_size", "sector_size", "grain_size"}

func judgeAccepted(r *engine.Report, size int64) error {
	switch {
	case r.QemuDriver == "":
		return errors.New("accepted without a driver")
	case r.VirtualSize < 0:
		return errors.New("accepted without a size")
	case r.QemuDriver == "raw" && r.VirtualSize != size:
		return fmt.Errorf("a raw disk of %d bytes in a file of %d", r.VirtualSize, size)
	case len(r.References) != 0:
		return errors.New("accepted with references")
	case r.Format != engine.Raw && len(r.Matches) == 0:
		return errors.New("accepted as what no probe matched")
	}
	for name, value := range r.Properties {
		_, short, _ := strings.Cut(name, ".")
		if slices.Contains(units, short) && value == uint64(0) {
			return fmt.Errorf("accepted with a %s of 0", name)
		}
	}
	return nil
}

func compareDepths(shallow, deep *engine.Report) error {
	if deep.Accepted && !shallow.Accepted {
		return fmt.Errorf("rejected at header depth, accepted deep:\n%s\n%s", encoded(shallow), encoded(deep))
	}
	failed := slices.ContainsFunc(deep.Findings, func(f engine.Finding) bool { return f.Class == hostfuncs.ProbeFailure })
	for _, f := range shallow.Findings {
		found := slices.ContainsFunc(deep.Findings, func(d engine.Finding) bool { return d.ID == f.ID })
		if !found && !failed {
			return fmt.Errorf("%s is found at header depth and not deep:\n%s\n%s", f.ID, encoded(shallow), encoded(deep))
		}
	}
	return nil
}
