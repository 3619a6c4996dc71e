package probes

import (
	"embed"
	"io/fs"
)

//go:embed src/include/*.h src/sdk/Cargo.toml src/sdk/src
var sources embed.FS

// SDK returns what probes are written with: the folder include with the C
// headers, and the folder sdk with the Rust crate.
func SDK() fs.FS {
	sub, err := fs.Sub(sources, "src")
	if err != nil {
		panic(err) // "src" is a valid path
	}
	return sub
}
