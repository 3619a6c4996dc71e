package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestManifestRefuses(t *testing.T) {
	const good = `{"abi":1,"name":"qcow2","version":"1.0.0","format":"qcow2","window":4096,"signatures":[{"at":0,"bytes":"514649fb"}]}`
	if _, err := parseManifest([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"not JSON":            {`{`, `[`},
		"empty":               {good, ``},
		"null":                {good, `null`},
		"two values":          {`}]}`, `}]}{}`},
		"unknown key":         {`"abi":1`, `"abi":1,"author":"x"`},
		"unknown nested key":  {`"at":0`, `"at":0,"offset":0`},
		"unknown budget":      {`"abi":1`, `"abi":1,"budget":{"time":1}`},
		"negative budget":     {`"abi":1`, `"abi":1,"budget":{"reads":-1}`},
		"no abi":              {`"abi":1,`, ``},
		"abi 2":               {`"abi":1`, `"abi":2`},
		"empty name":          {`"name":"qcow2"`, `"name":""`},
		"upper case name":     {`"name":"qcow2"`, `"name":"QCOW2"`},
		"name with a slash":   {`"name":"qcow2"`, `"name":"../x"`},
		"name with a newline": {`"name":"qcow2"`, `"name":"x\n"`},
		"long name":           {`"name":"qcow2"`, `"name":"` + strings.Repeat("x", 33) + `"`},
		"format with a space": {`"format":"qcow2"`, `"format":"q cow"`},
		"two-part version":    {`1.0.0`, `1.0`},
		"version with a zero": {`1.0.0`, `1.00.0`},
		"no window":           {`"window":4096`, `"window":0`},
		"negative window":     {`"window":4096`, `"window":-1`},
		"large window":        {`"window":4096`, `"window":65537`},
		"no signatures":       {`[{"at":0,"bytes":"514649fb"}]`, `[]`},
		"always as well":      {`"abi":1`, `"abi":1,"always":true`},
		"17 signatures":       {`{"at"`, strings.Repeat(`{"at":0,"bytes":"00"},`, 16) + `{"at"`},
		"odd digits":          {`514649fb`, `514`},
		"not hexadecimal":     {`514649fb`, `5146zz`},
		"no bytes":            {`514649fb`, ``},
		"65 bytes":            {`514649fb`, strings.Repeat("00", 65)},
		"neither place":       {`"at":0,`, ``},
		"both places":         {`"at":0`, `"at":0,"within":[0,10]`},
		"contains at":         {`"bytes"`, `"contains"`},
		"bytes within":        {`"at":0`, `"within":[0,10]`},
		"nocase at":           {`"at":0`, `"at":0,"nocase":true`},
		"mask within":         {`"at":0,"bytes"`, `"within":[0,10],"mask":"ff","contains"`},
		"short mask":          {`"at":0`, `"at":0,"mask":"ff"`},
		"mask that hides":     {`"at":0`, `"at":0,"mask":"ffffff00"`},
		"at beyond 64 KiB":    {`"at":0`, `"at":65533`},
		"at before the tail":  {`"at":0`, `"at":-65537`},
		"at across the end":   {`"at":0`, `"at":-3`},
		"at at the limit":     {`"at":0`, `"at":9223372036854775807`},
		"range too short":     {`"at":0,"bytes"`, `"within":[0,3],"contains"`},
		"range backwards":     {`"at":0,"bytes"`, `"within":[10,0],"contains"`},
		"range too far":       {`"at":0,"bytes"`, `"within":[0,65537],"contains"`},
		"range of both ends":  {`"at":0,"bytes"`, `"within":[-10,10],"contains"`},
		"range of one number": {`"at":0,"bytes"`, `"within":[-65537,0],"contains"`},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if text == good {
			t.Fatalf("%s: nothing changed", name)
		}
		if m, err := parseManifest([]byte(text)); err == nil {
			t.Errorf("%s: accepted: %+v", name, m)
		}
	}
}

func TestMatches(t *testing.T) {
	file := func(size int, at int, content string) []byte {
		b := bytes.Repeat([]byte{'.'}, size)
		copy(b[at:], content)
		return b
	}
	for _, c := range []struct {
		signature string
		file      []byte
		want      bool
	}{
		{`{"at":0,"bytes":"514649fb"}`, file(512, 0, "QFI\xfb"), true},
		{`{"at":0,"bytes":"514649fb"}`, []byte("QFI\xfb"), true},
		{`{"at":0,"bytes":"514649fb"}`, []byte("QFI"), false},
		{`{"at":0,"bytes":"514649fb"}`, nil, false},
		{`{"at":0,"bytes":"514649fb"}`, file(512, 1, "QFI\xfb"), false},
		{`{"at":510,"bytes":"55aa"}`, file(512, 510, "\x55\xaa"), true},
		{`{"at":510,"bytes":"55aa"}`, file(511, 510, "\x55"), false},
		{`{"at":65534,"bytes":"55aa"}`, file(70000, 65534, "\x55\xaa"), true},
		{`{"at":0,"bytes":"4142","mask":"dfff"}`, []byte("aB"), true},
		{`{"at":0,"bytes":"4142","mask":"dfff"}`, []byte("ab"), false},
		{`{"at":-512,"bytes":"636f"}`, file(1024, 512, "co"), true},
		{`{"at":-512,"bytes":"636f"}`, file(512, 0, "co"), true},
		{`{"at":-512,"bytes":"636f"}`, file(511, 0, "co"), false},
		{`{"at":-2,"bytes":"636f"}`, file(100_000, 99_998, "co"), true},
		{`{"contains":"6b6f6c79","within":[4,12]}`, file(100, 8, "koly"), true},
		{`{"contains":"6b6f6c79","within":[4,12]}`, file(100, 4, "koly"), true},
		{`{"contains":"6b6f6c79","within":[4,12]}`, file(100, 9, "koly"), false},
		{`{"contains":"6b6f6c79","within":[4,12]}`, file(100, 3, "koly"), false},
		{`{"contains":"6b6f6c79","within":[4,12]}`, []byte("....koly"), true},
		{`{"contains":"6b6f6c79","within":[4,12]}`, []byte("....kol"), false},
		{`{"contains":"6b6f6c79","within":[4,12]}`, []byte("..."), false},
		{`{"contains":"6b6f6c79","within":[4,12]}`, file(100, 4, "KOLY"), false},
		{`{"contains":"6b4F6c79","within":[4,12],"nocase":true}`, file(100, 4, "Koly"), true},
		{`{"contains":"6b6f6c5f","within":[4,12],"nocase":true}`, file(100, 4, "kol\x7f"), false},
		{`{"contains":"6b6f6c79","within":[-8,0]}`, file(100, 96, "koly"), true},
		{`{"contains":"6b6f6c79","within":[-8,-2]}`, file(100, 96, "koly"), false},
		{`{"contains":"6b6f6c79","within":[-8,-2]}`, file(100, 94, "koly"), true},
		{`{"contains":"6b6f6c79","within":[-65536,0]}`, []byte("koly"), true},
		{`{"contains":"6b6f6c79","within":[-65536,-1]}`, []byte("koly"), false},
	} {
		text := fmt.Sprintf(`{"abi":1,"name":"x","version":"1.0.0","format":"x","window":1,"signatures":[%s]}`, c.signature)
		m, err := parseManifest([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", c.signature, err)
		}
		head := c.file[:min(len(c.file), m.HeadBytes())]
		tail := c.file[max(0, len(c.file)-m.TailBytes()):]
		if got := m.Matches(head, tail); got != c.want {
			t.Errorf("%s: %v over %d bytes with %d of head and %d of tail, want %v",
				c.signature, got, len(c.file), len(head), len(tail), c.want)
		}
		if got := m.Matches(c.file, c.file); got != c.want {
			t.Errorf("%s: %v over more than it needs, want %v", c.signature, got, c.want)
		}
		if m.TailBytes() > 0 && m.Matches(head, nil) {
			t.Errorf("%s: matches without a tail", c.signature)
		}
		if n := testing.AllocsPerRun(10, func() { m.Matches(head, tail) }); n != 0 {
			t.Errorf("%s: %v allocations", c.signature, n)
		}
	}
}

// One signature is enough, and how much is needed is that of the furthest.
func TestManifestReach(t *testing.T) {
	m, err := parseManifest([]byte(`{"abi":1,"name":"x","version":"1.0.0","format":"x","window":1,"signatures":[
		{"at":0,"bytes":"00"},{"at":32769,"bytes":"4344303031"},{"at":-512,"bytes":"63"},{"contains":"78","within":[-4096,-1024]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if m.HeadBytes() != 32774 || m.TailBytes() != 4096 {
		t.Errorf("head %d, tail %d; want 32774, 4096", m.HeadBytes(), m.TailBytes())
	}
	tail := bytes.Repeat([]byte{'.'}, 4096)
	tail[4096-512] = 'c'
	if !m.Matches([]byte{1}, tail) {
		t.Error("the third signature does not match")
	}
	always, err := parseManifest([]byte(`{"abi":1,"name":"x","version":"1.0.0","format":"x","window":1,"always":true}`))
	if err != nil {
		t.Fatal(err)
	}
	if !always.Matches(nil, nil) || always.HeadBytes() != 0 || always.TailBytes() != 0 {
		t.Error("a probe that always runs needs bytes to be run")
	}
}

// A manifest is shown as it was written.
func TestManifestIsWrittenAsRead(t *testing.T) {
	const text = `{"abi":1,"name":"x","format":"x","version":"1.0.0","window":1,` +
		`"budget":{"fuel":1,"reads":2,"read_bytes":3,"report_bytes":4},` +
		`"signatures":[{"at":0,"bytes":"514649fb"},{"contains":"6b6f6c79","within":[-8,0],"nocase":true}]}`
	m, err := parseManifest([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(m); err != nil || string(got) != text {
		t.Errorf("written as %s (error %v), read from %s", got, err, text)
	}
}
