package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestParseOutput(t *testing.T) {
	got := parseOutput([]byte("fuzz: elapsed: 3s, execs: 980 (248/sec), new interesting: 20 (total: 257)\n" +
		"fuzz: elapsed: 6s, execs: 2407 (476/sec), new interesting: 42 (total: 279)\nPASS\n"))
	if got.executions != 2407 || got.corpus != 279 {
		t.Errorf("%+v", got)
	}
	if got := parseOutput([]byte("FAIL")); got != (slice{}) {
		t.Errorf("of nothing: %+v", got)
	}
}

// Slices add up by target, and the report has their sum.
func TestRecord(t *testing.T) {
	record, report := filepath.Join(t.TempDir(), "record.json"), filepath.Join(t.TempDir(), "FUZZING.md")
	const module = "github.com/assay-dev/assay/"
	for _, s := range []struct {
		target
		slice
	}{
		{target{module + "b", "", "FuzzB"}, slice{10, 5, 61 * time.Second}},
		{target{module + "a", "", "FuzzA"}, slice{1000, 7, time.Minute}},
		{target{module + "b", "", "FuzzB"}, slice{20, 6, 59 * time.Second}},
	} {
		if err := addToRecord(record, s.target, s.slice); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		target
		want time.Duration
	}{{target{module + "b", "", "FuzzB"}, 2 * time.Minute}, {target{module + "b", "", "FuzzA"}, 0}} {
		if got, err := onRecord(record, c.target); err != nil || got != c.want {
			t.Errorf("%s %s: %v, %v on record", c.path(), c.name, got, err)
		}
	}
	if err := writeReport(record, report); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| a | FuzzA | 1000 | 1.0 | 7 |", "| b | FuzzB | 30 | 2.0 | 6 |", "| all | 1030 | 3.0 |", "Nothing so far."} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Index(string(text), "FuzzA") > strings.Index(string(text), "FuzzB") {
		t.Error("targets are not sorted")
	}
}

// Every fuzz target is found, wherever it is.
func TestFindTargets(t *testing.T) {
	root, err := filepath.Abs("../../../..")
	if err != nil {
		t.Fatal(err)
	}
	targets, err := findTargets(t.Context(), root, regexp.MustCompile("Inspect|FuzzLoad$"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, found := range targets {
		names[found.name] = true
	}
	if !names["FuzzInspectQcow2"] || !names["FuzzLoad"] || names["FuzzDecode"] {
		t.Errorf("%v", names)
	}
}
