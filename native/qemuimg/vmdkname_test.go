package qemuimg

import (
	"bytes"
	"encoding/binary"
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
