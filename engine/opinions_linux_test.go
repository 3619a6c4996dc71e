package engine_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/assay-dev/assay/engine"
)

// opinion is what another reader says of an image.
type opinion struct {
	opens      bool
	size       int64    // of the disk, in bytes; -1 = it does not say
	references []string // names of other files, as they stand in the image
}

// reader is a program that describes images of some formats.
type reader struct {
	program string
	formats []engine.Format
	args    []string // the image's path follows
	size    *regexp.Regexp
	names   *regexp.Regexp // of other files; nil = it shows none
}

// mediaSize is how the tools of libyal say it.
var mediaSize = regexp.MustCompile(`(?m)^\s*Media size\s*:.*\((\d+) bytes\)|^\s*Media size\s*:\s*(\d+) bytes`)

// readers are those that Debian has, besides qemu-img.
var readers = []reader{
	{program: "qcowinfo", formats: []engine.Format{"qcow", "qcow2"}, size: mediaSize, names: regexp.MustCompile(`(?m)^\s*Backing filename\s*: (.*)$`)},
	{program: "vhdiinfo", formats: []engine.Format{"vhd", "vhdx"}, size: mediaSize, names: regexp.MustCompile(`(?m)^\s*Parent filename\s*: (.*)$`)},
	{program: "vmdkinfo", formats: []engine.Format{"vmdk"}, size: mediaSize, names: regexp.MustCompile(`(?m)^\s*(?:Parent filename|Filename):\s*(.*)$`)},
	{program: "cryptsetup", formats: []engine.Format{"luks"}, args: []string{"luksDump", "--disable-locks"}},
}

// ask asks the reader about an image.
func (r reader) ask(t *testing.T, path string) opinion {
	t.Helper()
	out, err := run(t, filepath.Dir(path), slices.Concat([]string{r.program}, r.args, []string{path})...)
	if err != nil {
		return opinion{size: -1}
	}
	o := opinion{opens: true, size: -1}
	if r.size != nil {
		if m := r.size.FindSubmatch(out); m != nil {
			digits := string(m[1]) + string(m[2]) // one of them is empty
			if o.size, err = strconv.ParseInt(digits, 10, 64); err != nil {
				o.size = -1 // more than an offset can be
			}
		}
	}
	if r.names != nil {
		for _, m := range r.names.FindAllSubmatch(out, -1) {
			o.references = append(o.references, string(m[1]))
		}
	}
	return o.without(path)
}

// parseInfo reads what qemu-img info prints.
func parseInfo(t *testing.T, stdout []byte, err error, path string) opinion {
	t.Helper()
	if err != nil {
		return opinion{size: -1}
	}
	var info map[string]any
	d := json.NewDecoder(bytes.NewReader(stdout))
	d.UseNumber() // a size may be more than a float holds
	if err := d.Decode(&info); err != nil {
		t.Fatalf("qemu-img info printed %q: %v", stdout, err)
	}
	number, _ := info["virtual-size"].(json.Number)
	size, err := number.Int64()
	if err != nil {
		t.Fatalf("qemu-img info gives no size: %s", stdout)
	}
	o := opinion{opens: true, size: size}
	o.collect(info)
	return o.without(path)
}

// collect finds the names of other files, wherever the driver puts them.
func (o *opinion) collect(v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			target, isName := value.(string)
			if isName && slices.Contains([]string{"backing-filename", "data-file", "filename"}, key) {
				o.references = append(o.references, target)
			}
			o.collect(value)
		}
	case []any:
		for _, value := range v {
			o.collect(value)
		}
	}
}

// without leaves out the image's own name.
func (o opinion) without(path string) opinion {
	o.references = slices.DeleteFunc(o.references, func(r string) bool {
		return r == "" || r == path || r == filepath.Base(path)
	})
	return o
}

// names reports whether a report has a reference that another reader found.
// The other may end a name at its NUL or at the end of a line, replace what is not UTF-8, or write a
// name in the folder of the image in full.
func names(report *engine.Report, dir, target string) bool {
	if beside, ok := strings.CutPrefix(target, dir+"/"); ok && names(report, dir, beside) {
		return true
	}
	if report.Properties["vmdk.self_extent"] == engine.Escape([]byte(target)) {
		return true // the image itself, by the name that it once had
	}
	return slices.ContainsFunc(report.References, func(r engine.Reference) bool {
		if r.TargetBase64 != nil {
			return replaced(string(r.TargetBase64)) == replaced(target)
		}
		escaped := engine.Escape([]byte(target))
		return r.Target == escaped || strings.HasPrefix(r.Target, escaped+`\x00`) || strings.HasPrefix(r.Target, escaped+`\n`)
	})
}

func replaced(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\ufffd\ufffd", "\ufffd")
}
