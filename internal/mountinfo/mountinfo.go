// Package mountinfo reads the lines of /proc/self/mountinfo
// (proc_pid_mountinfo(5)): what is mounted where, as this process sees it.
package mountinfo

import "strings"

// A Mount is what one line says.
type Mount struct {
	ID      string // as statx(2) numbers it, in decimal
	Root    string // the folder of the file system that is mounted
	Point   string // where it is mounted
	Kind    string // of file system
	Options string // of the file system, parted by commas
}

// Parse reads a line: id, parent, device, root, mount point, options, optional
// fields, "-", type, source, options of the file system. What is none is the
// zero Mount.
func Parse(line string) Mount {
	before, after, found := strings.Cut(line, " - ")
	a, b := strings.Fields(before), strings.Fields(after)
	if !found || len(a) < 5 || len(b) < 3 {
		return Mount{}
	}
	return Mount{ID: a[0], Root: unescape.Replace(a[3]), Point: unescape.Replace(a[4]), Kind: b[0], Options: b[2]}
}

// unescape undoes how the kernel writes what would end a field.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
