package engine_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"testing/iotest"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/testdata/images"
)

// counted counts what is read of a stream.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// zeros is an endless stream of zeros.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// longer is an image with zeros behind it, longer than what a stream is looked
// at first.
func longer(image []byte, size int64) io.Reader {
	return io.MultiReader(bytes.NewReader(image), io.LimitReader(zeros{}, size-int64(len(image))))
}

// A stream longer than the first phase gives the report of the same file.
func TestStreamEqualsFile(t *testing.T) {
	const size = 3<<20 + 777
	dir := t.TempDir()
	eng := newEngine(t, engine.NewConfig().WithSpoolDir(dir))
	for name, image := range map[string][]byte{
		"qcow2": images.Qcow2(), "raw": images.Random(5000, 3), "gpt": images.GPT(512),
		"backing": images.Qcow2(images.Backing("/etc/passwd")),
	} {
		t.Run(name, func(t *testing.T) {
			data, err := io.ReadAll(longer(image, size))
			if err != nil {
				t.Fatal(err)
			}
			claim := engine.Claim("")
			if name == "raw" {
				claim = engine.Claim("raw")
			}
			want, err := eng.Inspect(t.Context(), engine.ReaderAt(bytes.NewReader(data), size), claim, engine.AtDepth(engine.Deep))
			if err != nil {
				t.Fatal(err)
			}
			// Readers that give little at a time, or data with the error.
			for _, r := range []io.Reader{longer(image, size), iotest.HalfReader(bytes.NewReader(data)), iotest.DataErrReader(bytes.NewReader(data))} {
				got, err := eng.Inspect(t.Context(), engine.Stream(r), claim, engine.AtDepth(engine.Deep))
				if err != nil {
					t.Fatal(err)
				}
				if name == "backing" {
					if got.Accepted || got.Size != engine.SizeUnknown {
						t.Fatalf("accepted %v with size %d; want a rejection from the first phase", got.Accepted, got.Size)
					}
					continue
				}
				if diff := sameReport(want, got); diff != "" {
					t.Errorf("the stream's report differs (-file +stream):\n%s", diff)
				}
			}
		})
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("spools are left behind: %v", left)
	}
}

// A rejecting finding in the head ends the download: no more than the first
// phase is read, and nothing is spooled.
func TestStreamEndsEarly(t *testing.T) {
	eng := newEngine(t, engine.NewConfig()) // without a spool folder
	for name, tc := range map[string]struct {
		image []byte
		claim engine.Format
	}{
		"backing file": {images.Qcow2(images.Backing("base.img")), ""},
		"claimed raw":  {images.Qcow2(), "raw"},
	} {
		t.Run(name, func(t *testing.T) {
			stream := &counted{r: longer(tc.image, 1<<40)}
			report, err := eng.Inspect(t.Context(), engine.Stream(stream), engine.Claim(tc.claim))
			if err != nil {
				t.Fatal(err)
			}
			if report.Accepted {
				t.Error("accepted")
			}
			if stream.n > 1<<20 {
				t.Errorf("%d bytes were read, want at most 1 MiB", stream.n)
			}
		})
	}
}

func TestStreamBounds(t *testing.T) {
	dir := t.TempDir()
	for name, tc := range map[string]struct {
		config *engine.Config
		check  func(error) bool
	}{
		"no folder": {engine.NewConfig(), func(err error) bool { return errors.Is(err, engine.ErrNoSpoolDir) }},
		"too long": {engine.NewConfig().WithSpoolDir(dir).WithMaxSpool(2 << 20), func(err error) bool {
			e, ok := errors.AsType[*engine.SpoolLimitError](err)
			return ok && e.Limit == 2<<20
		}},
	} {
		t.Run(name, func(t *testing.T) {
			eng := newEngine(t, tc.config)
			_, err := eng.Inspect(t.Context(), engine.Stream(zeros{}), engine.Claim("raw"))
			if !tc.check(err) {
				t.Errorf("error %v", err)
			}
		})
	}
	t.Run("broken", func(t *testing.T) {
		eng := newEngine(t, engine.NewConfig().WithSpoolDir(dir))
		broken := errors.New("connection reset")
		for _, after := range []int64{0, 100, 2 << 20} {
			r := io.MultiReader(io.LimitReader(zeros{}, after), iotest.ErrReader(broken))
			if _, err := eng.Inspect(t.Context(), engine.Stream(r), engine.Claim("raw")); !errors.Is(err, broken) {
				t.Errorf("after %d bytes: error %v", after, err)
			}
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		eng := newEngine(t, engine.NewConfig().WithSpoolDir(dir))
		ctx, cancel := context.WithCancel(t.Context())
		stream := &counted{r: zeros{}}
		stop := readerFunc(func(p []byte) (int, error) {
			if stream.n > 5<<20 {
				cancel()
			}
			return stream.Read(p)
		})
		if _, err := eng.Inspect(ctx, engine.Stream(stop), engine.Claim("raw")); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
