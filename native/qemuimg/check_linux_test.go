package qemuimg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/assay-dev/assay/native/confine"
)

// TestCheck: what can be checked is clean as qemu-img makes it, is left as it
// was, and the answer is the same by each hand-off.
func TestCheck(t *testing.T) {
	tool := realTool(t)
	for _, format := range []string{"qcow2", "qed", "vdi", "vhdx", "vmdk", "parallels"} {
		path := newImage(t, "-f", format)
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, handOff := range []string{HandOffNBD, HandOffDescriptor} {
			r, err := tool.Check(t.Context(), accepted(t, open(t, path, os.O_RDONLY), format, diskSize), CheckOptions{HandOff: handOff})
			if err != nil {
				t.Errorf("%s by %s: %v", format, handOff, err)
				continue
			}
			if !r.Clean() || r.HandOff != handOff || len(r.Layers) < 5 || r.Wall <= 0 || len(r.Said) != 0 {
				t.Errorf("%s by %s: %+v", format, handOff, r)
			}
			// 1 MiB, and the last KiB, were written in clusters of 64 KiB.
			if format == "qcow2" && (r.TotalClusters != 128 || r.AllocatedClusters < 17 || r.ImageEnd != int64(len(before))) {
				t.Errorf("qcow2: %+v of %d bytes", r, len(before))
			}
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
			t.Errorf("%s: the image was changed", format)
		}
	}
	noChildren(t)
}

// withRefcount gives the last cluster of a qcow2 image, or one behind it, this
// refcount, of 16 bits (docs/interop/qcow2.txt: refcount_table_offset is at
// 48).
func withRefcount(t *testing.T, path string, behind int, count uint16) {
	t.Helper()
	const cluster = 64 << 10
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	image = append(image, make([]byte, behind*cluster)...)
	table := binary.BigEndian.Uint64(image[48:])
	block := binary.BigEndian.Uint64(image[table:])
	binary.BigEndian.PutUint16(image[block+2*uint64(len(image)/cluster-1):], count)
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestCheckFinds: leaks and corruptions are told apart, and with what
// qemu-img says of them; none is repaired.
func TestCheckFinds(t *testing.T) {
	tool := realTool(t)
	leak, corrupt := newImage(t, "-f", "qcow2"), newImage(t, "-f", "qcow2")
	withRefcount(t, leak, 1, 1)
	withRefcount(t, corrupt, 0, 0)
	for _, path := range []string{leak, corrupt} {
		for range 2 {
			r, err := tool.Check(t.Context(), accepted(t, open(t, path, os.O_RDONLY), "qcow2", diskSize), CheckOptions{})
			if err != nil {
				t.Fatal(err)
			}
			said := strings.Join(r.Said, "\n")
			if path == leak && (r.Leaks != 1 || r.Corruptions != 0 || !strings.Contains(said, "Leaked cluster")) {
				t.Errorf("the leak: %+v", r)
			}
			if path == corrupt && (r.Corruptions == 0 || r.Leaks != 0 || !strings.Contains(said, "ERROR cluster")) {
				t.Errorf("the corruption: %+v", r)
			}
		}
	}
}

// TestCheckFails: what has no check, and what is no image at all, is an error
// and not clean.
func TestCheckFails(t *testing.T) {
	tool := realTool(t)
	raw := newImage(t, "-f", "raw")
	for _, format := range []string{"raw", "vpc", "qcow", "luks", "nonsense"} {
		if _, err := tool.Check(t.Context(), accepted(t, open(t, raw, os.O_RDONLY), format, diskSize), CheckOptions{}); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", format, err)
		}
	}
	_, err := tool.Check(t.Context(), accepted(t, open(t, raw, os.O_RDONLY), "qcow2", diskSize), CheckOptions{})
	if failed, ok := errors.AsType[*ToolError](err); !ok || failed.Op != "check" || failed.ExitCode != 1 {
		t.Errorf("a qcow2 that is none: %v", err)
	}
	if _, err := tool.Check(t.Context(), nil, CheckOptions{}); err == nil {
		t.Error("no image was checked")
	}
	c := goodFor(open(t, raw, os.O_RDONLY), 1)
	if _, err := tool.Check(t.Context(), acceptedAs(t, c, open(t, raw, os.O_RDONLY), "qcow2", diskSize), CheckOptions{}); !errors.Is(err, errChanged) {
		t.Errorf("a source that changed: %v", err)
	}
	limits := QuickLimits()
	limits.Deadline = 50 * time.Millisecond
	_, err = fakeTool(t, "hang").Check(t.Context(), accepted(t, open(t, raw, os.O_RDONLY), "qcow2", diskSize), CheckOptions{Limits: &limits})
	if failed, ok := errors.AsType[*ToolError](err); !ok || failed.Limit != LimitDeadline {
		t.Errorf("a tool that hangs: %v", err)
	}
	noChildren(t)
}

// TestCheckedAnswers: what a tool says is taken for clean or for damage only if
// its status says the same.
func TestCheckedAnswers(t *testing.T) {
	const clean = `{"check-errors": 0, "filename": "x", "format": "qcow2"}`
	const leaks = `{"check-errors": 0, "leaks": 3}`
	const both = `{"check-errors": 0, "leaks": 3, "corruptions": 2}`
	for _, c := range []struct {
		answer string
		status int
		good   bool
	}{
		{clean, 0, true}, {leaks, 3, true}, {both, 2, true},
		{clean, 2, false}, {clean, 3, false}, {leaks, 0, false}, {leaks, 2, false}, {both, 3, false}, {both, 0, false},
		{clean, 1, false}, {clean, 63, false},
		{"", 0, false}, {"{}", 0, false}, {"[]", 0, false}, {"null", 0, false}, {clean + clean, 0, false}, {clean + "x", 0, false},
		{`{"check-errors": 1}`, 0, false}, {`{"check-errors": -1}`, 0, false},
		{`{"check-errors": 0, "leaks": -1}`, 3, false}, {`{"check-errors": 0, "leaks": 1e3}`, 3, false},
		{`{"check-errors": 0, "total-clusters": 9223372036854775808}`, 0, false},
		{`{"check-errors": 0, "corruptions": "2"}`, 2, false},
	} {
		result := &confine.Result{ExitCode: c.status, Stdout: []byte(c.answer)}
		var err error
		if c.status != 0 {
			err = newToolError("check", result)
		}
		if r, err := checked(result, err); (err == nil) != c.good {
			t.Errorf("status %d, %s: %+v, %v", c.status, c.answer, r, err)
		}
	}
	killed := &confine.Result{ExitCode: -1, Signal: syscall.SIGKILL, Stdout: []byte(clean)}
	if _, err := checked(killed, newToolError("check", killed)); err == nil {
		t.Error("a killed tool's answer was taken")
	}
}

func TestLastLines(t *testing.T) {
	text := strings.Repeat("x\n\n", 40) + strings.Repeat("y", 1000) + "\n last \n"
	lines := lastLines(text)
	if len(lines) != 32 || lines[31] != "last" || len(lines[30]) != 300 || lines[0] != "x" {
		t.Errorf("got %q", lines)
	}
}
