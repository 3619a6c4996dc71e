package procstat

import (
	"os"
	"testing"
)

func TestRead(t *testing.T) {
	f, err := Read(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if parent, err := f.Number(4); err != nil || parent != uint64(os.Getppid()) {
		t.Errorf("the parent is %d, %v; want %d", parent, err, os.Getppid())
	}
	if n, err := f.Number(1000); err == nil {
		t.Errorf("field 1000 is %d", n)
	}
	for _, pid := range []int{0, -1, 1 << 30} {
		if f, err := Read(pid); err == nil {
			t.Errorf("process %d has %v", pid, f)
		}
	}
}
