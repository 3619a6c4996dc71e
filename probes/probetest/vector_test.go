package probetest

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/assay-dev/assay/hostfuncs"
	"github.com/assay-dev/assay/probes"
	"github.com/assay-dev/assay/testdata/images"
)

func TestVectorRoundTrip(t *testing.T) {
	v := &Vector{
		Comment:    []string{"first", "second"},
		Input:      Input{Content: []byte("QFI\xfb\n\nexpect: match\n"), Size: 1 << 62, Short: true, Depth: hostfuncs.DepthDeep},
		Expect:     []string{"malformed", "reject"},
		Findings:   []string{"qcow2.header-cut"},
		Properties: [][2]string{{"qcow2.version", "3"}},
		Budget:     hostfuncs.Budget{Fuel: 1, Reads: 2, ReadBytes: 3, ReportBytes: 4},
	}
	for _, size := range []int64{0, 1 << 62, hostfuncs.SizeUnknown} {
		v.Size = size
		again, err := ParseVector(v.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(v, again) {
			t.Errorf("%+v\nbecomes %+v", v, again)
		}
	}
}

func TestVectorInHex(t *testing.T) {
	v, err := ParseVector([]byte("body: hex\n\n# a boot sector\n0x1fe: 55 aa\n0: eb3c 90\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Content) != 512 || string(v.Content[510:]) != "\x55\xaa" || string(v.Content[:4]) != "\xeb\x3c\x90\x00" {
		t.Errorf("%d bytes: % x", len(v.Content), v.Content)
	}
}

func TestParseVectorErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "no empty line",
		"expect: match":                       "no empty line",
		"expect match\n\n":                    "line 1: must be a key",
		"colour: red\n\n":                     "is no key",
		"expect: reject\nexpect: nothing\n\n": `line 2: expect: "nothing" is none of`,
		"finding: qcow2.bakcing\n\n":          "no probe can report",
		"finding: qcow2.version\n\n":          "no probe can report",
		"finding: raw.empty\n\n":              "no probe can report", // the host's
		"property: qcow2.backing-file x\n\n":  "no probe can report",
		"budget: money 3\n\n":                 "none of fuel",
		"budget: fuel 0\n\n":                  "no positive number",
		"depth: middle\n\n":                   "neither header nor deep",
		"size: -1\n\n":                        "is negative",
		"size: big\n\n":                       "invalid syntax",
		"size: 3\n\nfour":                     "size is 3, the image has 4 bytes",
		"depth: deep\ndepth: deep\n\n":        "given twice",
		"short: no\n\n":                       "is not yes",
		"body: base64\n\n":                    "is not hex",
		"body: hex\n\nzz: 00\n":               "offset",
		"body: hex\n\n0: 0\n":                 "bytes at 0",
		"body: hex\n\n0xffffffff: 0000\n":     "are beyond",
	} {
		if _, err := ParseVector([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

// shippedProbe opens a shipped probe in a kit that is closed with the test.
func shippedProbe(t *testing.T, name string) *Probe {
	t.Helper()
	kit := newKit(t, Options{})
	shipped, err := probes.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range shipped {
		if m.Name == name {
			p, err := kit.Open(m.Wasm)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
	}
	t.Fatalf("no probe is called %s", name)
	return nil
}

// A vector is judged by everything that it says.
func TestVectorsAreJudged(t *testing.T) {
	p := shippedProbe(t, "qcow2")
	plain, backing := string(images.Qcow2()), string(images.Qcow2(images.Backing("/etc/passwd")))
	for _, c := range []struct{ head, image, want string }{
		{"expect: match\nexpect: accept\nfinding: none\nproperty: qcow2.version 3\nproperty: qcow2.compression zlib\nproperty: qcow2.extended_l2 0\n", plain, ""},
		{"depth: deep\nexpect: accept\nbudget: fuel 4000000\nbudget: reads 100\n", plain, ""},
		{"expect: match\nexpect: reject\nfinding: qcow2.backing-file\n", backing, ""},
		{"expect: no-match\n", "something else", ""},
		{"size: unknown\nexpect: match\n", plain, ""},
		{"expect: malformed\n", plain, "expected malformed, got match"},
		{"expect: reject\n", plain, "is accepted"},
		{"expect: accept\n", backing, `is rejected: qcow2.backing-file "/etc/passwd" at `},
		{"expect: accept\n", "something else", "is rejected: no-match"},
		{"finding: none\n", backing, "expected no finding, got qcow2.backing-file"},
		{"finding: qcow2.dirty\n", plain, "qcow2.dirty, it is not reported"},
		{"property: qcow2.version 2\n", plain, "expected qcow2.version 2, got 3"},
		{"property: qcow2.backing_format raw\n", plain, "it is not reported"},
		{"budget: fuel 10\n", plain, "of fuel, at most 10 are to be spent"},
		{"budget: read_bytes 10\n", plain, "of read_bytes, at most 10"},
	} {
		v, err := ParseVector([]byte(c.head + "\n" + c.image))
		if err != nil {
			t.Fatal(err)
		}
		wrong, err := p.Try(t.Context(), v)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(wrong, "; "); (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%q: %q, want %q", c.head, got, c.want)
		}
	}
}

// TestVectors finds vectors wherever they lie in a folder.
func TestTestVectors(t *testing.T) {
	TestVectors(t, mini{}.build(), fstest.MapFS{
		"valid.vector":         {Data: miniVector().Encode()},
		"cut/here.vector":      {Data: []byte("expect: malformed\n\nMINI")},
		"cut/not-a-vector.txt": {Data: []byte("text")},
	})
}

// FuzzParseVector: whatever is read as a vector is the same when it was written
// and read again.
func FuzzParseVector(f *testing.F) {
	f.Add(miniVector().Encode())
	f.Add([]byte("expect: reject\nfinding: none\nsize: unknown\nbudget: reads 3\nbody: hex\n\n0x10: 00 ff\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := ParseVector(text)
		if err != nil {
			return
		}
		again, err := ParseVector(v.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(v.Encode(), again.Encode()) {
			t.Errorf("%q\nbecomes %q", v.Encode(), again.Encode())
		}
	})
}
