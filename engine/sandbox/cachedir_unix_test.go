//go:build unix

package sandbox

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/assay-dev/assay/hostfuncs"
	wb "github.com/assay-dev/assay/internal/wasmbuild"
)

func TestCacheFolderIsPrivate(t *testing.T) {
	base := t.TempDir()
	mkdir := func(mode os.FileMode, parts ...string) string {
		dir := filepath.Join(append([]string{base}, parts...)...)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	link := filepath.Join(base, "link")
	if err := os.Symlink(mkdir(0o777, "target"), link); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := mkdir(0o700, "foreign")
	if os.Geteuid() == 0 {
		if err := os.Chown(foreign, 12345, 12345); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		dir  string
		ok   bool
	}{
		{"new folder", filepath.Join(base, "new", "cache"), true},
		{"private folder", mkdir(0o700, "private"), true},
		{"readable folder", mkdir(0o755, "readable"), true},
		{"below a sticky folder", filepath.Join(mkdir(os.ModeSticky|0o777, "sticky"), "cache"), true},
		{"sticky folder", mkdir(os.ModeSticky|0o777, "shared"), false},
		{"group can write", mkdir(0o770, "group"), false},
		{"others can write", mkdir(0o702, "others"), false},
		{"below a folder others can write to", func() string {
			dir := mkdir(0o700, "open", "cache")
			mkdir(0o777, "open")
			return dir
		}(), false},
		{"link to a folder others can write to", link, false},
		{"file", file, false},
		{"folder of another user", foreign, os.Geteuid() != 0},
	} {
		s, err := New(t.Context(), Config{CacheDir: c.dir})
		if (err == nil) != c.ok {
			t.Errorf("%s: error %v, want success %v", c.name, err, c.ok)
		}
		if err == nil {
			s.Close(t.Context())
		}
	}
}

// What one process compiled the next one finds, and it gives the same results.
func TestCacheIsUsed(t *testing.T) {
	dir := t.TempDir()
	var spent [2]hostfuncs.Spent
	for i := range spent {
		s, err := New(t.Context(), Config{Mode: ModeCompiler, CacheDir: dir})
		if err != nil {
			t.Skipf("no compiler here: %v", err)
		}
		m, err := s.Load(wb.Probe(countTo(1000), ret).Bytes(), Shipped)
		if err != nil {
			t.Fatal(err)
		}
		var out Result
		if err := m.Run(t.Context(), header(nil), &out); err != nil {
			t.Fatal(err)
		}
		spent[i] = out.Spent
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
		if err != nil || len(files) == 0 {
			t.Errorf("the cache is empty (error %v)", err)
		}
	}
	if spent[0] != spent[1] {
		t.Errorf("spent %+v compiled, %+v from the cache", spent[0], spent[1])
	}
}
