package probes

import (
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// folder copies the shipped folder, for a test to change.
func folder(t *testing.T) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	err := fs.WalkDir(embedded, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(embedded, path)
		files[path] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

const lockPath = "wasm/" + LockFile

// relock changes the lock of a folder.
func relock(t *testing.T, files fstest.MapFS, change func(*Lock)) {
	t.Helper()
	var lock Lock
	if err := json.Unmarshal(files[lockPath].Data, &lock); err != nil {
		t.Fatal(err)
	}
	change(&lock)
	data, err := json.Marshal(lock)
	if err != nil {
		t.Fatal(err)
	}
	files[lockPath].Data = data
}

// What is committed agrees with its lock.
func TestShipped(t *testing.T) {
	modules, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		if m.File != m.Name+".wasm" || len(m.Wasm) == 0 || len(m.SHA256) != 64 {
			t.Errorf("module %q in %q, %d bytes, digest %q", m.Name, m.File, len(m.Wasm), m.SHA256)
		}
	}
	if !slices.IsSortedFunc(modules, func(a, b Module) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the modules are not in the order of their names")
	}
}

// A folder that is not what its lock says gives no modules and an error that
// names the file.
func TestLock(t *testing.T) {
	const first = "wasm/gpt.wasm"
	for _, c := range []struct {
		name, file, reason string
		change             func(t *testing.T, files fstest.MapFS)
	}{
		{"no lock", LockFile, "not exist", func(_ *testing.T, files fstest.MapFS) { delete(files, lockPath) }},
		{"empty lock", LockFile, "JSON", func(_ *testing.T, files fstest.MapFS) { files[lockPath].Data = nil }},
		{"lock cut short", LockFile, "JSON", func(_ *testing.T, files fstest.MapFS) {
			files[lockPath].Data = files[lockPath].Data[:len(files[lockPath].Data)-2]
		}},
		{"lock with something behind it", LockFile, "after top-level value", func(_ *testing.T, files fstest.MapFS) {
			files[lockPath].Data = append(files[lockPath].Data, "{}"...)
		}},
		{"lock of another form", LockFile, "cannot unmarshal", func(_ *testing.T, files fstest.MapFS) { files[lockPath].Data = []byte(`[]`) }},
		{"lock without modules", LockFile, "names no module", func(t *testing.T, files fstest.MapFS) {
			relock(t, files, func(l *Lock) { l.Modules = nil })
		}},
		{"module missing", "gpt.wasm", "not exist", func(_ *testing.T, files fstest.MapFS) { delete(files, first) }},
		{"module not locked", "gpt.wasm", "does not name it", func(t *testing.T, files fstest.MapFS) {
			relock(t, files, func(l *Lock) {
				l.Modules = slices.DeleteFunc(l.Modules, func(m LockedModule) bool { return m.File == "gpt.wasm" })
			})
		}},
		{"file that is no module", "README", "does not name it", func(_ *testing.T, files fstest.MapFS) {
			files["wasm/README"] = &fstest.MapFile{}
		}},
		{"folder in the folder", "more", "does not name it", func(_ *testing.T, files fstest.MapFS) {
			files["wasm/more/gpt.wasm"] = files[first]
		}},
		{"module twice", "gpt.wasm", "twice", func(t *testing.T, files fstest.MapFS) {
			relock(t, files, func(l *Lock) { l.Modules = append(l.Modules, l.Modules[index(t, l, "gpt.wasm")]) })
		}},
		{"lock as a module", LockFile, "twice", func(t *testing.T, files fstest.MapFS) {
			relock(t, files, func(l *Lock) { l.Modules[0].File = LockFile })
		}},
		{"module longer", "gpt.wasm", "the lock says", func(_ *testing.T, files fstest.MapFS) {
			files[first].Data = append(files[first].Data, 0)
		}},
		{"module shorter", "gpt.wasm", "the lock says", func(_ *testing.T, files fstest.MapFS) {
			files[first].Data = files[first].Data[:len(files[first].Data)-1]
		}},
		{"module empty", "gpt.wasm", "has 0 bytes", func(_ *testing.T, files fstest.MapFS) { files[first].Data = nil }},
		{"modules exchanged", "gpt.wasm", "the lock says", func(_ *testing.T, files fstest.MapFS) {
			files[first], files["wasm/mbr.wasm"] = files["wasm/mbr.wasm"], files[first]
		}},
		{"size wrong in the lock", "gpt.wasm", "bytes, the lock says", func(t *testing.T, files fstest.MapFS) {
			relock(t, files, func(l *Lock) { l.Modules[index(t, l, "gpt.wasm")].Size++ })
		}},
		{"digest wrong in the lock", "gpt.wasm", "SHA-256", func(t *testing.T, files fstest.MapFS) {
			relock(t, files, func(l *Lock) { l.Modules[index(t, l, "gpt.wasm")].SHA256 = strings.Repeat("0", 64) })
		}},
		{"digest in upper case", "gpt.wasm", "SHA-256", func(t *testing.T, files fstest.MapFS) {
			relock(t, files, func(l *Lock) {
				m := &l.Modules[index(t, l, "gpt.wasm")]
				m.SHA256 = strings.ToUpper(m.SHA256)
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := folder(t)
			c.change(t, files)
			refused(t, files, c.file, c.reason)
		})
	}
}

func index(t *testing.T, l *Lock, file string) int {
	t.Helper()
	i := slices.IndexFunc(l.Modules, func(m LockedModule) bool { return m.File == file })
	if i < 0 {
		t.Fatalf("the lock does not name %s", file)
	}
	return i
}

func refused(t *testing.T, files fs.FS, file, reason string) {
	t.Helper()
	modules, err := load(files, "wasm")
	locked, ok := errors.AsType[*LockError](err)
	if !ok || modules != nil {
		t.Fatalf("%d modules and error %v, want none and a *LockError", len(modules), err)
	}
	if locked.File != file || !strings.Contains(locked.Reason, reason) {
		t.Errorf("refused for %q: %s; want %q: …%s…", locked.File, locked.Reason, file, reason)
	}
}

// A bit that differs anywhere in any module is seen.
func TestLockSeesEveryByte(t *testing.T) {
	modules, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		// A folder with this module alone, so that it is all that is hashed.
		files := folder(t)
		for path := range files {
			if path != lockPath && path != "wasm/"+m.File {
				delete(files, path)
			}
		}
		relock(t, files, func(l *Lock) { l.Modules = []LockedModule{l.Modules[index(t, l, m.File)]} })
		data := files["wasm/"+m.File].Data
		if _, err := load(files, "wasm"); err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(data); at = min(at+61, max(at+1, len(data)-1)) {
			data[at] ^= 1 << (at % 8)
			refused(t, files, m.File, "SHA-256")
			data[at] ^= 1 << (at % 8)
		}
	}
}
