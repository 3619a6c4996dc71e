package throttle

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Two files of one file system are on one device, which is that of the file
// system or, of a partition, its disk.
func TestDeviceOf(t *testing.T) {
	a, b := file(t), file(t)
	one, known := DeviceOf(a)
	other, _ := DeviceOf(b)
	if !known || one != other {
		t.Errorf("devices %#x, %#x, known %v", one, other, known)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(a.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	if want := wholeDisk(uint64(st.Dev)); one != want {
		t.Errorf("device %#x, want %#x", one, want)
	}
	a.Close()
	if _, known := DeviceOf(a); known {
		t.Error("a closed file has a device")
	}
}

// What is no block device is itself; each partition of this machine, if there
// is one, has a disk that is none.
func TestWholeDisk(t *testing.T) {
	if got := wholeDisk(unix.Mkdev(0, 77)); got != unix.Mkdev(0, 77) {
		t.Errorf("%#x", got)
	}
	links, err := filepath.Glob("/sys/dev/block/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		var st unix.Stat_t
		node, err := filepath.EvalSymlinks(link)
		if err != nil || unix.Stat("/dev/"+filepath.Base(node), &st) != nil {
			continue
		}
		_, notPartition := os.Stat(filepath.Join(node, "partition"))
		disk := wholeDisk(st.Rdev)
		if (disk == st.Rdev) != (notPartition != nil) || wholeDisk(disk) != disk {
			t.Errorf("%s is %#x, its disk %#x", node, st.Rdev, disk)
		}
	}
}
