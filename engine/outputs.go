package engine

import "github.com/assay-dev/assay/native/qemuimg"

// Outputs returns the formats that Convert writes, sorted: those that a tool
// can make and the engine can inspect again.
func Outputs() []Format {
	var formats []Format
	for _, name := range qemuimg.Targets() {
		formats = append(formats, Format(name))
	}
	return formats
}

// OutputSubformats returns the variants of an output, the default first.
func OutputSubformats(f Format) []string { return qemuimg.Subformats(string(f)) }

// OutputOptions returns the names of the options that an output has.
func OutputOptions(f Format) []string { return qemuimg.Options(string(f)) }
