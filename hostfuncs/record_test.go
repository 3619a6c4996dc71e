package hostfuncs

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

// encode writes a record.
func encode(key uint16, offset, length uint64, body ...byte) []byte {
	le := binary.LittleEndian
	b := le.AppendUint16(nil, key)
	b = le.AppendUint16(b, uint16(recordPlace+len(body)))
	b = le.AppendUint64(b, offset)
	b = le.AppendUint64(b, length)
	return append(b, body...)
}

func u64(values ...uint64) (b []byte) {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

// keyOf returns a key of the given kind that the format may report.
func keyOf(t testing.TB, kind Kind, format string) uint16 {
	t.Helper()
	for _, e := range Table() {
		if e.Key != 0 && e.Kind == kind && e.Format() == format {
			return e.Key
		}
	}
	t.Fatalf("the table has no %v of format %q", kind, format)
	return 0
}

func TestDecode(t *testing.T) {
	number, flag := keyOf(t, KindNumber, ""), keyOf(t, KindFlag, "qcow2")
	text, reference := keyOf(t, KindText, "qcow2"), keyOf(t, KindReference, "qcow2")
	finding := keyOf(t, KindFinding, "qcow2")
	buf := slices.Concat(
		encode(number, 24, 8, u64(1<<40)...),
		encode(flag, 72, 8, u64(1)...),
		encode(text, NoPlace, 0, []byte("zstd")...),
		encode(reference, 512, 11, []byte("/etc/passwd")...),
		encode(reference, 600, 0),
		encode(finding, 0, 4),
		encode(finding, 0, 4, u64(1)...),
		encode(finding, 0, 4, u64(1, 2)...),
	)
	got, err := Decode(nil, buf, "qcow2")
	if err != nil {
		t.Fatal(err)
	}
	want := []Record{
		{Entry: Lookup(number), Offset: 24, Length: 8, Values: [2]uint64{1 << 40}},
		{Entry: Lookup(flag), Offset: 72, Length: 8, Values: [2]uint64{1}},
		{Entry: Lookup(text), Offset: NoPlace, Text: []byte("zstd")},
		{Entry: Lookup(reference), Offset: 512, Length: 11, Text: []byte("/etc/passwd")},
		{Entry: Lookup(reference), Offset: 600},
		{Entry: Lookup(finding), Length: 4},
		{Entry: Lookup(finding), Length: 4, Values: [2]uint64{1}},
		{Entry: Lookup(finding), Length: 4, Values: [2]uint64{1, 2}},
	}
	if !slices.EqualFunc(got, want, func(a, b Record) bool {
		return a.Entry == b.Entry && a.Offset == b.Offset && a.Length == b.Length && a.Values == b.Values && string(a.Text) == string(b.Text)
	}) {
		t.Errorf("decoded %+v\nwant    %+v", got, want)
	}
	// Records are appended: what was there stays, and is not looked at.
	again, err := Decode(got[:1], encode(number, 24, 8, u64(5)...), "qcow2")
	if err != nil || len(again) != 2 || again[0].Values[0] != 1<<40 || again[1].Values[0] != 5 {
		t.Errorf("appended %+v, error %v", again, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	number, flag := keyOf(t, KindNumber, ""), keyOf(t, KindFlag, "qcow2")
	finding, foreign := keyOf(t, KindFinding, "qcow2"), keyOf(t, KindNumber, "gpt")
	good := encode(number, 24, 8, u64(1)...)
	for name, c := range map[string]struct {
		buf    []byte
		offset int
		reason string
	}{
		"cut header":         {good[:3], 0, "3 bytes left"},
		"cut body":           {good[:len(good)-1], 0, "are left"},
		"cut second record":  {slices.Concat(good, good[:10]), len(good), "are left"},
		"no place":           {[]byte{1, 0, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0, "its place alone"},
		"key 0":              {encode(0, 0, 0), 0, "not in the table"},
		"unknown key":        {encode(0xffff, 0, 0), 0, "not in the table"},
		"foreign key":        {encode(foreign, 0, 0, u64(1)...), 0, "belongs to format gpt"},
		"short number":       {encode(number, 0, 0, 1, 2, 3), 0, "must be 8"},
		"long number":        {encode(number, 0, 0, u64(1, 2)...), 0, "must be 8"},
		"flag of 2":          {encode(flag, 0, 0, u64(2)...), 0, "must be 0 or 1"},
		"three values":       {encode(finding, 0, 0, u64(1, 2, 3)...), 0, "must be 0, 8 or 16"},
		"one byte of values": {encode(finding, 0, 0, 1), 0, "must be 0, 8 or 16"},
		"place that wraps":   {encode(number, math.MaxUint64-1, 2, u64(1)...), 0, "overflow"},
		"property twice":     {slices.Concat(good, good), len(good), "given twice"},
	} {
		got, err := Decode([]Record{}, c.buf, "qcow2")
		bad, ok := errors.AsType[*RecordError](err)
		if !ok || bad.Offset != c.offset || !strings.Contains(bad.Reason, c.reason) {
			t.Errorf("%s: error %v, want %q at byte %d", name, err, c.reason, c.offset)
		}
		if len(got) != 0 {
			t.Errorf("%s: %d records beside the error", name, len(got))
		}
	}
}

// FuzzDecode feeds the decoder what a hostile probe may report. It must not
// panic; what it refuses it refuses with a *RecordError; what it accepts
// covers the input exactly, record by record.
func FuzzDecode(f *testing.F) {
	f.Add(encode(1, 24, 8, u64(1<<40)...), "qcow2")
	f.Add(slices.Concat(encode(keyOf(f, KindReference, "qcow2"), 512, 4, []byte("base")...), encode(keyOf(f, KindFlag, "qcow2"), 0, 8, u64(1)...)), "qcow2")
	f.Add([]byte{1, 0, 15, 0}, "gpt")
	f.Fuzz(func(t *testing.T, buf []byte, format string) {
		records, err := Decode(nil, buf, format)
		if err != nil {
			if bad, ok := errors.AsType[*RecordError](err); !ok || bad.Offset < 0 || bad.Offset >= len(buf) || len(records) != 0 {
				t.Fatalf("%d records, error %T: %v", len(records), err, err)
			}
			return
		}
		var again []byte
		at := 0
		for _, r := range records {
			if owner := r.Entry.Format(); owner != "" && owner != format {
				t.Fatalf("%s was accepted of a probe for %q", r.Entry.Name, format)
			}
			length := int(binary.LittleEndian.Uint16(buf[at+2:]))
			body := buf[at+recordHeader+recordPlace : at+recordHeader+length]
			again = append(again, encode(r.Entry.Key, r.Offset, r.Length, body...)...)
			at += recordHeader + length
		}
		if string(again) != string(buf) {
			t.Fatalf("%d records do not cover the %d bytes", len(records), len(buf))
		}
	})
}
