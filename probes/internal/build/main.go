// Build compiles the probes in probes/src and writes probes/wasm: one module a
// probe, and probes.lock with what they are and what they were built with.
//
//	go run ./probes/internal/build          builds and writes
//	go run ./probes/internal/build -check   builds and compares, writes nothing
//
// It needs Debian's rustc, cargo and libstd-rust-dev-wasm32, lld for the
// modules, and clang to check the C header. CARGO, RUSTC, WASM_LD and CLANG
// name other ones; nothing is fetched. The same sources and tools give the
// same bytes in any folder: no path ends up in a module.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/assay-dev/assay/hostfuncs"
	"github.com/assay-dev/assay/probes"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("build: ")
	check := flag.Bool("check", false, "compare with probes/wasm instead of writing it")
	flag.Parse()
	if err := run(*check); err != nil {
		log.Fatal(err)
	}
}

func run(check bool) error {
	root, err := repository()
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "assay-probes-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	b := builder{src: filepath.Join(root, "probes", "src"), scratch: scratch}
	files, err := b.all()
	if err != nil {
		return err
	}
	wasm := filepath.Join(root, "probes", "wasm")
	if check {
		return compare(wasm, files)
	}
	return write(wasm, files)
}

// repository returns the folder of the go.mod above the working directory.
func repository() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("finding the repository: %w", err)
	}
	mod := strings.TrimSpace(string(out))
	if filepath.Base(mod) != "go.mod" {
		return "", errors.New("run it inside the repository")
	}
	return filepath.Dir(mod), nil
}

// tool is a program that takes part in the build.
type tool struct {
	env, path string
	pkg       string // Debian's name for what to install
}

var (
	cargo  = tool{"CARGO", "/usr/bin/cargo", "cargo"}
	rustc  = tool{"RUSTC", "/usr/bin/rustc", "rustc libstd-rust-dev-wasm32"}
	wasmLD = tool{"WASM_LD", "/usr/bin/wasm-ld", "lld"}
	clang  = tool{"CLANG", "/usr/bin/clang", "clang"}
)

// name returns the program's path. The defaults are absolute: a newer rustc
// earlier on PATH often lacks the wasm32 library.
func (t tool) name() string {
	if v := os.Getenv(t.env); v != "" {
		return v
	}
	return t.path
}

func (t tool) run(dir string, args ...string) ([]byte, error) {
	cmd := exec.Command(t.name(), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "RUSTC="+rustc.name())
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	err := cmd.Run()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; on Debian: apt-get install %s (or set %s)", err, t.pkg, t.env)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s", t.name(), strings.Join(args, " "), err, stderr.Bytes())
	}
	return out.Bytes(), nil
}

// version returns the first line of what the program says of itself.
func (t tool) version() (string, error) {
	out, err := t.run("", "--version")
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line), nil
}

// builder builds from src with scratch for what is in between.
type builder struct{ src, scratch string }

// all returns the contents of probes/wasm by name.
func (b builder) all() (map[string][]byte, error) {
	manifests, err := filepath.Glob(filepath.Join(b.src, "*", "manifest.json"))
	if err != nil {
		return nil, err
	}
	lock := probes.Lock{ABI: hostfuncs.ABIVersion}
	if lock.Rustc, err = rustc.version(); err != nil {
		return nil, err
	}
	if lock.Linker, err = wasmLD.version(); err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, m := range manifests {
		name := filepath.Base(filepath.Dir(m))
		module, err := b.rust(name)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(module)
		lock.Modules = append(lock.Modules, probes.LockedModule{
			File: name + ".wasm", SHA256: hex.EncodeToString(sum[:]), Size: int64(len(module)),
		})
		files[name+".wasm"] = module
	}
	if err := b.cExample(); err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(lock, "", "  ")
	if err != nil {
		return nil, err
	}
	files[probes.LockFile] = append(text, '\n')
	return files, nil
}

// rust builds one crate. Cargo stops at a static library and the linker is
// called here, so that the module exports what the ABI names and nothing
// else; rustc would add its own.
func (b builder) rust(name string) ([]byte, error) {
	target := filepath.Join(b.scratch, "target")
	_, err := cargo.run(b.src, "rustc", "--offline", "--locked", "--quiet", "--package", name, "--release",
		"--target", "wasm32-unknown-unknown", "--target-dir", target, "--crate-type", "staticlib", "--",
		"--remap-path-prefix="+b.src+"=probes")
	if err != nil {
		return nil, err
	}
	return b.link(name, filepath.Join(target, "wasm32-unknown-unknown", "release", "lib"+name+".a"))
}

// memory is the linear memory of a module, in bytes; stack what of it is the
// stack, which lies below everything else so that an overflow traps.
const (
	memory = "65536"
	stack  = "12288"
)

func (b builder) link(name, object string) ([]byte, error) {
	out := filepath.Join(b.scratch, name+".wasm")
	_, err := wasmLD.run("", "--no-entry", "--export="+hostfuncs.ExportProbe, "--export="+hostfuncs.ExportWindow,
		"--stack-first", "-z", "stack-size="+stack, "--initial-memory="+memory, "--max-memory="+memory,
		"--gc-sections", "--strip-all", "--compress-relocations", "-O2", "-o", out, object)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}

// cExample builds the C example, which is not shipped: it shows that the
// header is one a compiler takes.
func (b builder) cExample() error {
	object := filepath.Join(b.scratch, "example.o")
	_, err := clang.run(filepath.Join(b.src, "include"), "--target=wasm32", "-mcpu=mvp", "-std=c11", "-Os", "-nostdlib",
		"-ffreestanding", "-Wall", "-Wextra", "-Werror", "-I.", "-c", "-o", object, "example.c")
	if err != nil {
		return err
	}
	_, err = b.link("example", object)
	return err
}

func write(dir string, files map[string][]byte) error {
	old, err := filepath.Glob(filepath.Join(dir, "*.wasm"))
	if err != nil {
		return err
	}
	for _, name := range old {
		if files[filepath.Base(name)] == nil {
			if err := os.Remove(name); err != nil {
				return err
			}
		}
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// compare says what in dir is not what was built.
func compare(dir string, files map[string][]byte) error {
	const remedy = "run `make probes` and commit the result"
	present, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range present {
		if files[e.Name()] == nil {
			return fmt.Errorf("%s has no source; %s", filepath.Join(dir, e.Name()), remedy)
		}
	}
	// The lock comes first: other tools make other modules.
	committed, err := os.ReadFile(filepath.Join(dir, probes.LockFile))
	if err != nil {
		return fmt.Errorf("%w; %s", err, remedy)
	}
	var was, is probes.Lock
	if err := json.Unmarshal(committed, &was); err != nil {
		return fmt.Errorf("%s: %w; %s", probes.LockFile, err, remedy)
	}
	if err := json.Unmarshal(files[probes.LockFile], &is); err != nil {
		return err
	}
	if was.Rustc != is.Rustc || was.Linker != is.Linker {
		return fmt.Errorf("the probes were built with %s and %s, these are %s and %s", was.Rustc, was.Linker, is.Rustc, is.Linker)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return fmt.Errorf("%w; %s", err, remedy)
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("%s is not what its source builds; %s", filepath.Join(dir, name), remedy)
		}
	}
	return nil
}
