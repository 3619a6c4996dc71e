package sandbox

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/assay-dev/assay/hostfuncs"
)

// The numbers and names in docs/abi.md are those of the code. Tables are
// compared whole, so that a row more or less shows as well.
func TestABIDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/abi.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(text)
	header, deep := hostfuncs.HeaderBudget(), hostfuncs.DeepBudget(1<<20, 1<<20)
	perByte := func(h, d int64) string {
		if d == h {
			return fmt.Sprint(h)
		}
		if d-h < 1<<20 {
			return fmt.Sprintf("%d + m / %d", h, 1<<20/(d-h))
		}
		return fmt.Sprintf("%d + %d m", h, (d-h)>>20)
	}
	tables := map[string][]string{
		"| resource | counts | at depth 0 | at depth 1, for m bytes of mapping tables |\n|---|---|---|---|\n": {
			fmt.Sprintf("`%s` | weighted instructions | %d | %s", hostfuncs.ResourceFuel, header.Fuel, perByte(header.Fuel, deep.Fuel)),
			fmt.Sprintf("`%s` | calls of `%s` | %d | %s", hostfuncs.ResourceReads, hostfuncs.ImportReadAt, header.Reads, perByte(header.Reads, deep.Reads)),
			fmt.Sprintf("`%s` | bytes asked of `%s`, and put into the window | %d | %s", hostfuncs.ResourceBytes, hostfuncs.ImportReadAt, header.ReadBytes, perByte(header.ReadBytes, deep.ReadBytes)),
			fmt.Sprintf("`%s` | bytes passed to `%s` | %d | %s", hostfuncs.ResourceReport, hostfuncs.ImportReport, header.ReportBytes, perByte(header.ReportBytes, deep.ReportBytes)),
		},
		"| instruction | weight |\n|---|---|\n": {
			fmt.Sprintf("`i32` and `i64` `div_s`, `div_u`, `rem_s`, `rem_u` | %d", weightDivision),
			fmt.Sprintf("`call`, `call_indirect` | %d", weightCall),
			fmt.Sprintf("`call` of an import | %d", weightHostCall),
			fmt.Sprintf("any other | %d", (&module{}).weight(instr{op: opI32Const})),
		},
		"| bound | at most |\n|---|---|\n": {
			fmt.Sprintf("the module, with its custom sections | %d bytes", maxModule),
			fmt.Sprintf("memory | %d pages of %d bytes", hostfuncs.MaxPages, pageSize),
			fmt.Sprintf("table | %d entries", maxTable),
			fmt.Sprintf("functions | %d", maxFunctions),
			fmt.Sprintf("types | %d", maxTypes),
			fmt.Sprintf("globals | %d", maxGlobals),
			fmt.Sprintf("exports | %d", maxExports),
			fmt.Sprintf("element segments | %d", maxElements),
			fmt.Sprintf("data segments | %d", maxData),
			fmt.Sprintf("body of a function, with its declaration of locals | %d bytes", maxBody),
			fmt.Sprintf("parameters of a function | %d", maxParams),
			fmt.Sprintf("locals of a function, with its parameters | %d", maxLocals),
			fmt.Sprintf("`block`, `loop` and `if` in a function | %d", maxBlocks),
			fmt.Sprintf("of these in each other | %d", maxDepth),
			fmt.Sprintf("branches in a function, each target of a `br_table` counted | %d", maxBranches),
			fmt.Sprintf("branches in the module | %d", maxEdges),
			fmt.Sprintf("targets of a `br_table`, without the default | %d", maxBrTargets),
		},
		"| value | meaning |\n|---|---|\n": {
			fmt.Sprintf("%d | no match: the bytes are not of the format. Records are not used", hostfuncs.NoMatch),
			fmt.Sprintf("%d | match", hostfuncs.Match),
			fmt.Sprintf("%d | match, but malformed: the bytes are of the format, and damaged or cut. A deep run does not follow", hostfuncs.MatchMalformed),
		},
	}
	for head, rows := range tables {
		want := head
		for _, r := range rows {
			want += "| " + r + " |\n"
		}
		if !strings.Contains(doc, want+"\n") {
			t.Errorf("docs/abi.md lacks this table:\n%s", want)
		}
	}
	for _, want := range []string{
		fmt.Sprintf("# Probe ABI v%d\n", hostfuncs.ABIVersion),
		fmt.Sprintf("Module `%s`", hostfuncs.ImportModule),
		fmt.Sprintf("### `%s(offset i64, ptr i32, len i32) -> i32`", hostfuncs.ImportReadAt),
		fmt.Sprintf("### `%s(ptr i32, len i32)`", hostfuncs.ImportReport),
		fmt.Sprintf("| `%s` | the linear memory", hostfuncs.ExportMemory),
		fmt.Sprintf("| `%s` | immutable i32 global", hostfuncs.ExportWindow),
		fmt.Sprintf("| `%s` | `(window_len i32, size i64, depth i32) -> i32` |", hostfuncs.ExportProbe),
		fmt.Sprintf("`%s`, exactly once: a JSON object of at most\n%d bytes", hostfuncs.ManifestSection, maxManifest),
		fmt.Sprintf("| `window` | bytes of the head of the image wanted in memory, 1 to %d |", hostfuncs.MaxWindow),
		fmt.Sprintf("dashes; at most %d bytes |", maxName),
		fmt.Sprintf("| `version` | MAJOR.MINOR.PATCH, at most %d bytes |", maxName),
		fmt.Sprintf("| `signatures` | 1 to %d,", maxSignatures),
		fmt.Sprintf("`bytes` (1 to %d, in hexadecimal)", maxPattern),
		fmt.Sprintf("`contains`: 1 to %d bytes", maxPattern),
		fmt.Sprintf("within the first or the last %d bytes", maxReach),
		fmt.Sprintf("slices of at most %d;", max(fuelSlice, fuelSliceInterpreted)),
		fmt.Sprintf("Offset %#x says", uint64(hostfuncs.NoPlace)),
		fmt.Sprintf("`size` is the size of the image, or %d. `depth` is %d\nor %d", hostfuncs.SizeUnknown, hostfuncs.DepthHeader, hostfuncs.DepthDeep),
	} {
		if !strings.Contains(doc, want) {
			t.Errorf("docs/abi.md lacks %q", want)
		}
	}
	for name := range toolGlobals {
		if !strings.Contains(doc, "`"+name+"`") {
			t.Errorf("docs/abi.md lacks the export %s", name)
		}
	}
}

// The manifest shown in docs/abi.md is one that the host takes, and shows
// every key but always, which excludes signatures.
func TestABIDocumentManifest(t *testing.T) {
	text, err := os.ReadFile("../../docs/abi.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n    {\n")
	shown, _, found := strings.Cut(rest, "\n    }\n")
	if !found {
		t.Fatal("docs/abi.md shows no manifest")
	}
	shown = "{" + shown + "}"
	if _, err := parseManifest([]byte(shown)); err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if err := json.Unmarshal([]byte(shown), &keys); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"abi", "name", "version", "format", "window", "budget", "signatures", "always"} {
		if _, ok := keys[key]; ok == (key == "always") {
			t.Errorf("manifest with key %s: %v", key, ok)
		}
		if !slices.ContainsFunc(strings.Split(string(text), "\n"), func(l string) bool { return strings.HasPrefix(l, "| `"+key+"` | ") }) {
			t.Errorf("docs/abi.md does not describe the key %s of a manifest", key)
		}
	}
}
