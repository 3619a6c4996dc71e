package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/testdata/images"
)

// A writer is what somebody does to an image while it is converted.
type writer struct {
	name string
	do   func(path string, f *os.File, whole []byte) error
}

// writers leave the file with what they did, or put it back as it was, so
// that a comparison before and after alone would find nothing.
func writers(other []byte) []writer {
	rewrite := func(p []byte, off int64) func(string, *os.File, []byte) error {
		return func(_ string, f *os.File, _ []byte) error {
			_, err := f.WriteAt(p, off)
			return err
		}
	}
	restored := func(do func(string, *os.File, []byte) error) func(string, *os.File, []byte) error {
		return func(path string, f *os.File, whole []byte) error {
			err := do(path, f, whole)
			_, back := f.WriteAt(whole, 0)
			return errors.Join(err, back, f.Truncate(int64(len(whole))))
		}
	}
	truncate := func(_ string, f *os.File, whole []byte) error { return f.Truncate(int64(len(whole)) / 2) }
	regrow := func(_ string, f *os.File, whole []byte) error {
		return errors.Join(f.Truncate(int64(len(whole))/2), f.Truncate(int64(len(whole))))
	}
	header := rewrite(images.Qcow2(images.Backing("/etc/passwd"))[:512], 0)
	return []writer{
		{"swap the path", func(path string, _ *os.File, _ []byte) error {
			if err := os.WriteFile(path+".new", other, 0o644); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		}},
		{"rewrite the header", header},
		{"rewrite the header and put it back", restored(header)},
		{"swap the whole content", rewrite(other, 0)},
		{"swap the whole content and put it back", restored(rewrite(other, 0))},
		{"overwrite the tables", rewrite(make([]byte, 192<<10), 64<<10)},
		{"overwrite data", rewrite(bytes.Repeat([]byte{0x55}, 64<<10), 448<<10)},
		{"truncate", truncate},
		{"truncate and put it back", restored(truncate)},
		{"truncate and grow again", regrow},
		{"grow", func(_ string, f *os.File, whole []byte) error { return f.Truncate(int64(len(whole)) + 65536) }},
	}
}

// Whatever a writer does to an image at a random moment of its conversion, the
// output is what was vetted, or there is none. ASSAY_LONG=1 tries a thousand
// times.
func TestConvertWhileWritten(t *testing.T) {
	needTools(t)
	times := 22
	if long() {
		times = 1000
	}
	dir := t.TempDir()
	qcow2 := func(name string, pattern int) []byte {
		path := filepath.Join(dir, name)
		tool(t, "qemu-img", "create", "-q", "-f", "qcow2", path, "4M")
		tool(t, "qemu-io", "-c", fmt.Sprintf("write -q -P %d 0 2M", pattern), path)
		return readFile(t, path)
	}
	whole, other := qcow2("whole", 7), qcow2("other", 9)
	want := append(bytes.Repeat([]byte{7}, 2<<20), make([]byte, 2<<20)...)
	eng := newEngine(t, engine.NewConfig())
	source, output := filepath.Join(dir, "source"), filepath.Join(dir, "output")
	outcomes := map[string][2]int{} // refused, converted
	ways := map[string]int{}        // of handing the source over, of those converted
	usual := 10 * time.Millisecond  // of a conversion
	for i := range times {
		if err := os.WriteFile(source, whole, 0o644); err != nil {
			t.Fatal(err)
		}
		image, err := eng.Vet(t.Context(), engine.File(open(t, source)), engine.Claim("qcow2"))
		if err != nil {
			t.Fatal(err)
		}
		list := writers(other)
		w := list[i%len(list)]
		delay := time.Duration(rand.Int64N(int64(usual) * 5 / 4))
		// Every other writer has the file open from the start: no lease can be
		// had then.
		early, late := i/len(list)%2 == 0, time.After(delay)
		opened, written := make(chan struct{}), make(chan error)
		go func() {
			if !early {
				close(opened)
				<-late
			}
			writable, err := os.OpenFile(source, os.O_RDWR, 0)
			if early {
				close(opened)
				<-late
			}
			if err == nil {
				err = errors.Join(w.do(source, writable, whole), writable.Close())
			}
			written <- err
		}()
		<-opened
		start := time.Now()
		result, err := eng.Convert(t.Context(), image, engine.ToFile(output), engine.ConvertOptions{To: "raw"})
		if err := <-written; err != nil {
			t.Fatal(err)
		}
		count := outcomes[w.name]
		if err == nil {
			usual = time.Since(start)
			count[1]++
			ways[result.HandOff]++
			if !bytes.Equal(readFile(t, output), want) {
				t.Errorf("%s after %v of %v: the output is not what was vetted", w.name, delay, usual)
			}
			if err := os.Remove(output); err != nil {
				t.Error(err)
			}
		} else {
			count[0]++
			if !isError[*engine.SourceChangedError](err) {
				t.Errorf("%s after %v: %v, want a SourceChangedError", w.name, delay, err)
			}
			if _, err := os.Lstat(output); err == nil {
				t.Errorf("%s: an output was left", w.name)
			}
		}
		outcomes[w.name] = count
		image.Close()
	}
	t.Logf("converted by %v", ways)
	refused := 0
	for name, count := range outcomes {
		t.Logf("%-40s refused %3d, converted %3d", name, count[0], count[1])
		refused += count[0]
	}
	if n := outcomes["swap the path"]; n[0] > 0 {
		t.Errorf("a new file at the path is none of the open one's business, and yet %d were refused", n[0])
	}
	if refused == 0 {
		t.Error("no writer was noticed: the test proves nothing")
	}
}
