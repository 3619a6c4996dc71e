package main

import "fmt"

// A conversion is one that is compared.
type conversion struct {
	from, to, subformat, compress, handOff string
	embedded                               bool // in an engine that is running, not by the command
}

// String names the row.
func (t conversion) String() string {
	s := fmt.Sprintf("convert %s to %s", t.from, t.to)
	if t.subformat != "" {
		s += " " + t.subformat
	}
	if t.compress != "" {
		s += ", compressed by " + t.compress
	}
	if t.handOff != "" {
		s += ", by " + t.handOff
	}
	if t.embedded {
		s += ", in a running engine"
	}
	return s + ", 1 GiB of data in 4 GiB"
}

// ours are the arguments of assay, which chooses the rest itself.
func (t conversion) ours() []string {
	args := []string{"convert", "--claim", t.from, "--to", t.to}
	if t.subformat != "" {
		args = append(args, "--subformat", t.subformat)
	}
	if t.compress != "" {
		args = append(args, "--compress="+t.compress)
	}
	if t.handOff != "" {
		args = append(args, "--hand-off", t.handOff)
	}
	return args
}

// theirs are the arguments of qemu-img: the best that are safe. -W is out of
// the question where the output is written as a stream, and for VDI, whose
// header it now and then leaves without blocks that were written.
func (t conversion) theirs() []string {
	args := []string{"convert"}
	if t.to != "vdi" && t.subformat == "" {
		args = append(args, "-W")
	}
	options := ""
	switch {
	case t.compress != "":
		args, options = append(args, "-c", "-m", "16"), "compression_type="+t.compress
	case t.subformat != "":
		args, options = append(args, "-m", "16"), "subformat="+t.subformat
	case t.to == "vhd":
		options = "force_size=on" // the disk's own size, as ours
	}
	args = append(args, "-f", driver(t.from), "-O", driver(t.to))
	if options != "" {
		args = append(args, "-o", options)
	}
	return args
}

// driver is qemu's name of a format.
func driver(format string) string {
	if format == "vhd" {
		return "vpc"
	}
	return format
}
