package blockcopy

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/assay-dev/assay/internal/openfile"
	"golang.org/x/sys/unix"
)

// onExt4 returns a folder on ext4, whose files are written past the page
// cache.
func onExt4(t *testing.T) string {
	t.Helper()
	dir := folders(t)["ext4"]
	if dir == "" {
		t.Skip("needs root, and mkfs.ext4")
	}
	return dir
}

// inCache returns how many bytes of a range of a file are in the page cache.
func inCache(t *testing.T, f *os.File, off, n int64) int64 {
	t.Helper()
	var stat unix.Cachestat_t
	err := unix.Cachestat(uint(f.Fd()), &unix.CachestatRange{Off: uint64(off), Len: uint64(n)}, &stat, 0)
	if errors.Is(err, unix.ENOSYS) {
		t.Skip("needs Linux 6.5: cachestat(2)")
	}
	if err != nil {
		t.Fatal(err)
	}
	return int64(stat.Cache) * int64(os.Getpagesize())
}

// Long runs of data are written past the page cache, but for those in the
// stretch that follows one with many stored zeros; short runs by way of it.
func TestPastTheCache(t *testing.T) {
	const n = 4 << 20
	l := layout{disk: make([]byte, 4*ahead)}
	for i, data := range []int{n / 2, n, n, 0} {
		off := i * ahead
		fill(random(uint64(i)), l.disk[off:off+data])
		l.stored = append(l.stored, [2]int64{int64(off), int64(off + n)})
	}
	const short = 3*ahead + directAtLeast
	fill(random(9), l.disk[short:short+directAtLeast-block])
	dir := onExt4(t)
	source := l.file(t, dir)
	c := &content{source: source, vetted: l.disk}
	for _, tc := range []struct {
		cached bool
		want   [4]int64
	}{
		{false, [4]int64{0, n, 0, directAtLeast - block}},
		{true, [4]int64{n / 2, n, n, directAtLeast - block}},
	} {
		out := newFile(t, dir)
		// One worker: how much of what came before was zeros is known.
		if _, err := Copy(t.Context(), image(t, c), out, Options{Workers: 1, Cached: tc.cached}); err != nil {
			t.Fatal(err)
		}
		for i, want := range tc.want {
			if got := inCache(t, out, int64(i*ahead), ahead); got != want {
				t.Errorf("cached %v: %d bytes of stretch %d are in the page cache, want %d", tc.cached, got, i, want)
			}
		}
		wantDisk(t, out, l.disk)
		info, err := out.Stat()
		if err != nil {
			t.Fatal(err)
		}
		// What maps the blocks of a file is counted too.
		if got, want := openfile.Allocated(info), int64(n/2+n+n+directAtLeast-block); got < want || got > want+4*block {
			t.Errorf("cached %v: %d bytes are stored, want %d", tc.cached, got, want)
		}
	}
}

// A file system that has room for the data, and none for the zeros that a
// source stores, is large enough.
func TestRoomForDataOnly(t *testing.T) {
	dir := onExt4(t)
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	ballast := newFile(t, dir)
	if err := unix.Fallocate(int(ballast.Fd()), 0, 0, int64(st.Bavail)*int64(st.Bsize)-ahead/2); err != nil {
		t.Fatal(err)
	}
	disk := make([]byte, 2*ahead)
	for off := 0; off < len(disk); off += 16 << 20 {
		fill(random(uint64(off)), disk[off:off+2<<20])
	}
	out := newFile(t, dir)
	c := &content{source: struct{ io.ReaderAt }{bytes.NewReader(disk)}, vetted: disk}
	if _, err := Copy(t.Context(), image(t, c), out, Options{}); err != nil {
		t.Fatal(err)
	}
	wantDisk(t, out, disk)
}
