package qemuimg

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of docs/conversion.md")

//go:generate go test -run ^TestFeatures$ -update .

// TestFeatures: the table of the documentation is that of the code, and the
// oldest version that is used has all that is required.
func TestFeatures(t *testing.T) {
	if os.Getenv(fakesVariable) != "" {
		t.Skip("run as another user, and in another folder")
	}
	const path, begin, end = "../../docs/conversion.md", "<!-- features: begin -->\n", "<!-- features: end -->"
	var table strings.Builder
	table.WriteString("| Feature | Since | For | Without it |\n|---|---|---|---|\n")
	var last Version
	for _, f := range Features() {
		without := "an error where it is asked for"
		if f.Required {
			without = "no such qemu-img is used"
		}
		fmt.Fprintf(&table, "| %s | %v | %s | %s |\n", f.Name, f.Since, f.For, without)
		if f.Since.Less(last) || f.Required && minimum.Less(f.Since) || f.For == "" {
			t.Errorf("%+v, after %v", f, last)
		}
		last = f.Since
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(text), begin)
	_, tail, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no place for the table", path)
	}
	want := head + begin + table.String() + end + tail
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(text) != want {
		t.Errorf("%s is not up to date: run go generate ./native/qemuimg", path)
	}
}
