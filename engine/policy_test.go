package engine

import (
	"strings"
	"testing"

	"github.com/assay-dev/assay/hostfuncs"
)

func policyOf(t *testing.T, rules string) Policy {
	t.Helper()
	p, err := ParsePolicy([]byte(`{"schema":1,"name":"test","rules":[` + rules + `],"formats":["raw"],"bounds":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The most specific rule wins, in whatever order the rules stand.
func TestPolicySpecificity(t *testing.T) {
	rules := []string{
		`{"class":"needs-repair","severity":"warn"}`,
		`{"id":"qcow2.*","severity":"reject"}`,
		`{"id":"qcow2.dirty","severity":"info"}`,
		`{"id":"*","severity":"warn"}`,
	}
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}} {
		var text []string
		for _, i := range order {
			text = append(text, rules[i])
		}
		p := policyOf(t, strings.Join(text, ","))
		for id, want := range map[string]Severity{"qcow2.dirty": Info, "qcow2.corrupt": Reject, "vdi.dirty": Warn} {
			if got := p.severity(hostfuncs.NeedsRepair, id); got != want {
				t.Errorf("rules %v: %s is %s, want %s", order, id, got, want)
			}
		}
	}
	p := policyOf(t, `{"id":"qcow2.dirty","severity":"info"},{"id":"qcow2.dirty","severity":"reject"}`)
	if got := p.severity(hostfuncs.NeedsRepair, "qcow2.dirty"); got != Reject {
		t.Errorf("of equal rules %s won, want the stricter", got)
	}
	if got := (&Policy{}).severity(hostfuncs.Legacy, "x"); got != Reject {
		t.Errorf("the zero policy gives %s, want reject", got)
	}
}

func TestParsePolicyErrors(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"unknown key":       {`{"schema":1,"name":"x","colour":1}`, "colour"},
		"unknown rule key":  {`{"schema":1,"name":"x","rules":[{"class":"legacy","sev":"warn"}]}`, "sev"},
		"repeated key":      {`{"schema":1,"name":"x","name":"y"}`, `"name" is given twice`},
		"repeated deep key": {`{"schema":1,"name":"x","rules":[{"class":"legacy","class":"legacy","severity":"warn"}]}`, "twice"},
		"trailing":          {`{"schema":1,"name":"x"} {}`, "follows the document"},
		"cut":               {`{"schema":1,"name":"x"`, "EOF"},
		"empty":             {``, "EOF"},
		"schema":            {`{"schema":2,"name":"x"}`, "schema is 2"},
		"no name":           {`{"schema":1}`, "name"},
		"hostile name":      {`{"schema":1,"name":"a\u001b[2J"}`, "printable"},
		"class":             {`{"schema":1,"name":"x","rules":[{"class":"lgacy","severity":"warn"}]}`, `"lgacy" is not known`},
		"severity":          {`{"schema":1,"name":"x","rules":[{"class":"legacy","severity":"ignore"}]}`, `"ignore"`},
		"empty rule":        {`{"schema":1,"name":"x","rules":[{"severity":"warn"}]}`, "matches nothing"},
		"id of nothing":     {`{"schema":1,"name":"x","rules":[{"id":"qcow2.bakcing-file","severity":"warn"}]}`, "matches no finding"},
		"format":            {`{"schema":1,"name":"x","formats":["qcow9"]}`, "qcow9"},
		"bound of nothing":  {`{"schema":1,"name":"x","bounds":{"qcow2.snap":1}}`, "qcow2.snap"},
		"negative bound":    {`{"schema":1,"name":"x","bounds":{"virtual_size":-1}}`, "negative"},
		"fractional bound":  {`{"schema":1,"name":"x","bounds":{"virtual_size":1.5}}`, "1.5"},
		"array":             {`[]`, "array"},
		"too large":         {`{"schema":1,"name":"` + strings.Repeat("x", maxPolicy) + `"}`, "exceed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParsePolicy([]byte(tc.text))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one that says %q", err, tc.want)
			}
		})
	}
}

func TestStrictPolicyIsTheContract(t *testing.T) {
	p := Strict()
	for _, c := range hostfuncs.Classes {
		want := Reject
		if c == hostfuncs.Legacy {
			want = Warn
		}
		if got := p.severity(c, "some.thing"); got != want {
			t.Errorf("class %s is %s, want %s", c, got, want)
		}
	}
	for id, want := range map[string]Severity{
		"raw.unclaimed": Warn, "raw.claimed": Warn, "raw.empty": Reject,
		"format.mismatch": Reject, "format.ambiguous": Reject,
		"qcow2.backing-file": Reject, "qcow2.data-file": Reject, "probe.trap": Reject, "probe.budget": Reject,
		"qcow2.dirty": Warn, "qcow2.corrupt": Reject, "qcow2.luks": Warn, "qcow2.aes": Reject,
		"qcow2.unknown-incompatible": Reject, "qcow2.unknown-compatible": Info, "qcow2.unknown-autoclear": Info,
		"qcow2.internal-snapshots": Info, "qcow2.persistent-bitmaps": Info, "qcow2.snapshots-limit": Reject,
		"gpt.primary-header": Warn, "mbr.beyond-disk": Warn, "virtual-size-limit": Reject,
	} {
		e := hostfuncs.ByName(id)
		if e == nil {
			t.Errorf("no finding %s", id)
			continue
		}
		if got := p.severity(e.Class, id); got != want {
			t.Errorf("%s is %s, want %s", id, got, want)
		}
	}
	if b, ok := p.bound("virtual_size"); !ok || b != 64<<40 {
		t.Errorf("bound of virtual_size is %d, %v; want 64 TiB", b, ok)
	}
	if p.allows("gzip") || !p.allows("qcow2") {
		t.Error("strict must allow qcow2 and no container")
	}
}

func TestMatchGlob(t *testing.T) {
	for _, tc := range []struct {
		pattern, s string
		want       bool
	}{
		{"a", "a", true}, {"a", "ab", false}, {"a*", "a", true}, {"a*", "abc", true}, {"*", "", true},
		{"*.dirty", "qcow2.dirty", true}, {"*.dirty", "qcow2.dirty2", false},
		{"a*b*c", "aXbYc", true}, {"a*b*c", "abc", true}, {"a*b*c", "acb", false}, {"a*a", "a", false},
		{"**", "x", true}, {"", "", true}, {"", "x", false},
	} {
		if got := matchGlob(tc.pattern, tc.s); got != tc.want {
			t.Errorf("matchGlob(%q, %q) = %v", tc.pattern, tc.s, got)
		}
	}
}

func FuzzParsePolicy(f *testing.F) {
	f.Add(strictDocument)
	f.Add([]byte(`{"schema":1,"name":"x","rules":[{"id":"*","severity":"warn"}],"bounds":{"virtual_size":1}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParsePolicy(text)
		if err != nil {
			return
		}
		again, err := ParsePolicy(p.Document())
		if err != nil {
			t.Fatalf("an accepted document is refused the second time: %v", err)
		}
		for _, e := range hostfuncs.Table() {
			if p.severity(e.Class, e.Name) != again.severity(e.Class, e.Name) {
				t.Fatalf("%s is judged differently the second time", e.Name)
			}
		}
	})
}
