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

// loaderFiles are what the loader reads besides.
var loaderFiles = []string{"/etc/ld.so.cache"}

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
	real, err := filepath.EvalSymlinks(program)
	if err != nil {
		return "", nil, fmt.Errorf("library path of %s: %w", program, err)
	}
	origin := strings.NewReplacer("$ORIGIN", filepath.Dir(real), "${ORIGIN}", filepath.Dir(real))
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		paths, err := f.DynString(tag)
		if err != nil {
			return "", nil, fmt.Errorf("library path of %s: %w", program, err)
		}
		for _, path := range paths {
			for folder := range strings.SplitSeq(path, ":") {
				if folder = origin.Replace(folder); filepath.IsAbs(folder) {
					folders = append(folders, folder)
				}
			}
		}
	}
	return loader, folders, nil
}

// allowProgram allows what a program needs to start, and the two devices
// every program may open.
func (r *ruleset) allowProgram(program string) error {
	loader, folders, err := dependencies(program)
	if err != nil {
		return err
	}
	if err := r.allowPath(program, execFile); err != nil {
		return err
	}
	if loader != "" {
		if err := r.allowPath(loader, execFile); err != nil {
			return err
		}
		for _, path := range slices.Concat(folders, loaderFiles) {
			if err := r.allowPath(path, readFile); err != nil {
				return err
			}
		}
	}
	if err := r.allowPath("/dev/urandom", readFile); err != nil {
		return err
	}
	return r.allowPath("/dev/null", readFile|unix.LANDLOCK_ACCESS_FS_WRITE_FILE)
}
