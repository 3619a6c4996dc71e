package probetest

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/internal/pattern"
	"github.com/assay-dev/assay/probes"
)

//go:embed skeleton
var skeletons embed.FS

// Languages are those that a skeleton can be written in.
var Languages = []string{"rust", "c"}

var skeletonName = pattern.Lazy(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// words returns what stands for the words in braces of the templates. There are
// no others: package text/template would make every program that imports this
// one megabytes larger.
func words(name string) []string {
	var magic [8]byte
	copy(magic[:], strings.ToUpper(strings.ReplaceAll(name, "-", "")))
	magic[7] ^= 0xff // no text begins like this
	var list []string
	for _, b := range magic {
		list = append(list, fmt.Sprintf("%#02x", b))
	}
	return []string{
		"{{name}}", name,
		"{{crate}}", strings.ReplaceAll(name, "-", "_"), // as Rust names libraries
		"{{magic}}", fmt.Sprintf("%x", magic),
		"{{magic-list}}", strings.Join(list, ", "),
	}
}

// WriteSkeleton makes a folder with a small probe in a language: the source,
// the manifest, what it is built with, and two vectors. It passes Check as it
// is. The folder must not exist. name is that of the probe and its format:
// lower-case letters, digits and dashes, and none of Assay's own formats,
// whose probes ship.
func WriteSkeleton(dir, name, language string) error {
	if len(name) > 32 || !skeletonName().MatchString(name) {
		return fmt.Errorf("probetest: name %q is not lower-case letters, digits and dashes, at most 32", name)
	}
	if _, err := engine.ParseFormat(name); err == nil {
		return fmt.Errorf("probetest: the probe of %s ships with Assay: work on that one", name)
	}
	files := map[string]string{ // what is written: from where
		"manifest.json":         "manifest.json.tmpl",
		"testdata/valid.vector": "valid.vector.tmpl",
		"testdata/cut.vector":   "cut.vector.tmpl",
	}
	var library, folder string // of the SDK, and where it goes
	switch language {
	case "rust":
		files["Cargo.toml"], files["Makefile"], files["src/lib.rs"] = "rust/Cargo.toml.tmpl", "rust/Makefile.tmpl", "rust/src/lib.rs.tmpl"
		library, folder = "sdk", "assay-probe"
	case "c":
		files["Makefile"], files["probe.c"] = "c/Makefile.tmpl", "c/probe.c.tmpl"
		library, folder = "include", "."
	default:
		return fmt.Errorf("probetest: language %q is none of %s", language, strings.Join(Languages, ", "))
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		return fmt.Errorf("probetest: %w", err)
	}
	err := copySDK(filepath.Join(dir, folder), library)
	fill := strings.NewReplacer(words(name)...)
	for to, from := range files {
		text, readErr := skeletons.ReadFile("skeleton/" + from)
		err = errors.Join(err, readErr, writeFile(filepath.Join(dir, filepath.FromSlash(to)), []byte(fill.Replace(string(text)))))
	}
	if err != nil {
		return fmt.Errorf("probetest: %w", err)
	}
	return nil
}

// copySDK writes a folder of the SDK to dir.
func copySDK(dir, library string) error {
	sdk, err := fs.Sub(probes.SDK(), library)
	if err != nil {
		return err
	}
	return fs.WalkDir(sdk, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(sdk, name)
		return errors.Join(err, writeFile(filepath.Join(dir, filepath.FromSlash(name)), text))
	})
}

func writeFile(name string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	return os.WriteFile(name, text, 0o666)
}
