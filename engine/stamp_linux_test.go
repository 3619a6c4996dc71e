package engine_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/native/stamp"
	"github.com/assay-dev/assay/testdata/images"
)

// stamped converts an image of testdata to a stamped qcow2.
func stamped(t *testing.T, eng *engine.Engine, key []byte) (path string, report *engine.Report) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "stamped.qcow2")
	image := vet(t, eng, openBytes(t, images.Qcow2()), engine.Claim("qcow2"))
	r, err := eng.Convert(t.Context(), image, engine.ToFile(path), engine.ConvertOptions{To: "qcow2", Stamp: true, StampKey: key})
	if err != nil {
		t.Fatal(err)
	}
	if r.Stamp == nil || r.Stamp.Written != (r.Stamp.Note == "") {
		t.Fatalf("result %s", text(r))
	}
	if !r.Stamp.Written {
		unavailable(t, "%s", r.Stamp.Note)
	}
	if r.Stamp.Sealed != (key != nil) {
		t.Errorf("result %s", text(r))
	}
	return path, image.Report()
}

// A stamp names the report, the probes and the policy as anybody can compute
// them, and the content; a copy of the report of the same bytes has its digest.
func TestStamp(t *testing.T) {
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	key := stamp.Key(bytes.Repeat([]byte{3}, 32))
	path, report := stamped(t, eng, key)
	s, err := stamp.Read(open(t, path))
	if err != nil {
		t.Fatal(err)
	}
	again, err := eng.Inspect(t.Context(), engine.File(openBytes(t, images.Qcow2())), engine.Claim("qcow2"), engine.AtDepth(engine.Deep), engine.WithDigest(), engine.Named("elsewhere"))
	if err != nil {
		t.Fatal(err)
	}
	digest, err := again.Digest()
	if err != nil || s.Report != digest {
		t.Errorf("report %s, want %s, %v", s.Report, digest, err)
	}
	plain := *report
	plain.Source, plain.ElapsedMicros = "", 0
	asJSON, _ := json.Marshal(plain)
	if sum := sha256.Sum256(asJSON); s.Report != hex.EncodeToString(sum[:]) {
		t.Error("the report's digest is not that of its JSON")
	}
	if s.Policy != engine.Strict().Digest() || s.Probes != eng.ProbesDigest() || s.SourceFormat != "qcow2" || s.Format != "qcow2" || s.VirtualSize != report.VirtualSize {
		t.Errorf("got %s", text(s))
	}
	if content := sha256.Sum256(readFile(t, path)); s.SHA256 != hex.EncodeToString(content[:]) {
		t.Error("the content's digest is not that of the file")
	}
	if wrong, err := s.Verify(t.Context(), open(t, path), key, nil); err != nil || len(wrong) > 0 {
		t.Errorf("differs in %v, %v", wrong, err)
	}
	// Another policy has another digest.
	policy, err := engine.ParsePolicy(bytes.Replace(readFile(t, "policy_strict.json"), []byte(`"strict"`), []byte(`"other"`), 1))
	if err != nil || policy.Digest() == engine.Strict().Digest() {
		t.Errorf("another policy has the same digest, %v", err)
	}
}

// A stamp is no input to a verdict: with one, with a forged one and without
// the report is the same.
func TestStampIsNoInput(t *testing.T) {
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	path, _ := stamped(t, eng, nil)
	digest := func(path string) string {
		t.Helper()
		r, err := eng.Inspect(t.Context(), engine.File(open(t, path)), engine.AtDepth(engine.Deep), engine.WithDigest())
		if err != nil {
			t.Fatal(err)
		}
		d, err := r.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	with := digest(path)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := stamp.Remove(f); err != nil {
		t.Fatal(err)
	}
	if without := digest(path); without != with {
		t.Error("the report is another without the stamp")
	}
	// The stamp of an accepted image, on one that must be rejected.
	evil := openBytes(t, images.Qcow2(images.Backing("/etc/passwd")))
	before := digest(evil.Name())
	forged, _ := stamped(t, eng, nil)
	s, err := stamp.Read(open(t, forged))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Seal(t.Context(), evil, nil, nil), stamp.Write(evil, s)); err != nil {
		t.Fatal(err)
	}
	if digest(evil.Name()) != before {
		t.Error("the report is another with a forged stamp")
	}
	if _, err := eng.Vet(t.Context(), engine.File(evil)); !isError[*engine.RejectedError](err) {
		t.Errorf("with a forged stamp: %v", err)
	}
}

// A stamp without a key asked for, or with a key that is none, is refused
// before any work; one that was not asked for is not there; a resize takes it
// away, as the content is another.
func TestStampOptions(t *testing.T) {
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	dir := t.TempDir()
	dst := filepath.Join(dir, "a.raw")
	image := vet(t, eng, openBytes(t, images.Qcow2()))
	for name, o := range map[string]engine.ConvertOptions{
		"key alone": {To: "raw", StampKey: bytes.Repeat([]byte{3}, 32)},
		"short key": {To: "raw", Stamp: true, StampKey: []byte("short")},
		"empty key": {To: "raw", Stamp: true, StampKey: []byte{}},
	} {
		if _, err := eng.Convert(t.Context(), image, engine.ToFile(dst), o); err == nil {
			t.Errorf("%s: converted", name)
		}
		nothingIn(t, dir)
	}
	r, err := eng.Convert(t.Context(), image, engine.ToFile(dst), engine.ConvertOptions{To: "raw"})
	if err != nil || r.Stamp != nil {
		t.Fatalf("%s, %v", text(r), err)
	}
	if _, err := stamp.Read(open(t, dst)); !errors.Is(err, stamp.ErrNone) {
		t.Errorf("not asked for: %v", err)
	}
	path, _ := stamped(t, eng, nil)
	if _, err := eng.Resize(t.Context(), vet(t, eng, open(t, path)), path, engine.ResizeOptions{Size: 4 << 20}); err != nil {
		t.Fatal(err)
	}
	if _, err := stamp.Read(open(t, path)); !errors.Is(err, stamp.ErrNone) {
		t.Errorf("after a resize: %v", err)
	}
}

// Where attributes cannot be kept there is no stamp, which is told and fails
// nothing.
func TestStampWithoutAttributes(t *testing.T) {
	needTools(t)
	if os.Geteuid() != 0 {
		t.Skip("mounting a file system needs root")
	}
	dir := t.TempDir()
	if err := unix.Mount("assay-test", dir, "ramfs", 0, ""); err != nil {
		t.Skip("no file system without attributes: ", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	eng := newEngine(t, engine.NewConfig())
	dst := filepath.Join(dir, "a.raw")
	r, err := eng.Convert(t.Context(), vet(t, eng, openBytes(t, images.Qcow2())), engine.ToFile(dst), engine.ConvertOptions{To: "raw", Stamp: true})
	if err != nil || r.Stamp == nil || r.Stamp.Written || r.Stamp.Note == "" {
		t.Errorf("result %s, %v", text(r), err)
	}
	if _, err := stamp.Read(open(t, dst)); !errors.Is(err, stamp.ErrNone) {
		t.Errorf("read: %v", err)
	}
}
