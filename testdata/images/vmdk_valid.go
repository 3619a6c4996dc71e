package images

import "strings"

// vmdkVariant is a row of a table of vmdk images.
type vmdkVariant struct {
	name    string
	options []vmdkOption
}

func (v vmdkVariant) build() []byte { return buildVMDK(v.options...) }

func vmdkOf(options ...vmdkOption) []vmdkOption { return options }

func validVMDK() []Case {
	comments := strings.Repeat("# "+strings.Repeat("x", 60)+"\n", 80) // over 4 KiB
	variants := []vmdkVariant{
		{"plain", nil},
		{"empty-disk", vmdkOf(vmdkWritten())},
		{"odd-size", vmdkOf(vmdkSize(2047))},
		{"one-sector", vmdkOf(vmdkSize(1), vmdkWritten(0))},
		{"grains-64k", vmdkOf(vmdkGrain(128), vmdkWritten(0, 15))},
		{"two-tables", vmdkOf(vmdkSize(8193), vmdkWritten(0, 511, 512))},
		{"not-redundant", vmdkOf(vmdkOnce())},
		{"out-of-order", vmdkOf(vmdkWritten(127, 3, 7, 0))},
		{"zeroed-grains", vmdkOf(vmdkZeroed(1, 2))},
		{"version-2", vmdkOf(vmdkVersioned(2))},
		{"version-3", vmdkOf(vmdkVersioned(3))},
		{"trailing-data", vmdkOf(vmdkTail("something behind the last grain"))},
		{"large-disk", vmdkOf(vmdkSize(1<<25), vmdkGrain(1<<9), vmdkOnce(), vmdkWritten())},
		{"stream", vmdkOf(vmdkStream())},
		{"stream-empty-disk", vmdkOf(vmdkStream(), vmdkWritten())},
		{"stream-two-tables", vmdkOf(vmdkStream(), vmdkSize(1<<16), vmdkWritten(5, 600, 4095))},
		{"stream-version-3", vmdkOf(vmdkStream(), vmdkVersioned(3))},
		{"stream-in-place", vmdkOf(vmdkStreamInPlace())},
		{"text-crlf", vmdkOf(vmdkLines("\r\n"))},
		{"text-spaces-and-tabs", vmdkOf(vmdkEdit("ddb.adapterType = ", "\t ddb.adapterType="), vmdkEdit("RW 2048 SPARSE", "  RW\t2048  SPARSE \t"))},
		{"text-without-last-newline", vmdkOf(vmdkEdit("\"ide\"\n", "\"ide\""))},
		{"text-beyond-4k", vmdkOf(vmdkEdit("\n# Extent", "\n"+comments+"# Extent"))},
		{"text-of-64k", vmdkOf(vmdkTextSize(128), vmdkAdd(strings.Repeat(comments, 11)))},
		{"text-of-one-sector", vmdkOf(vmdkTextSize(1))},
		{"text-rest-of-longer", vmdkOf(vmdkAdd("\x00e\"\n"))},
		{"text-encoding", vmdkOf(vmdkEdit("version=1\n", "version=1\nencoding=\"UTF-8\"\n"))},
		{"text-null-uuids", vmdkOf(vmdkAdd("ddb.uuid.image=\"5f3b1c2d-0000-4000-8000-000000000001\"\nddb.uuid.parent=\"00000000-0000-0000-0000-000000000000\"\n"))},
		{"text-not-native", vmdkOf(vmdkEdit("createType", "isNativeSnapshot=\"no\"\ncreateType"))},
		{"text-name-not-utf8", vmdkOf(vmdkEdit("disk.vmdk", "d\xefsk \xff.vmdk"))},
		{"text-title-of-virtualbox", vmdkOf(vmdkEdit("# Disk DescriptorFile", "# Disk Descriptor File"))},
		{"text-no-parent-in-capitals", vmdkOf(vmdkEdit("ffffffff", "FFFFFFFF"))},
	}
	var cases []Case
	for _, v := range variants {
		cases = append(cases, Case{Name: "vmdk-" + v.name, Build: v.build, WantFormat: "vmdk", WantAccepted: true})
	}
	return cases
}

// vmdkTail appends something that nothing points to.
func vmdkTail(s string) vmdkOption { return func(v *vmdk) { v.tail = s } }

// vmdkLines sets the end of the text's lines.
func vmdkLines(end string) vmdkOption {
	return func(v *vmdk) { v.text = strings.ReplaceAll(v.text, "\n", end) }
}
