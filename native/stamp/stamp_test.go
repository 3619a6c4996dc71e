package stamp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// example is a stamp without what Seal fills in.
func example() *Stamp {
	return &Stamp{
		Report: strings.Repeat("a", 64), Probes: strings.Repeat("b", 64), Policy: strings.Repeat("c", 64),
		SourceFormat: "qcow2", Format: "raw", VirtualSize: 4096,
	}
}

var key = Key(bytes.Repeat([]byte{1}, 32))

// file returns an open file that holds data.
func file(t testing.TB, data []byte) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// keepsStamps skips a test where the file system of f keeps no attributes.
func keepsStamps(t *testing.T, f *os.File) {
	t.Helper()
	s := example()
	if err := errors.Join(s.Seal(t.Context(), f, nil, nil), Write(f, s)); errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	if err := Remove(f); err != nil {
		t.Fatal(err)
	}
}

// A stamp that is written is read again, replaces the one before, and goes when
// it is removed.
func TestWriteReadRemove(t *testing.T) {
	f := file(t, []byte("content"))
	keepsStamps(t, f)
	if _, err := Read(f); !errors.Is(err, ErrNone) {
		t.Errorf("before: %v", err)
	}
	for _, k := range []Key{nil, key} {
		s := example()
		if err := errors.Join(s.Seal(t.Context(), f, k, nil), Write(f, s)); err != nil {
			t.Fatal(err)
		}
		got, err := Read(f)
		if err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("got %+v, %v, want %+v", got, err, s)
		}
		if (s.HMAC != "") != (k != nil) || (s.SHA256 != "") != (k != nil) {
			t.Errorf("with key %v: %+v", k != nil, s)
		}
	}
	for range 2 {
		if err := Remove(f); err != nil {
			t.Error(err)
		}
	}
	if _, err := Read(f); !errors.Is(err, ErrNone) {
		t.Errorf("after: %v", err)
	}
	if err := Write(f, example()); err == nil {
		t.Error("a stamp without digests was written")
	}
}

// The digests are those of the content: of known values (XXH64 and SHA-256 of
// "abc").
func TestSealDigests(t *testing.T) {
	s := example()
	if err := s.Seal(t.Context(), file(t, []byte("abc")), key, nil); err != nil {
		t.Fatal(err)
	}
	if s.Version != 1 || s.Size != 3 || s.XXH64 != "44bc2cf5ad770999" || s.SHA256 != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Errorf("got %+v", s)
	}
}

// Whatever changes, in the content or in a sealed stamp, shows.
func TestVerify(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 200<<10) // more than one step
	f := file(t, data)
	seal := func(k Key) *Stamp {
		s := example()
		if err := s.Seal(t.Context(), f, k, nil); err != nil {
			t.Fatal(err)
		}
		return s
	}
	plain, sealed := seal(nil), seal(key)
	verify := func(what string, s *Stamp, f *os.File, k Key, want ...Mismatch) {
		t.Helper()
		got, err := s.Verify(t.Context(), f, k, nil)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v, want %v", what, got, err, want)
		}
	}
	verify("plain", plain, f, nil)
	verify("sealed", sealed, f, key)
	verify("sealed, nobody asks", sealed, f, nil)
	verify("plain, and a seal is asked for", plain, f, key, MismatchSeal)
	verify("another key", sealed, f, bytes.Repeat([]byte{2}, 32), MismatchSeal)
	last := bytes.Clone(data)
	last[len(last)-1] ^= 1
	verify("the last byte", sealed, file(t, last), key, MismatchContent)
	verify("the last byte, plain", plain, file(t, last), nil, MismatchContent)
	verify("longer", sealed, file(t, append(bytes.Clone(data), 0)), key, MismatchSize, MismatchContent)
	verify("empty", plain, file(t, nil), nil, MismatchSize, MismatchContent)

	// Each field is under the seal.
	for i := range reflect.TypeFor[Stamp]().NumField() {
		name := reflect.TypeFor[Stamp]().Field(i).Name
		changed := *sealed
		switch field := reflect.ValueOf(&changed).Elem().Field(i); {
		case field.CanInt():
			field.SetInt(field.Int() + 1)
		default:
			field.SetString("0" + field.String()[1:])
			if field.String() == reflect.ValueOf(sealed).Elem().Field(i).String() {
				field.SetString("1" + field.String()[1:])
			}
		}
		got, err := changed.Verify(t.Context(), f, key, nil)
		if err != nil || !slices.Contains(got, MismatchSeal) {
			t.Errorf("%s was changed: %v, %v", name, got, err)
		}
	}
}

func TestSealFails(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := example().Seal(ctx, file(t, []byte("x")), nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for _, k := range []Key{{}, key[:31], make(Key, 4097)} {
		s := example()
		if err := s.Seal(t.Context(), file(t, nil), k, nil); err == nil {
			t.Errorf("sealed with a key of %d bytes", len(k))
		}
		if _, err := s.Verify(t.Context(), file(t, nil), k, nil); err == nil {
			t.Errorf("verified with a key of %d bytes", len(k))
		}
	}
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := example().Seal(t.Context(), dir, nil, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a folder: %v", err)
	}
}

func TestReadKey(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		size int
		mode os.FileMode
		good bool
	}{
		"good": {32, 0o600, true}, "long": {4096, 0o400, true}, "short": {31, 0o600, false}, "too long": {4097, 0o600, false},
		"for the group": {32, 0o640, false}, "for all": {32, 0o604, false},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, make([]byte, c.size), c.mode); err != nil {
			t.Fatal(err)
		}
		k, err := ReadKey(path)
		if (err == nil) != c.good || c.good && len(k) != c.size {
			t.Errorf("%s: %d bytes, %v", name, len(k), err)
		}
	}
	if _, err := ReadKey(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// sealedText is a valid stamp as text.
func sealedText(t testing.TB) []byte {
	t.Helper()
	s := example()
	if err := s.Seal(t.Context(), file(t, []byte("abc")), key, nil); err != nil {
		t.Fatal(err)
	}
	text, err := s.text()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// An attribute is anybody's text until it was checked.
func TestParseRefuses(t *testing.T) {
	good := string(sealedText(t))
	if _, err := Parse([]byte(good)); err != nil {
		t.Fatal(err)
	}
	swap := func(from, to string) string {
		if !strings.Contains(good, from) {
			t.Fatalf("%s is not in %s", from, good)
		}
		return strings.Replace(good, from, to, 1)
	}
	for name, text := range map[string]string{
		"empty": "", "null": "null", "a list": "[]", "no object": "{}", "cut": good[:len(good)-1], "followed": good + "{}",
		"a further key":    swap(`{`, `{"more":1,`),
		"another version":  swap(`"version":1`, `"version":2`),
		"a format to type": swap(`"qcow2"`, `"qcow2\u001b[2J"`),
		"no format":        swap(`"qcow2"`, `""`),
		"a long format":    swap(`"qcow2"`, `"`+strings.Repeat("q", 17)+`"`),
		"upper case":       swap(`"44bc2cf5`, `"44BC2CF5`),
		"a short digest":   swap(`"aaaa`, `"aaa`),
		"an end of line":   swap(strings.Repeat("a", 64), strings.Repeat("a", 63)+`\n`),
		"a negative size":  swap(`"size":3`, `"size":-3`),
		"a huge size":      swap(`"size":3`, `"size":9223372036854775808`),
		"no seal":          swap(`"hmac"`, `"sha256"`),
		"too long":         good + strings.Repeat(" ", 4096),
	} {
		s, err := Parse([]byte(text))
		if _, ok := errors.AsType[*MalformedError](err); !ok {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

// FuzzParse: what is accepted is printable, within its bounds, and the same
// when it is written and read again.
func FuzzParse(f *testing.F) {
	f.Add(sealedText(f))
	f.Add([]byte(`{"version":1,"size":-1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse(text)
		if err != nil {
			for _, r := range err.Error() {
				if r < ' ' || r > '~' {
					t.Fatalf("the error holds %q", r)
				}
			}
			return
		}
		again, err := s.text()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range again {
			if c < ' ' || c > '~' {
				t.Fatalf("%q holds %q", again, c)
			}
		}
		read, err := Parse(again)
		if err != nil || !reflect.DeepEqual(read, s) || len(again) > maxLength {
			t.Fatalf("%+v became %+v, %v", s, read, err)
		}
		if !json.Valid(again) || s.Size < 0 || s.VirtualSize < 0 {
			t.Fatalf("accepted %+v", s)
		}
	})
}
