package probetest

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/assay-dev/assay/hostfuncs"
	wb "github.com/assay-dev/assay/internal/wasmbuild"
)

// Instructions that package wasmbuild has no name for.
const (
	i64LtS  = 0x53
	select_ = 0x1b
)

// number is the number in the image.
var number = wb.Code(wb.I32Const, wb.S(wb.Window), wb.I32Load, 0, wb.U(4))

// mini is a probe of wasmbuild.Mini, and a change of its module.
type mini struct {
	manifest         string
	magic, cut, rest []byte
	change           func(*wb.Module)
}

func (m mini) build() []byte {
	mod := wb.Mini{Manifest: m.manifest, Magic: m.magic, Cut: m.cut, Rest: m.rest}.Module()
	if m.change != nil {
		m.change(mod)
	}
	return mod.Bytes()
}

// bad are probes that are wrong in one way each, and what the check says.
var bad = []struct {
	name    string
	probe   mini
	check   CheckName
	message string
	alone   bool // it shows without an input
}{
	{"keeps a counter in memory", mini{rest: wb.Code(
		wb.I32Const, wb.S(100), wb.I32Const, wb.S(100), wb.I32Load, 0, 0, wb.I32Const, 1, wb.I32Add, wb.I32Store, 0, 0,
		wb.I32Const, 2, wb.I32Const, 1, wb.I32Const, wb.S(100), wb.I32Load, 0, 0, wb.I32Const, 1, wb.I32Ne, select_)},
		CheckMemory, "depends on memory that an earlier run left: outcome match, and malformed", false},
	{"reads the window behind the head", mini{rest: wb.Code(
		wb.I32Const, 2, wb.I32Const, 1, wb.I32Const, wb.S(wb.Window+4000), wb.I32Load8U, 0, 0, select_)},
		CheckMemory, "depends on bytes of the window behind the head of the image", false},
	{"reads more than it may", mini{rest: reads(257)}, CheckBudget, "a valid image does not fit: reads budget of 256 exhausted", false},
	{"asks for too small a budget", mini{manifest: withBudget(`"fuel":20`)}, CheckBudget, "a valid image does not fit: fuel budget of 20 exhausted", false},
	{"asks for too large a budget", mini{manifest: withBudget(`"fuel":4000001`)}, CheckManifest, "more than the 4000000 that a host gives", true},
	{"matches everything", mini{
		manifest: strings.Replace(wb.MiniManifest, `"signatures":[{"at":0,"bytes":"4d494e49"}]`, `"always":true`, 1),
		magic:    []byte{}, cut: wb.Code(wb.I32Const, 1, wb.Return)},
		CheckForeign, "an empty file: is matched and is not mini", false},
	{"matches more than its signatures say", mini{magic: wb.Code(wb.LocalGet, 0, wb.I32Const, 4, wb.I32LtU, wb.I32Eqz, wb.Unless(0),
		wb.I32Const, wb.S(wb.Window), wb.I32Load8U, 0, 0, wb.I32Const, wb.S('M'), wb.I32Ne, wb.I32Eqz, wb.Unless(0))},
		CheckSignatures, "matches what the manifest's signatures exclude", false},
	{"has signatures that exclude its images", mini{manifest: strings.Replace(wb.MiniManifest, "4d494e49", "4d494e4a", 1)},
		CheckSignatures, "an image of the format has none of the manifest's signatures", false},
	{"does not match", mini{rest: wb.Code(wb.I32Const, 0)}, CheckMatch, "an image of the format is not matched", false},
	{"calls a valid image malformed", mini{rest: wb.Code(wb.I32Const, 2)}, CheckMatch, "a valid image is called malformed", false},
	{"traps on a cut file", mini{cut: wb.Code(wb.Unreachable)}, CheckTrap, "cut to 4 bytes: traps: unreachable", false},
	{"traps on a number", mini{rest: wb.Code(number, wb.I32Load8U, 0, 0, wb.Drop, wb.I32Const, 1)},
		CheckTrap, "traps: out of bounds memory access", false},
	{"loops by a number", mini{rest: wb.Code(
		wb.Loop, wb.None, wb.LocalGet, 2, wb.I32Const, 1, wb.I32Add, wb.LocalTee, 2, number, wb.I32LtU, wb.BrIf, 0, wb.End, wb.I32Const, 1)},
		CheckLoop, "does not come to an end: fuel budget of 4000000 exhausted", false},
	{"loses a cut file", mini{cut: wb.Code(wb.I32Const, 0, wb.Return)}, CheckCut, "is not matched, although its magic is there", false},
	{"calls a stream malformed", mini{rest: wb.Code(wb.I32Const, 2, wb.I32Const, 1, wb.LocalGet, 1, wb.I64Const, 0, i64LtS, select_)},
		CheckStream, "is a malformed, the whole is a match", false},
	{"disagrees with its vector", mini{rest: wb.Code(wb.I32Const, 0)}, CheckVector, "expected match, got no-match", false},
	{"reports an unknown key", mini{
		rest: wb.Code(wb.I32Const, 0, wb.I32Const, 20, wb.Call, wb.FuncReport, wb.I32Const, 1),
		change: func(m *wb.Module) {
			m.Add(wb.Datas, 0, wb.I32Const, 0, wb.End, wb.Bytes("\xff\xff\x10\x00"+strings.Repeat("\x00", 16)))
		}},
		CheckReport, "no host accepts: record at byte 0: key 0xffff is not in the table", false},
	{"returns 3", mini{rest: wb.Code(wb.I32Const, 3)}, CheckReport, "assay_probe returned 3", false},
	{"is too large", mini{change: func(m *wb.Module) {
		m.Custom = append(m.Custom, wb.Custom{Name: "ballast", Payload: make([]byte, 64<<10)})
	}}, CheckProfile, "(size)", true},
	{"imports something else", mini{change: func(m *wb.Module) {
		m.Sections[wb.Imports][0] = wb.Code(wb.Bytes("wasi_snapshot_preview1"), wb.Bytes("fd_read"), 0, wb.U(wb.TypeReadAt))
	}}, CheckProfile, "(import)", true},
	{"is a compile bomb", mini{change: func(m *wb.Module) {
		// Branches to nested loops: what compilers take longest for.
		m.Func(wb.TypeNone, slices.Repeat(wb.Code(wb.Loop, wb.None), 60),
			slices.Repeat(wb.Code(wb.I32Const, 0, wb.BrIf, 59, wb.I32Const, 0, wb.BrIf, 30), 950), slices.Repeat([]byte{wb.End}, 60))
	}}, CheckProfile, "more than 1024 branches", true},
	{"recurses", mini{change: func(m *wb.Module) { m.Func(wb.TypeNone, wb.Call, 3) }}, CheckProfile, "(recursion)", true},
	{"computes with floats", mini{change: func(m *wb.Module) {
		m.Func(wb.TypeNone, 0x44, make([]byte, 8), wb.Drop)
	}}, CheckProfile, "floats are not in the profile", true},
	{"has no manifest", mini{change: func(m *wb.Module) { m.Custom = nil }}, CheckProfile, "section assay.manifest is missing", true},
	{"is not valid", mini{rest: wb.Code(wb.I64Const, 1)}, CheckProfile, "module is not valid", true},
	{"is no module", mini{change: func(m *wb.Module) { *m = wb.Module{Tail: []byte("text")} }}, CheckProfile, "(encoding)", true},
}

func withBudget(fields string) string {
	return strings.Replace(wb.MiniManifest, "{", `{"budget":{`+fields+`},`, 1)
}

// reads is a probe's rest that reads a byte n times.
func reads(n int64) []byte {
	return wb.Code(wb.Loop, wb.None,
		wb.I64Const, 0, wb.I32Const, 0, wb.I32Const, 1, wb.Call, wb.FuncReadAt, wb.Drop,
		wb.LocalGet, 2, wb.I32Const, 1, wb.I32Add, wb.LocalTee, 2, wb.I32Const, wb.S(n), wb.I32LtU, wb.BrIf, 0, wb.End,
		wb.I32Const, 1)
}

func miniVector() *Vector {
	return &Vector{Comment: []string{"the smallest image"}, Expect: []string{"match"}, Input: Input{Content: []byte(wb.MiniImage)}}
}

// A probe that does nothing wrong passes; what the engine cannot know of its
// format is noted.
func TestGoodProbePasses(t *testing.T) {
	for _, o := range []Options{{}, {Interpret: true}} {
		result := check(t, o, mini{}.build())
		for _, p := range result.Problems {
			t.Errorf("%+v: %s: %s", o, p.Check, p.Message)
		}
		if len(result.Notes) != 1 || !strings.Contains(result.Notes[0], `format "mini" is not known`) {
			t.Errorf("notes %q", result.Notes)
		}
		if result.Runs < 500 || result.Most.Fuel == 0 {
			t.Errorf("%d runs, most %+v", result.Runs, result.Most)
		}
	}
}

// newKit opens a kit that is closed with the test and those it started.
func newKit(t *testing.T, o Options) *Kit {
	t.Helper()
	kit, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kit.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return kit
}

func check(t *testing.T, o Options, wasm []byte) *Result {
	t.Helper()
	return checkIn(t, newKit(t, o), wasm)
}

func checkIn(t *testing.T, kit *Kit, wasm []byte) *Result {
	t.Helper()
	result, err := kit.Check(t.Context(), wasm, miniVector())
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// Each bad probe is caught, by the message of what is wrong with it, and the
// input that comes along shows it again.
func TestBadProbesAreCaught(t *testing.T) {
	kit := newKit(t, Options{})
	var messages sync.Map
	for _, b := range bad {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			wasm := b.probe.build()
			result := checkIn(t, kit, wasm)
			i := slices.IndexFunc(result.Problems, func(p Problem) bool {
				return p.Check == b.check && strings.Contains(p.Message, b.message)
			})
			if i < 0 {
				t.Fatalf("no problem of %s that says %q among %v", b.check, b.message, result.Problems)
			}
			p := result.Problems[i]
			if p.Fix == "" || p.Message != strings.TrimSpace(p.Message) {
				t.Errorf("problem %+v", p)
			}
			if other, there := messages.LoadOrStore(p.Message, b.name); there {
				t.Errorf("%q has the same message", other)
			}
			if (p.Vector == nil) != b.alone {
				t.Fatalf("vector %v", p.Vector)
			}
			if p.Vector != nil {
				shows(t, kit, wasm, p)
			}
		})
	}
}

// Every check is described, and each that a module can fail has a bad probe.
func TestChecksAreCovered(t *testing.T) {
	text, err := os.ReadFile("../../docs/probe-workbench.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `([a-z]+)` \\| ").FindAllStringSubmatch(string(text), len(Checks))
	for i, check := range Checks {
		if i >= len(rows) || rows[i][1] != string(check) {
			t.Errorf("docs/probe-workbench.md has no row for %s, or has it in another place", check)
		}
		// The engines agree on everything that the profile allows.
		covered := check == CheckSteady
		for _, b := range bad {
			covered = covered || b.check == check
		}
		if !covered {
			t.Errorf("no bad probe fails %s", check)
		}
	}
}

// shows runs the input of a problem as it would be saved.
func shows(t *testing.T, kit *Kit, wasm []byte, p Problem) {
	t.Helper()
	v, err := ParseVector(p.Vector.Encode())
	if err != nil {
		t.Fatal(err)
	}
	probe, err := kit.Open(wasm)
	if err != nil {
		t.Fatal(err)
	}
	r, err := probe.Run(t.Context(), v.Input)
	wanted := file{Input: &v.Input}.wanted(probe.Manifest())
	shown := false
	switch p.Check {
	case CheckMemory:
		shown = fmt.Sprintf("%T", err) == "*probetest.UnsteadyError"
	case CheckTrap, CheckBudget, CheckLoop, CheckReport:
		shown = r != nil && r.Failed != nil && strings.Contains(p.Message, r.Failed.Err.Error())
	case CheckSignatures:
		shown = r != nil && (r.Outcome != hostfuncs.NoMatch) != wanted
	case CheckForeign:
		shown = r != nil && r.Outcome != hostfuncs.NoMatch
	case CheckCut:
		shown = r != nil && r.Outcome == hostfuncs.NoMatch && wanted
	case CheckMatch, CheckVector:
		shown = r != nil && r.Outcome != hostfuncs.Match
	case CheckStream:
		shown = r != nil && v.Size == hostfuncs.SizeUnknown && r.Outcome == hostfuncs.MatchMalformed
	}
	if !shown {
		t.Errorf("the input does not show it: run %v, error %v", r, err)
	}
}

// What the profile refuses costs no more than reading it.
func TestRefusalsAreCheap(t *testing.T) {
	const most = 4 << 20 // bytes; a kit takes half of it
	for _, b := range bad {
		if b.check != CheckProfile {
			continue
		}
		wasm := b.probe.build()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		check(t, Options{}, wasm)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > most {
			t.Errorf("%s: refused for %d bytes", b.name, got)
		}
	}
}
