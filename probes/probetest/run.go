package probetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/assay-dev/assay/engine/sandbox"
	"github.com/assay-dev/assay/hostfuncs"
)

// Input is an image, or what there is of it, and how far to look.
type Input struct {
	// Content is the first bytes of the file.
	Content []byte
	// Size is the size of the file in bytes. 0 is that of Content. Beyond
	// Content a larger file holds zeros. With hostfuncs.SizeUnknown it is a
	// stream of which Content has arrived.
	Size int64
	// Short makes the file one that shrank: Size says what it had, reads end
	// where Content does.
	Short bool
	// Depth is how far to look. A deep run follows a header run that matched,
	// on a budget by what that said, as in an inspection.
	Depth hostfuncs.Depth
}

// ReadInput makes an Input of a file, keeping its first most bytes.
func ReadInput(f *os.File, most int64) (Input, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return Input{}, err
	}
	in := Input{Content: make([]byte, min(size, most)), Size: size}
	if _, err := f.ReadAt(in.Content, 0); err != nil && err != io.EOF {
		return Input{}, err
	}
	return in, nil
}

func (in *Input) size() int64 {
	if in.Size == 0 {
		return int64(len(in.Content))
	}
	return in.Size
}

// file is an Input as what a run reads from.
type file struct {
	*Input
	source error // what reads fail with, when they do
}

// Size implements hostfuncs.Image.
func (f file) Size() int64 { return f.size() }

// ReadAt implements hostfuncs.Image.
func (f file) ReadAt(p []byte, off int64) (int, error) {
	if f.source != nil {
		return 0, f.source
	}
	n := 0
	if off < int64(len(f.Content)) {
		n = copy(p, f.Content[off:])
	}
	switch {
	case n == len(p):
		return n, nil
	case f.Input.Size == hostfuncs.SizeUnknown:
		return n, hostfuncs.ErrNotArrived
	case f.Short:
		return n, io.EOF
	}
	room := min(int64(len(p)), f.size()-off)
	clear(p[n:room])
	if n = int(room); n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// head returns the first n bytes, or as many as the file has.
func (f file) head(n int) []byte {
	if n <= len(f.Content) || f.Input.Size == hostfuncs.SizeUnknown || f.Short {
		return f.Content[:min(n, len(f.Content))]
	}
	h := make([]byte, min(int64(n), f.size()))
	copy(h, f.Content)
	return h
}

// tail returns the last n bytes, or as many as the file has; nil of a stream.
func (f file) tail(n int) []byte {
	size := f.size()
	if size == hostfuncs.SizeUnknown {
		return nil
	}
	from := max(0, size-int64(n))
	t := make([]byte, size-from)
	if from < int64(len(f.Content)) {
		copy(t, f.Content[from:])
	}
	return t
}

// wanted tells whether a host would run the module over the file at all.
func (f file) wanted(m *sandbox.Manifest) bool {
	return m.Matches(f.head(m.HeadBytes()), f.tail(m.TailBytes()))
}

// Run is what a module made of an image.
type Run struct {
	Outcome hostfuncs.Outcome
	Records []hostfuncs.Record
	Spent   hostfuncs.Spent
	// Failed is why the run failed, or nil. There are no records then.
	Failed *sandbox.ProbeError
}

// UnsteadyError says that the same module made different things of the same
// image.
type UnsteadyError struct {
	// On says on what the result depends, other than on the image.
	On Dependence
	// Detail says in what they differ.
	Detail string
}

// Dependence is what a result must not depend on.
type Dependence string

// What a result must not depend on.
const (
	OnRun    Dependence = "which run it is"
	OnEngine Dependence = "which engine runs it"
	OnWindow Dependence = "bytes of the window behind the head of the image"
	OnMemory Dependence = "memory that an earlier run left"
)

// Error implements error.
func (e *UnsteadyError) Error() string {
	return fmt.Sprintf("the result depends on %s: %s", e.On, e.Detail)
}

// Run runs the module over an image: in each of the kit's engines, once more,
// and in memories that are not fresh, see RunOver of package sandbox. It
// returns an *UnsteadyError when the results differ; an error besides is one
// of the engine or of ctx.
func (p *Probe) Run(ctx context.Context, in Input) (*Run, error) {
	f := file{Input: &in}
	first, err := runOn(ctx, p.modules[0], f, nil)
	if err != nil {
		return nil, err
	}
	return first, p.steady(ctx, f, first)
}

// steady compares a fresh run with others that must be like it.
func (p *Probe) steady(ctx context.Context, f file, first *Run) error {
	m := p.modules[0]
	compare := func(on Dependence, m *sandbox.Module, memory []byte) error {
		again, err := runOn(ctx, m, f, memory)
		if err != nil {
			return err
		}
		if diff := first.differs(again); diff != "" {
			return &UnsteadyError{on, diff}
		}
		return nil
	}
	if err := compare(OnRun, m, nil); err != nil {
		return err
	}
	for _, other := range p.modules[1:] {
		if err := compare(OnEngine, other, nil); err != nil {
			return err
		}
	}
	// Behind the head the window may hold anything.
	memory := make([]byte, m.MemorySize())
	window := memory[m.WindowAt():][:m.Manifest().Window]
	for i := range window {
		window[i] = 0xa5
	}
	if err := compare(OnWindow, m, memory); err != nil {
		return err
	}
	return compare(OnMemory, m, memory) // which that run left
}

// maxWalk is the bound of a deep run's metadata, in bytes: that of an engine by
// default.
const maxWalk = 256 << 20

// runOn runs a module in its engine, in a fresh memory when memory is nil.
func runOn(ctx context.Context, m *sandbox.Module, f file, memory []byte) (*Run, error) {
	in := sandbox.Input{Image: f, Head: f.head(m.Manifest().Window), Budget: hostfuncs.HeaderBudget()}
	header, err := runOnce(ctx, m, in, memory)
	if err != nil || f.Depth != hostfuncs.DepthDeep || header.Failed != nil || header.Outcome != hostfuncs.Match {
		return header, err
	}
	in.Depth = hostfuncs.DepthDeep
	in.Budget = hostfuncs.DeepBudget(min(header.metadata(), max(0, f.size())), maxWalk)
	return runOnce(ctx, m, in, memory)
}

func runOnce(ctx context.Context, m *sandbox.Module, in sandbox.Input, memory []byte) (*Run, error) {
	var (
		out sandbox.Result
		err error
	)
	if memory == nil {
		err = m.Run(ctx, in, &out)
	} else {
		err = m.RunOver(ctx, memory, in, &out)
	}
	failed, isProbe := errors.AsType[*sandbox.ProbeError](err)
	if err != nil && !isProbe {
		return nil, err
	}
	return &Run{out.Outcome, out.Records, out.Spent, failed}, nil
}

// metadata returns the property metadata_bytes, or 0.
func (r *Run) metadata() int64 {
	if p := r.find("metadata_bytes"); p != nil {
		return int64(min(p.Values[0], 1<<62))
	}
	return 0
}

// find returns the first record with a name, or nil.
func (r *Run) find(name string) *hostfuncs.Record {
	i := slices.IndexFunc(r.Records, func(rec hostfuncs.Record) bool { return rec.Entry.Name == name })
	if i < 0 {
		return nil
	}
	return &r.Records[i]
}

// differs says in what two runs differ, or "".
func (r *Run) differs(other *Run) string {
	switch {
	case (r.Failed == nil) != (other.Failed == nil), r.Failed != nil && r.Failed.Error() != other.Failed.Error():
		return fmt.Sprintf("%s, and %s", r, other)
	case r.Outcome != other.Outcome:
		return fmt.Sprintf("outcome %s, and %s", outcomeName(r.Outcome), outcomeName(other.Outcome))
	case len(r.Records) != len(other.Records):
		return fmt.Sprintf("%d records, and %d", len(r.Records), len(other.Records))
	}
	for i := range r.Records {
		if a, b := &r.Records[i], &other.Records[i]; !sameRecord(a, b) {
			return fmt.Sprintf("%s, and %s", recordText(a), recordText(b))
		}
	}
	if r.Spent != other.Spent {
		return fmt.Sprintf("spent %+v, and %+v", r.Spent, other.Spent)
	}
	return ""
}

func sameRecord(a, b *hostfuncs.Record) bool {
	return a.Entry == b.Entry && a.Offset == b.Offset && a.Length == b.Length && a.Values == b.Values && bytes.Equal(a.Text, b.Text)
}

// String says how the run ended.
func (r *Run) String() string {
	if r.Failed != nil {
		return r.Failed.Error()
	}
	return outcomeName(r.Outcome)
}

// outcomeName returns the word that vectors use.
func outcomeName(o hostfuncs.Outcome) string {
	switch o {
	case hostfuncs.Match:
		return "match"
	case hostfuncs.MatchMalformed:
		return "malformed"
	}
	return "no-match"
}

// recordText writes a record for people: the name, where it was read, and the
// numbers or the text, quoted.
func recordText(r *hostfuncs.Record) string {
	at := "nowhere in particular"
	if r.Offset != hostfuncs.NoPlace {
		at = fmt.Sprintf("at %d+%d", r.Offset, r.Length)
	}
	switch r.Entry.Kind {
	case hostfuncs.KindText, hostfuncs.KindReference:
		return fmt.Sprintf("%s %q %s", r.Entry.Name, r.Text, at)
	case hostfuncs.KindNumber, hostfuncs.KindFlag:
		return fmt.Sprintf("%s %d %s", r.Entry.Name, r.Values[0], at)
	}
	return fmt.Sprintf("%s (%d, %d) %s", r.Entry.Name, r.Values[0], r.Values[1], at)
}
