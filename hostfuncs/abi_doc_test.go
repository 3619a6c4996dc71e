package hostfuncs

import (
	"encoding/hex"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// The record shown in docs/abi.md is what its text says, and the kinds it
// describes are those there are.
func TestABIDocumentRecord(t *testing.T) {
	text, err := os.ReadFile("../docs/abi.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(text)
	var digits string
	for _, line := range regexp.MustCompile(`(?m)^    ((?:[0-9a-f]{2} +)+[0-9a-f]{2})$`).FindAllStringSubmatch(doc, -1) {
		digits += strings.ReplaceAll(line[1], " ", "")
	}
	wire, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	records, err := Decode(nil, wire, "qcow2")
	if err != nil {
		t.Fatal(err)
	}
	want := Record{Entry: ByName("qcow2.cluster-bits"), Offset: 20, Length: 4, Values: [2]uint64{8, 9}}
	if len(records) != 1 || !reflect.DeepEqual(records[0], want) {
		t.Errorf("docs/abi.md shows %+v, want %+v", records, want)
	}
	if name := fmt.Sprintf("%#04x `%s`", want.Entry.Key, want.Entry.Name); !strings.Contains(doc, name) {
		t.Errorf("docs/abi.md does not say %s", name)
	}
	for kind, name := range kindNames {
		often := "any number"
		if kind <= KindText {
			often = "once"
		}
		if !regexp.MustCompile(`(?m)^\| ` + name + ` \| .* \| ` + often + ` \|$`).MatchString(doc) {
			t.Errorf("docs/abi.md does not say that a %s is reported %s", name, often)
		}
	}
}
