// Package buildinfo says which version of the project a program holds.
package buildinfo

import "runtime/debug"

// linked is set by the linker (make build).
var linked string

// modulePath is the module that the engine is a part of, in whatever program.
const modulePath = "github.com/assay-dev/assay"

// Version returns the version of this module: what the linker was told, else
// what the Go tool recorded, which for a program that embeds the engine is the
// version that it requires; "devel" for a build of which neither is known. It
// holds no space.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return versionOf(linked, info)
}

func versionOf(linked string, info *debug.BuildInfo) string {
	if linked != "" {
		return linked
	}
	version := ""
	if info.Main.Path == modulePath {
		version = info.Main.Version
	}
	for _, m := range info.Deps {
		if m.Path != modulePath {
			continue
		}
		version = m.Version
		if m.Replace != nil {
			version = m.Replace.Version // what is built, and not what it stands for
		}
	}
	// So the Go tool calls what has no version.
	if version == "" || version == "(devel)" {
		return "devel"
	}
	return version
}
