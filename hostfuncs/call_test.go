package hostfuncs

import (
	"bytes"
	"errors"
	"io"
	"math"
	"testing"
)

// testImage is bytes as an image; reads that fail give err.
type testImage struct {
	content []byte
	size    int64
	err     error
}

func (i testImage) Size() int64 { return i.size }

func (i testImage) ReadAt(p []byte, off int64) (int, error) {
	n, err := bytes.NewReader(i.content).ReadAt(p, off)
	if i.err != nil {
		err = i.err
	}
	return n, err
}

func sized(content string) testImage { return testImage{[]byte(content), int64(len(content)), nil} }

// arriving is a stream of which only content has come yet.
func arriving(content string) testImage {
	return testImage{[]byte(content), SizeUnknown, ErrNotArrived}
}

func TestReadAt(t *testing.T) {
	for _, c := range []struct {
		name   string
		image  testImage
		offset int64
		length uint32
		want   int32
		bytes  string
	}{
		{"start", sized("0123456789"), 0, 4, 4, "0123"},
		{"to the end", sized("0123456789"), 6, 4, 4, "6789"},
		{"short at the end", sized("0123456789"), 8, 4, 2, "89"},
		{"at the end", sized("0123456789"), 10, 4, 0, ""},
		{"beyond the end", sized("0123456789"), 1 << 40, 4, 0, ""},
		{"the largest offset", sized("0123456789"), math.MaxInt64, 4, 0, ""},
		{"from the end", sized("0123456789"), -4, 4, 4, "6789"},
		{"from the end, short", sized("0123456789"), -2, 4, 2, "89"},
		{"from the end, all", sized("0123456789"), -10, 4, 4, "0123"},
		{"before the start", sized("0123456789"), -11, 4, 0, ""},
		{"the smallest offset", sized("0123456789"), math.MinInt64, 4, 0, ""},
		{"nothing", sized("0123456789"), 0, 0, 0, ""},
		{"empty file", sized(""), 0, 4, 0, ""},
		{"stream, arrived", testImage{[]byte("0123"), SizeUnknown, nil}, 0, 4, 4, "0123"},
		{"stream, not arrived", arriving("0123"), 2, 4, -1, ""},
		{"stream, tail", arriving("0123"), -4, 4, -1, ""},
	} {
		var call Call
		if err := call.Reset(c.image, HeaderBudget(), 0); err != nil {
			t.Fatal(err)
		}
		memory := bytes.Repeat([]byte{'.'}, 16)
		got, err := call.ReadAt(memory, c.offset, 8, c.length)
		if err != nil || got != c.want {
			t.Errorf("%s: %d, error %v; want %d", c.name, got, err, c.want)
		}
		if want := c.bytes; string(memory[8:8+len(want)]) != want {
			t.Errorf("%s: memory holds %q, want %q", c.name, memory, want)
		}
		if string(memory[:8]) != "........" {
			t.Errorf("%s: memory before the pointer was written: %q", c.name, memory)
		}
		if want := (Spent{Reads: 1, ReadBytes: int64(c.length)}); call.Spent() != want {
			t.Errorf("%s: spent %+v, want %+v", c.name, call.Spent(), want)
		}
	}
}

// What a guest sees of bytes that have not all arrived does not depend on how
// many have.
func TestReadAtHidesPartialArrival(t *testing.T) {
	var call Call
	if err := call.Reset(arriving("0123"), HeaderBudget(), 0); err != nil {
		t.Fatal(err)
	}
	memory := make([]byte, 8)
	if n, err := call.ReadAt(memory, 0, 0, 8); n != -1 || err != nil {
		t.Fatalf("%d, error %v", n, err)
	}
	if !bytes.Equal(memory, make([]byte, 8)) {
		t.Errorf("memory shows what has arrived: %q", memory)
	}
}

func TestAccessIsChecked(t *testing.T) {
	memory := make([]byte, 64)
	for _, c := range []struct{ ptr, length uint32 }{
		{64, 1}, {63, 2}, {0, 65}, {1, math.MaxUint32}, {math.MaxUint32, 1}, {math.MaxUint32, math.MaxUint32},
	} {
		var call Call
		if err := call.Reset(sized("0123"), HeaderBudget(), 0); err != nil {
			t.Fatal(err)
		}
		_, err := call.ReadAt(memory, 0, c.ptr, c.length)
		if access, ok := errors.AsType[*AccessError](err); !ok || access.Function != ImportReadAt {
			t.Errorf("read_at %#x, %d: %v", c.ptr, c.length, err)
		}
		err = call.Report(memory, c.ptr, c.length)
		if access, ok := errors.AsType[*AccessError](err); !ok || access.Function != ImportReport {
			t.Errorf("report %#x, %d: %v", c.ptr, c.length, err)
		}
	}
	var call Call
	if err := call.Reset(sized("0123"), HeaderBudget(), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := call.ReadAt(memory, 0, 64, 0); err != nil {
		t.Errorf("nothing at the end of memory: %v", err)
	}
}

func TestBudgetsAreKept(t *testing.T) {
	memory := make([]byte, 64)
	budget := Budget{Fuel: 1, Reads: 2, ReadBytes: 10, ReportBytes: 10}
	for _, c := range []struct {
		name   string
		do     func(*Call) error
		limit  Resource
		spent  Spent
		window int
	}{
		{"reads", func(c *Call) error {
			for range 3 {
				if _, err := c.ReadAt(memory, 0, 0, 1); err != nil {
					return err
				}
			}
			return nil
		}, ResourceReads, Spent{Reads: 2, ReadBytes: 2}, 0},
		{"bytes asked for, not bytes got", func(c *Call) error {
			_, err := c.ReadAt(memory, 1000, 0, 11)
			return err
		}, ResourceBytes, Spent{Reads: 1}, 0},
		{"the window counts", func(c *Call) error {
			_, err := c.ReadAt(memory, 0, 0, 3)
			return err
		}, ResourceBytes, Spent{Reads: 1, ReadBytes: 8}, 8},
		{"reported bytes", func(c *Call) error {
			if err := c.Report(memory, 0, 10); err != nil {
				return err
			}
			return c.Report(memory, 0, 1)
		}, ResourceReport, Spent{ReportBytes: 10}, 0},
	} {
		var call Call
		if err := call.Reset(sized("0123"), budget, c.window); err != nil {
			t.Fatal(err)
		}
		err := c.do(&call)
		if over, ok := errors.AsType[*BudgetError](err); !ok || over.Resource != c.limit {
			t.Errorf("%s: %v, want the budget of %s", c.name, err, c.limit)
		}
		if call.Spent() != c.spent {
			t.Errorf("%s: spent %+v, want %+v", c.name, call.Spent(), c.spent)
		}
	}
	var call Call
	if _, ok := errors.AsType[*BudgetError](call.Reset(sized(""), budget, 11)); !ok {
		t.Error("a window beyond the budget is accepted")
	}
}

// An image that breaks is the source's fault, whatever way it breaks.
func TestSourceErrors(t *testing.T) {
	broken := errors.New("broken")
	for name, image := range map[string]Image{
		"error":              testImage{nil, 100, broken},
		"short, no error":    shortImage{},
		"cut below its size": cutImage{},
	} {
		var call Call
		if err := call.Reset(image, HeaderBudget(), 0); err != nil {
			t.Fatal(err)
		}
		n, err := call.ReadAt(make([]byte, 64), 10, 0, 20)
		switch source, ok := errors.AsType[*SourceError](err); {
		case name == "cut below its size":
			// A file that shrank reads short; that it changed is for the
			// engine to see.
			if n != 3 || err != nil {
				t.Errorf("%s: %d, error %v", name, n, err)
			}
		case !ok || source.Offset != 10 || source.Length != 20:
			t.Errorf("%s: %v", name, err)
		}
	}
}

type shortImage struct{}

func (shortImage) Size() int64                       { return 100 }
func (shortImage) ReadAt([]byte, int64) (int, error) { return 3, nil }

type cutImage struct{ shortImage }

func (cutImage) ReadAt([]byte, int64) (int, error) { return 3, io.EOF }

// Reset forgets the run before, End its image.
func TestCallIsReused(t *testing.T) {
	memory := []byte("record")
	var call Call
	for range 2 {
		if err := call.Reset(sized("0123"), HeaderBudget(), 2); err != nil {
			t.Fatal(err)
		}
		if err := call.Report(memory, 0, 6); err != nil {
			t.Fatal(err)
		}
		if _, err := call.ReadAt(memory, 0, 0, 4); err != nil {
			t.Fatal(err)
		}
		call.End()
		if got := string(call.Records()); got != "record" && got != "0123rd" {
			t.Errorf("records %q", got)
		}
		if want := (Spent{Reads: 1, ReadBytes: 6, ReportBytes: 6}); call.Spent() != want {
			t.Errorf("spent %+v, want %+v", call.Spent(), want)
		}
	}
	if call.image != nil {
		t.Error("the image is kept after the run")
	}
}
