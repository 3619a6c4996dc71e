package confine

import (
	"debug/elf"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// libraryFolders are where the loader looks for shared libraries. Files below
// them may be read, not executed: they come with the system's packages and
// hold no secrets. Naming folders, and not the files a program lists, leaves
// to the loader what is its own business (its cache, versions for newer
// processors, what libraries load later).
var libraryFolders = []string{"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64"}

// loaderFiles are what the loader reads besides. Debian keeps there the links
// that choose between libraries of one name.
var loaderFiles = []string{"/etc/ld.so.cache", "/etc/alternatives"}

// The devices that every program may open.
const (
	devNull   = "/dev/null"
	devRandom = "/dev/urandom"
)

// needs are the files and folders that a program needs to start, besides the
// devices.
type needs struct {
	execute []string // files, to be read and executed
	read    []string // and, below folders, to be read
}

// needsOf returns what a program needs; its path must be free of symbolic
// links, as the loader's idea of where it lies is.
func needsOf(program string) (needs, error) {
	loader, folders, err := dependencies(program)
	if err != nil {
		return needs{}, err
	}
	if loader == "" {
		return needs{execute: []string{program}}, nil
	}
	return needs{execute: []string{program, loader}, read: append(folders, loaderFiles...)}, nil
}

// dependencies returns what a program needs to start: its loader, to be
// executed, or "" if it is statically linked; and folders, to be read from.
func dependencies(program string) (loader string, folders []string, err error) {
	f, err := elf.Open(program)
	if err != nil {
		return "", nil, fmt.Errorf("%s as a program: %w", program, err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		// linux/binfmts.h: the kernel reads no longer name than a path.
		name := make([]byte, min(p.Filesz, 4096))
		if _, err := p.ReadAt(name, 0); err != nil {
			return "", nil, fmt.Errorf("loader of %s: %w", program, err)
		}
		loader = strings.TrimRight(string(name), "\x00")
	}
	if loader == "" {
		return "", nil, nil
	}
	folders = slices.Clone(libraryFolders)
	origin := strings.NewReplacer("$ORIGIN", filepath.Dir(program), "${ORIGIN}", filepath.Dir(program))
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		// Most programs have none, and their table of strings is long.
		if there, err := f.DynValue(tag); err == nil && len(there) == 0 {
			continue
		}
		paths, err := f.DynString(tag)
		if err != nil {
			return "", nil, fmt.Errorf("library path of %s: %w", program, err)
		}
		for _, path := range paths {
			for folder := range strings.SplitSeq(path, ":") {
				// No program has its libraries all over the system.
				if folder = filepath.Clean(origin.Replace(folder)); filepath.IsAbs(folder) && folder != "/" {
					folders = append(folders, folder)
				}
			}
		}
	}
	return loader, folders, nil
}

// allowNeeds allows what a program needs to start, and the devices.
func (r *ruleset) allowNeeds(n needs) error {
	for _, path := range n.execute {
		if err := r.allowPath(path, execFile); err != nil {
			return err
		}
	}
	for _, path := range n.read {
		if err := r.allowPath(path, readFile); err != nil {
			return err
		}
	}
	if err := r.allowPath(devRandom, readFile); err != nil {
		return err
	}
	return r.allowPath(devNull, readFile|unix.LANDLOCK_ACCESS_FS_WRITE_FILE)
}
