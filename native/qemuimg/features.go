package qemuimg

// A Feature is something of qemu-img that not every version in use has.
type Feature struct {
	Name  string  // as qemu-img calls it
	Since Version // the first that has it
	// Required says that no version without it is used at all.
	Required bool
	For      string // what it is used for
}

// features is the one table of them, by version.
var features = []Feature{
	{"`convert --target-is-zero`", Version{5, 0, 0}, true, "raw outputs: holes are not written"},
	{"qcow2 `compression_type`", Version{5, 1, 0}, true, "zstd, as an output and to read it"},
	{extendedL2, Version{5, 2, 0}, false, "`--opt extended_l2=on`"},
}

const extendedL2 = "qcow2 `extended_l2`"

// Features returns the table, by version.
func Features() []Feature { return append([]Feature(nil), features...) }

// since returns the first version that has a feature of the table.
func since(name string) Version {
	for _, f := range features {
		if f.Name == name {
			return f.Since
		}
	}
	return Version{}
}

// minimum is the oldest version that is used: the one that has everything
// required.
var minimum = func() (v Version) {
	for _, f := range features {
		if f.Required && v.Less(f.Since) {
			v = f.Since
		}
	}
	return v
}()
