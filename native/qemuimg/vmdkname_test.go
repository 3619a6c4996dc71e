package qemuimg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sparse is what qemu-img writes of a sparse VMDK, as far as its name goes:
// the header, and the descriptor with zeros behind it, in sectors.
func sparse(at, size uint64, text string) []byte {
	b := make([]byte, (at+size+1)*sector)
	copy(b, "KDMV")
	binary.LittleEndian.PutUint64(b[28:], at)
	binary.LittleEndian.PutUint64(b[36:], size)
	copy(b[at*sector:], text)
	for i := (at + size) * sector; i < uint64(len(b)); i++ {
		b[i] = 0xee
	}
	return b
}

func TestNameVMDK(t *testing.T) {
	const before, after = "# Disk DescriptorFile\nRW 95 SPARSE ", "\nddb.adapterType = \"ide\"\n"
	written := before + `"4"` + after
	full := written + strings.Repeat("#", sector-len(written))
	for name, tc := range map[string]struct {
		file []byte
		name string
		want []byte // nil: as it was
	}{
		"longer":        {sparse(1, 20, written), "the disk.vmdk", sparse(1, 20, before+`"the disk.vmdk"`+after)},
		"no shorter":    {sparse(2, 1, written), "a", sparse(2, 1, before+`"a"`+after)},
		"beyond ASCII":  {sparse(1, 1, written), "größe.vmdk", sparse(1, 1, before+`"größe.vmdk"`+after)},
		"quotes":        {sparse(1, 1, written), `a" RW 1 FLAT "/etc/passwd`, sparse(1, 1, before+`"disk.vmdk"`+after)},
		"lines":         {sparse(1, 1, written), "a\nb", sparse(1, 1, before+`"disk.vmdk"`+after)},
		"no UTF-8":      {sparse(1, 1, written), "a\xff", sparse(1, 1, before+`"disk.vmdk"`+after)},
		"a path":        {sparse(1, 1, written), "../a", sparse(1, 1, before+`"disk.vmdk"`+after)},
		"none":          {sparse(1, 1, written), "", sparse(1, 1, before+`"disk.vmdk"`+after)},
		"no room":       {sparse(1, 1, full), "longer", nil},
		"two extents":   {sparse(1, 1, written+"RW 1 SPARSE \"4\"\n"), "a", nil},
		"another name":  {sparse(1, 1, before+`"5"`+after), "a", nil},
		"far away":      {sparse(129, 1, written), "a", nil},
		"in the header": {sparse(0, 1, written), "a", nil},
		"of no size":    {sparse(1, 0, written), "a", nil},
		"too large":     {sparse(1, 129, written), "a", nil},
		"cut":           {sparse(1, 20, written)[:5*sector], "a", nil},
		"cut header":    {sparse(1, 1, written)[:100], "a", nil},
		"empty":         {nil, "a", nil},
		"no VMDK":       {make([]byte, 3*sector), "a", nil},
		"no end":        {append([]byte("KDMV"), bytes.Repeat([]byte{0xff}, 3*sector)...), "a", nil},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x")
			if err := os.WriteFile(path, tc.file, 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := nameVMDK(f, tc.name); err != nil {
				t.Error(err)
			}
			want := tc.want
			if want == nil {
				want = tc.file
			}
			got, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("it holds %q, %v", bytes.TrimRight(got[min(len(got), sector):], "\x00"), err)
			}
		})
	}
	f, err := os.Open(filepath.Join(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if nameVMDK(f, "a") == nil {
		t.Error("what cannot be read is no error")
	}
}

// memory is a file of fixed length.
type memory []byte

func (m memory) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(m).ReadAt(p, off)
}

func (m memory) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(p)) > int64(len(m)) {
		return 0, errors.New("beyond the end")
	}
	return copy(m[off:], p), nil
}

// lines splits a descriptor, without the zeros behind it.
func lines(descriptor []byte) [][]byte {
	return bytes.Split(bytes.TrimRight(descriptor, "\x00"), []byte("\n"))
}

// FuzzNameVMDK: whatever a tool has written, only a descriptor is changed, in
// which the name is one line then.
func FuzzNameVMDK(f *testing.F) {
	const text = "# Disk DescriptorFile\nRW 95 SPARSE \"4\"\nddb.adapterType = \"ide\"\n"
	f.Add(sparse(1, 2, text), "disk.vmdk")
	f.Add(sparse(3, 1, text), "größe")
	f.Add(sparse(1, 1, text)[:700], "a\nb")
	f.Add(sparse(1, 2, text+"RW 95DSPARSE \"4\"\n"), "disk.vmdk") // the like of an extent
	f.Fuzz(func(t *testing.T, file []byte, name string) {
		got := memory(bytes.Clone(file))
		if err := nameVMDK(got, name); err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(got, file) {
			return
		}
		at := int64(binary.LittleEndian.Uint64(file[28:])) * sector
		end := at + int64(binary.LittleEndian.Uint64(file[36:]))*sector
		if at < sector || end > at+maxDescriptor*sector || !bytes.Equal(got[:at], file[:at]) || !bytes.Equal(got[end:], file[end:]) {
			t.Fatalf("something outside of %d to %d was changed", at, end)
		}
		before, after := lines(file[at:end]), lines(got[at:end])
		if len(before) != len(after) {
			t.Fatalf("%d lines were %d", len(after), len(before))
		}
		changed := 0
		for i, line := range before {
			if !bytes.Equal(line, after[i]) {
				changed++
				extent, isExtent := bytes.CutSuffix(line, []byte(`"4"`))
				if !isExtent || !bytes.HasSuffix(extent, []byte(" SPARSE ")) || !bytes.HasPrefix(after[i], extent) {
					t.Errorf("line %q is %q now", line, after[i])
				}
			}
		}
		if changed > 1 {
			t.Errorf("%d lines were changed", changed)
		}
	})
}
