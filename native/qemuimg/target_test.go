package qemuimg

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestCreation: what qemu-img is told of an output is the format as it is
// today, what is always set, and what was asked for.
func TestCreation(t *testing.T) {
	for _, c := range []struct {
		options ConvertOptions
		want    string
	}{
		{ConvertOptions{Target: "raw"}, ""},
		{ConvertOptions{Target: "qcow2"}, "compat=1.1"},
		{ConvertOptions{Target: "qcow2", Compress: "zstd"}, "compat=1.1,compression_type=zstd"},
		{ConvertOptions{Target: "qcow2", Compress: "zlib", Options: settings{"compat": "0.10"}}, "compat=0.10"},
		{ConvertOptions{Target: "qcow2", Options: settings{"refcount_bits": "1", "cluster_size": "2M"}}, "compat=1.1,cluster_size=2M,refcount_bits=1"},
		{ConvertOptions{Target: "vhd"}, "force_size=on,subformat=dynamic"},
		{ConvertOptions{Target: "vhd", Subformat: "fixed"}, "force_size=on,subformat=fixed"},
		{ConvertOptions{Target: "vdi"}, ""},
		{ConvertOptions{Target: "vdi", Subformat: "static"}, "static=on"},
		{ConvertOptions{Target: "vmdk", Subformat: "streamOptimized", Options: settings{"adapter_type": "lsilogic"}}, "subformat=streamOptimized,adapter_type=lsilogic"},
	} {
		to, err := c.options.target(minimum)
		if err != nil {
			t.Errorf("%+v: %v", c.options, err)
			continue
		}
		if got := to.creation(&c.options); got != c.want {
			t.Errorf("%+v: %q, want %q", c.options, got, c.want)
		}
	}
}

// TestNoSuchOutput: what is not in the table is refused, and the error says
// what there is.
func TestNoSuchOutput(t *testing.T) {
	for _, c := range []struct {
		options ConvertOptions
		want    string
	}{
		{ConvertOptions{}, "raw"},
		{ConvertOptions{Target: "luks2"}, "qcow2"},
		{ConvertOptions{Target: "vpc"}, "vhd"},
		{ConvertOptions{Target: "vmdk", Subformat: "monolithicFlat"}, "streamOptimized"},
		{ConvertOptions{Target: "raw", Subformat: "dynamic"}, "no subformat"},
		{ConvertOptions{Target: "vmdk", Compress: "zlib"}, "no compression"},
		{ConvertOptions{Target: "qcow2", Compress: "lzma"}, "zlib, zstd"},
		{ConvertOptions{Target: "qcow2", Compress: "zstd", Options: settings{"compat": "0.10"}}, "zlib"},
		{ConvertOptions{Target: "qcow2", Options: settings{"backing_file": "/etc/passwd"}}, "cluster_size"},
		{ConvertOptions{Target: "qcow2", Options: settings{"data_file": "x"}}, "cluster_size"},
		{ConvertOptions{Target: "qcow2", Options: settings{"compat": "1.1,backing_file=/etc/passwd"}}, "1.1, 0.10"},
		{ConvertOptions{Target: "qcow2", Options: settings{"cluster_size": "65536,data_file=x"}}, "power of two"},
		{ConvertOptions{Target: "qcow2", Options: settings{"cluster_size": "4M"}}, "power of two"},
		{ConvertOptions{Target: "qcow2", Options: settings{"cluster_size": "512"}}, "power of two"},
		{ConvertOptions{Target: "qcow2", Options: settings{"cluster_size": "1000"}}, "power of two"},
		{ConvertOptions{Target: "qcow2", Options: settings{"cluster_size": "-512"}}, "power of two"},
		{ConvertOptions{Target: "qcow2", Options: settings{"cluster_size": "999999999999999999M"}}, "power of two"},
		{ConvertOptions{Target: "vhd", Options: settings{"force_size": "off"}}, "no option"},
		{ConvertOptions{Target: "qcow2", Options: settings{"extended_l2": "on"}}, "5.2.0"},
	} {
		_, err := c.options.target(minimum)
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want an error with %q", c.options, err, c.want)
		}
	}
}

// TestNoOptionNamesAFile: nothing that a caller sets can be more than one
// value of one option, or a name.
func TestNoOptionNamesAFile(t *testing.T) {
	for _, to := range targets {
		for _, o := range to.options {
			if slices.Contains([]string{"backing_file", "backing_fmt", "data_file", "data_file_raw", "encryption", "encrypt.key-secret"}, o.name) {
				t.Errorf("%s has option %s", to.name, o.name)
			}
			for _, value := range []string{"", "/etc/passwd", "a,b=c", "on,backing_file=x", "json:{}", " ", "1=2"} {
				if o.valid(value) {
					t.Errorf("%s: option %s takes %q", to.name, o.name, value)
				}
			}
		}
	}
}

// TestWork: the work is that of the data, or of the disk where its zeros are
// written too.
func TestWork(t *testing.T) {
	const stored, size = 1 << 20, 1 << 40
	for _, c := range []struct {
		o            ConvertOptions
		driver       string
		stored, want int64
		needed       int64
	}{
		{ConvertOptions{Target: "raw"}, "raw", stored, stored, stored},
		{ConvertOptions{Target: "raw"}, "qcow2", stored, compression * stored, stored},
		{ConvertOptions{Target: "raw"}, "qcow2", 1<<63 - 1, size, size},
		{ConvertOptions{Target: "raw", SparseSize: new(int64(0))}, "raw", stored, size, size},
		{ConvertOptions{Target: "raw", SparseSize: new(int64(512))}, "raw", stored, stored, stored},
		{ConvertOptions{Target: "luks"}, "raw", stored, size, size},
		{ConvertOptions{Target: "vhd", Subformat: "fixed"}, "raw", stored, size, size},
		{ConvertOptions{Target: "vdi", Subformat: "static"}, "raw", stored, size, size},
		{ConvertOptions{Target: "vdi"}, "raw", stored, stored, stored},
		{ConvertOptions{Target: "qcow2", Options: settings{"preallocation": "falloc"}}, "raw", stored, size, size},
		{ConvertOptions{Target: "qcow2", Options: settings{"preallocation": "metadata"}}, "raw", stored, stored, stored},
	} {
		to := findTarget(c.o.Target)
		if got := c.o.work(to, c.driver, c.stored, size); got != c.want {
			t.Errorf("%+v from %s: %d bytes of work, want %d", c.o, c.driver, got, c.want)
		}
		if got := c.o.needed(to, c.stored, size); got != c.needed {
			t.Errorf("%+v from %s: %d bytes of space, want %d", c.o, c.driver, got, c.needed)
		}
	}
}

// TestBound: the largest output that is allowed holds at least the data, and
// never overflows.
func TestBound(t *testing.T) {
	for _, name := range Targets() {
		for _, size := range []int64{0, 1, 1 << 20, 1 << 40, 1 << 46, 1 << 62, 1<<63 - 1} {
			for _, set := range []settings{nil, {"cluster_size": "4096"}, {"cluster_size": "2M"}} {
				o := ConvertOptions{Target: name, Options: set}
				if got := o.bound(findTarget(name), size); got < size {
					t.Errorf("%s of %d bytes: %d", name, size, got)
				}
			}
		}
	}
}

// TestWritesAtATime: only outputs that come out right so are written out of
// order.
func TestWritesAtATime(t *testing.T) {
	for _, name := range Targets() {
		for _, subformat := range append(Subformats(name), "") {
			o := ConvertOptions{Target: name, Subformat: subformat}
			want := name != TargetVDI && subformat != "streamOptimized"
			if got := slices.Contains(o.arguments(findTarget(name), "source", false, false), "-W"); got != want {
				t.Errorf("%s %s: %v", name, subformat, got)
			}
		}
	}
}
