package qemuimg

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestWriteBack: what was written reaches the disk without a sync, and
// without the kernel having a reason of its own: it waits for seconds, and
// for more than this.
func TestWriteBack(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &fs); err != nil || fs.Type == unix.TMPFS_MAGIC {
		t.Skip("the folder of temporary files has no disk", err)
	}
	dirty := func() uint64 {
		var all unix.CachestatRange // of length 0: to the end
		var now unix.Cachestat_t
		err := unix.Cachestat(uint(f.Fd()), &all, &now, 0)
		if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPERM) {
			t.Skip("this kernel does not tell: ", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		return now.Dirty
	}
	if _, err := f.Write(make([]byte, 4<<20)); err != nil {
		t.Fatal(err)
	}
	if dirty() == 0 {
		t.Skip("this file system writes at once")
	}
	began := time.Now()
	stop := writeBack(f)
	defer stop()
	// dirty_expire_centisecs is 30 s by default.
	for time.Since(began) < 20*time.Second {
		if dirty() == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d pages are not on their way after %v", dirty(), time.Since(began))
}
