package qemuimg

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// Targets of a conversion, by the names of their formats.
const (
	TargetRaw   = "raw"
	TargetLUKS  = "luks"
	TargetQcow2 = "qcow2"
	TargetVMDK  = "vmdk"
	TargetVHD   = "vhd"
	TargetVHDX  = "vhdx"
	TargetVDI   = "vdi"
)

// Compressions of a target.
const (
	CompressNone = ""
	CompressZlib = "zlib"
	CompressZstd = "zstd"
)

// A target is a format that qemu-img can be asked to write, and what can be
// asked of it. Nothing that a caller says reaches qemu-img but by way of it.
type target struct {
	name   string
	driver string // qemu's name for it
	// subformats are the variants, the default first, and the options of each.
	subformats []subformat
	// compress are the compressions of data, besides none.
	compress []string
	// options are those that a caller may set.
	options []option
	// always are options that are set whatever the caller says.
	always []string
	// overhead is the most that an output can need beyond its data, in bytes,
	// for a disk of a size and options.
	overhead func(size int64, set settings) int64
	// capacity is the largest disk in bytes, and what sets that limit; nil
	// where there is none.
	capacity func(set settings) (int64, string)
}

type subformat struct{ name, options string }

// An option is one that qemu-img knows by the same name. None names a file, a
// secret or another image: what would is not an option here.
type option struct {
	name  string
	valid func(value string) bool
	want  string // what valid wants, for people
	since Version
}

// settings are the values of options.
type settings map[string]string

// targets are sorted by name.
var targets = []target{
	{
		// What is asked of its encryption is an Encryption.
		name: TargetLUKS, driver: "luks",
		// The header and eight key slots of 4000 stripes: 2 MiB for the
		// longest key.
		overhead: func(int64, settings) int64 { return 4 << 20 },
	},
	{
		name: TargetQcow2, driver: "qcow2",
		compress: []string{CompressZlib, CompressZstd},
		options: []option{
			oneOf("compat", "1.1", "0.10"),
			// A smaller one can put data where a GPT is looked for.
			bytesBetween("cluster_size", 4<<10, 2<<20),
			{name: "extended_l2", valid: among("on", "off"), want: "on, off", since: since(extendedL2)},
			oneOf("lazy_refcounts", "on", "off"),
			oneOf("preallocation", "off", "metadata", "falloc", "full"),
			oneOf("refcount_bits", "1", "2", "4", "8", "16", "32", "64"),
		},
		// docs/interop/qcow2.txt: at most 16 bytes of L2 entry and 8 of
		// refcount a cluster, and tables of those; compressed clusters that do
		// not shrink are stored as they are. A quarter more, and room for the
		// tables of a small disk.
		overhead: func(size int64, set settings) int64 {
			cluster := max(4<<10, set.number("cluster_size", 64<<10))
			return (size/cluster+1)*30 + 16*cluster + 16<<20
		},
		capacity: qcow2Capacity,
	},
	{
		name: TargetRaw, driver: "raw",
		overhead: func(int64, settings) int64 { return 0 },
	},
	{
		name: TargetVDI, driver: "vdi",
		subformats: []subformat{{"dynamic", ""}, {"static", "static=on"}},
		// A block map of 4 bytes for each MiB, and the rest of the last one.
		overhead: func(size int64, _ settings) int64 { return size>>18 + 16<<20 },
		capacity: vdiCapacity,
	},
	{
		name: TargetVHD, driver: "vpc",
		subformats: []subformat{{"dynamic", "subformat=dynamic"}, {"fixed", "subformat=fixed"}},
		// Without it the disk grows to whole cylinders.
		always: []string{"force_size=on"},
		// A bitmap of a sector for each block of 2 MiB, and its table entry.
		overhead: func(size int64, _ settings) int64 { return size>>11 + 16<<20 },
		capacity: vhdCapacity,
	},
	{
		name: TargetVHDX, driver: "vhdx",
		subformats: []subformat{{"dynamic", "subformat=dynamic"}, {"fixed", "subformat=fixed"}},
		options:    []option{bytesBetween("block_size", 1<<20, 256<<20)},
		// Whole blocks, also the last.
		overhead: func(size int64, _ settings) int64 { return size>>11 + 256<<20 + 16<<20 },
		capacity: vhdxCapacity,
	},
	{
		name: TargetVMDK, driver: "vmdk",
		subformats: []subformat{{"monolithicSparse", "subformat=monolithicSparse"}, {"streamOptimized", "subformat=streamOptimized"}},
		options: []option{
			oneOf("adapter_type", "ide", "buslogic", "lsilogic", "legacyESX"),
			oneOf("zeroed_grain", "on", "off"),
		},
		// For each grain of 64 KiB, two table entries, or a marker, what
		// deflate adds, and the rest of a sector.
		overhead: func(size int64, _ settings) int64 { return size>>6 + 16<<20 },
		capacity: vmdkCapacity,
	},
}

// Targets returns the formats that can be written, sorted.
func Targets() []string {
	var names []string
	for _, t := range targets {
		names = append(names, t.name)
	}
	return names
}

// Subformats returns the variants of a target, the default first; none for a
// target that has none or is none.
func Subformats(name string) []string {
	var names []string
	if t := findTarget(name); t != nil {
		for _, s := range t.subformats {
			names = append(names, s.name)
		}
	}
	return names
}

// Options returns the names of the options that can be set for a target.
func Options(name string) []string {
	var names []string
	if t := findTarget(name); t != nil {
		for _, o := range t.options {
			names = append(names, o.name)
		}
	}
	return names
}

func findTarget(name string) *target {
	i := slices.IndexFunc(targets, func(t target) bool { return t.name == name })
	if i < 0 {
		return nil
	}
	return &targets[i]
}

// An OptionError says that an output was asked for that cannot be, and what
// can. It matches errors.ErrUnsupported.
type OptionError struct {
	What  string   // `subformat "flat"`
	Of    string   // the target, or what else has none such
	Known []string // what there is instead; may be empty
}

// Error implements error.
func (e *OptionError) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("%s has no %s", e.Of, e.What)
	}
	return fmt.Sprintf("%s has no %s, but %s", e.Of, e.What, strings.Join(e.Known, ", "))
}

// Is reports whether target is errors.ErrUnsupported.
func (e *OptionError) Is(target error) bool { return target == errors.ErrUnsupported }

// CheckTarget tells whether an output can be asked for, by any qemu-img that
// is new enough, for a disk of size bytes. The error is an *OptionError, a
// *CapacityError, a *CipherError, or says what of the encryption cannot be.
func (o *ConvertOptions) CheckTarget(size int64) error {
	t, err := o.target(Version{1 << 20})
	if err != nil {
		return err
	}
	return checkCapacity(t.name, size, t.capacity, o.Options)
}

// target returns what is asked for, checked, of a qemu-img of this version.
func (o *ConvertOptions) target(version Version) (*target, error) {
	t := findTarget(o.Target)
	if t == nil {
		return nil, &OptionError{fmt.Sprintf("format %q", o.Target), "qemu-img's output", Targets()}
	}
	if o.Subformat != "" && !slices.Contains(Subformats(o.Target), o.Subformat) {
		return nil, &OptionError{fmt.Sprintf("subformat %q", o.Subformat), o.Target, Subformats(o.Target)}
	}
	if o.Compress != CompressNone && !slices.Contains(t.compress, o.Compress) {
		return nil, &OptionError{fmt.Sprintf("compression %q", o.Compress), o.Target, t.compress}
	}
	for name, value := range o.Options {
		i := slices.IndexFunc(t.options, func(k option) bool { return k.name == name })
		if i < 0 {
			return nil, &OptionError{fmt.Sprintf("option %q", name), o.Target, Options(o.Target)}
		}
		known := t.options[i]
		if !known.valid(value) {
			return nil, &OptionError{fmt.Sprintf("%s %q", name, value), o.Target, []string{known.want}}
		}
		if version.Less(known.since) {
			return nil, &OptionError{fmt.Sprintf("option %q", name), fmt.Sprintf("qemu-img %v", version), []string{fmt.Sprintf("%v does", known.since)}}
		}
	}
	if err := o.checkWriting(); err != nil {
		return nil, err
	}
	if t.name != TargetLUKS && !o.Encryption.isZero() {
		return nil, &OptionError{What: "encryption", Of: o.Target}
	}
	if t.name == TargetLUKS {
		if err := o.Encryption.Check(); err != nil {
			return nil, err
		}
	}
	if o.Options["compat"] == "0.10" && o.Compress == CompressZstd {
		return nil, &OptionError{`compression "zstd"`, "qcow2 with compat 0.10", []string{CompressZlib}}
	}
	return t, nil
}

// creation returns the value of -o for an output.
func (t *target) creation(o *ConvertOptions) string {
	list := slices.Clone(t.always)
	if t.name == TargetLUKS {
		list = append(list, o.Encryption.creation())
	}
	wanted := o.Subformat
	if wanted == "" && len(t.subformats) > 0 {
		wanted = t.subformats[0].name
	}
	for _, s := range t.subformats {
		if s.name == wanted && s.options != "" {
			list = append(list, s.options)
		}
	}
	// The format as it is today, whatever the tool's default once was or
	// becomes.
	if t.name == TargetQcow2 && o.Options["compat"] == "" {
		list = append(list, "compat=1.1")
	}
	for _, k := range t.options {
		if value := o.Options[k.name]; value != "" {
			list = append(list, k.name+"="+value)
		}
	}
	// Of version 2 zlib is the only one, and goes without saying.
	if o.Compress != CompressNone && o.Options["compat"] != "0.10" {
		list = append(list, "compression_type="+o.Compress)
	}
	return strings.Join(list, ",")
}

// number returns the value of an option in bytes, or a default.
func (s settings) number(name string, otherwise int64) int64 {
	if n, ok := parseBytes(s[name]); ok {
		return n
	}
	return otherwise
}

func among(values ...string) func(string) bool {
	return func(value string) bool { return slices.Contains(values, value) }
}

func oneOf(name string, values ...string) option {
	return option{name: name, valid: among(values...), want: strings.Join(values, ", ")}
}

// bytesBetween is an option whose value is a power of two in bytes, with the
// letter k or M behind it or none.
func bytesBetween(name string, low, high int64) option {
	return option{name: name, want: fmt.Sprintf("a power of two from %d to %d bytes", low, high), valid: func(value string) bool {
		n, ok := parseBytes(value)
		return ok && n >= low && n <= high && bits.OnesCount64(uint64(n)) == 1
	}}
}

// parseBytes reads a number of bytes, with a letter for a binary unit or
// none.
func parseBytes(text string) (int64, bool) {
	shift := 0
	switch {
	case strings.HasSuffix(text, "k"), strings.HasSuffix(text, "K"):
		text, shift = text[:len(text)-1], 10
	case strings.HasSuffix(text, "M"):
		text, shift = text[:len(text)-1], 20
	}
	n, err := strconv.ParseUint(text, 10, 40)
	return int64(n) << shift, err == nil
}
