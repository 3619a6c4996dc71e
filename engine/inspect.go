package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/assay-dev/assay/engine/sandbox"
	"github.com/assay-dev/assay/hostfuncs"
)

// Inspect says what an image is. The error says why it could not be looked
// at: the source could not be read, the context ended, the engine is closed.
// Whatever is wrong with the image itself is in the report.
func (e *Engine) Inspect(ctx context.Context, source Source, opts ...Option) (*Report, error) {
	o, err := newOptions(opts)
	if err != nil {
		return nil, err
	}
	leave, err := e.admit()
	if err != nil {
		return nil, err
	}
	defer leave()
	return e.inspect(ctx, source, o)
}

// inspect is Inspect within a call that was admitted.
func (e *Engine) inspect(ctx context.Context, source Source, o options) (*Report, error) {
	open, err := source.open(ctx, e)
	if err != nil {
		return nil, err
	}
	defer open.close()
	report, seen, err := e.examine(ctx, open, o)
	if err != nil {
		return nil, err
	}
	seen.recycle()
	return report, nil
}

// examine looks at an open source, at a stream in two phases. It returns the
// report and what was looked at.
func (e *Engine) examine(ctx context.Context, open *openSource, o options) (*Report, *blocks, error) {
	if o.name == "" {
		o.name = open.name
	}
	if open.size == SizeUnknown {
		first := o
		first.depth = Header
		report, seen, err := e.look(ctx, open, first)
		if err != nil || !report.Accepted {
			return report, seen, err
		}
		seen.recycle()
		if err := open.complete(ctx, e); err != nil {
			return nil, nil, err
		}
	}
	return e.look(ctx, open, o)
}

// match is a probe that said match, or that failed.
type match struct {
	module *sandbox.Module
	result sandbox.Result
	failed *sandbox.ProbeError
	seat   *Place // of the signature that matched; nil when there is none
}

func (m *match) format() Format { return Format(m.module.Manifest().Format) }

// examination is the state of one pass over an image, reused between passes.
type examination struct {
	head, tail []byte
	matches    []*match
	spare      []*match
}

var examinations = sync.Pool{New: func() any { return new(examination) }}

func (x *examination) next(m *sandbox.Module) *match {
	if n := len(x.spare); n > 0 {
		last := x.spare[n-1]
		x.spare = x.spare[:n-1]
		last.module, last.failed = m, nil
		return last
	}
	return &match{module: m}
}

func (x *examination) recycle() {
	x.spare = append(x.spare, x.matches...)
	x.matches = x.matches[:0]
	examinations.Put(x)
}

// look runs every probe that can match, decides what the image is and judges
// what was found.
func (e *Engine) look(ctx context.Context, open *openSource, o options) (report *Report, seen *blocks, err error) {
	leave, err := turn(ctx, e.runs)
	if err != nil {
		return nil, nil, err
	}
	defer leave()
	start := time.Now()
	looked := newBlocks(open.reader, open.size, open.arrived)
	x := examinations.Get().(*examination)
	defer x.recycle()
	defer func() {
		if err != nil {
			looked.recycle()
			report, seen, err = nil, nil, sourceError(o.name, err)
		}
	}()
	if err := e.runHeaders(ctx, x, looked); err != nil {
		return nil, nil, err
	}
	d := decide(x.matches, o.claim, open.size)
	if o.depth == Deep && d.chosen != nil {
		if err := e.runDeep(ctx, d.chosen, x, looked); err != nil {
			return nil, nil, err
		}
	}
	j := judgement{policy: &e.config.policy, options: o, size: open.size, decision: d, matches: x.matches}
	report = j.report()
	if report.Inspected, err = looked.inspected(o.digest); err != nil {
		return nil, nil, err
	}
	report.ElapsedMicros = time.Since(start).Microseconds()
	return report, looked, nil
}

// runHeaders runs every probe whose signatures match, at header depth.
func (e *Engine) runHeaders(ctx context.Context, x *examination, seen *blocks) error {
	var err error
	if x.head, err = readPart(x.head, seen, 0, int64(e.headBytes)); err != nil {
		return err
	}
	x.tail = x.tail[:0]
	if seen.size != SizeUnknown && e.tailBytes > 0 {
		from := max(0, seen.size-int64(e.tailBytes))
		if x.tail, err = readPart(x.tail, seen, from, seen.size-from); err != nil {
			return err
		}
	}
	signatures := x.head
	for _, m := range e.probes {
		manifest := m.Manifest()
		if !manifest.Matches(signatures, x.tail) {
			continue
		}
		if window := int64(manifest.Window); int64(len(x.head)) < window {
			if x.head, err = readPart(x.head, seen, 0, window); err != nil {
				return err
			}
		}
		r := x.next(m)
		err := r.run(ctx, sandbox.Input{Image: seen, Head: x.head, Depth: Header, Budget: hostfuncs.HeaderBudget()})
		if err != nil {
			x.spare = append(x.spare, r)
			return err
		}
		if r.failed == nil && r.result.Outcome == hostfuncs.NoMatch {
			x.spare = append(x.spare, r)
			continue
		}
		r.seat = nil
		if offset, length, ok := manifest.Seat(signatures, x.tail, seen.size); ok {
			r.seat = &Place{uint64(max(0, offset)), uint64(length)}
		}
		x.matches = append(x.matches, r)
	}
	return nil
}

// runDeep runs the probe of the format that was decided on once more, over
// the mapping tables, on a budget that grows with them. What the header run
// found malformed, or did not finish, is not walked.
func (e *Engine) runDeep(ctx context.Context, m *match, x *examination, seen *blocks) error {
	if m.failed != nil || m.result.Outcome != hostfuncs.Match {
		return nil
	}
	metadata := min(int64(min(m.number("metadata_bytes"), 1<<62)), seen.size)
	header := m.result.Spent
	err := m.run(ctx, sandbox.Input{
		Image: seen, Head: x.head, Depth: Deep,
		Budget: hostfuncs.DeepBudget(metadata, e.config.maxMetadata),
	})
	m.result.Spent = m.result.Spent.Add(header)
	return err
}

// run runs the probe; what is the probe's own fault is kept in m, what ends
// the inspection is returned.
func (m *match) run(ctx context.Context, in sandbox.Input) error {
	err := m.module.Run(ctx, in, &m.result)
	if failed, ok := errors.AsType[*sandbox.ProbeError](err); ok {
		m.failed = failed
		return nil
	}
	return err
}

// number returns the value of a numeric property, or 0.
func (m *match) number(name string) uint64 {
	if r := m.property(name); r != nil {
		return r.Values[0]
	}
	return 0
}

// property returns the record of a property, or nil.
func (m *match) property(name string) *hostfuncs.Record {
	for i := range m.result.Records {
		if r := &m.result.Records[i]; r.Entry.Name == name {
			return r
		}
	}
	return nil
}

// readPart reads length bytes at off, or as many as there are, into buf.
func readPart(buf []byte, seen *blocks, off, length int64) ([]byte, error) {
	length = max(0, min(length, seen.end()-off))
	if int64(cap(buf)) < length {
		buf = make([]byte, length)
	}
	buf = buf[:length]
	if _, err := seen.ReadAt(buf, off); err != nil {
		return nil, err
	}
	return buf, nil
}

// sourceError adds the source's name to what ended an inspection.
func sourceError(name string, err error) error {
	if changed, ok := errors.AsType[*SourceChangedError](err); ok {
		changed.Source = Escape([]byte(name))
		return changed
	}
	return fmt.Errorf("engine: %s: %w", Escape([]byte(name)), err)
}
