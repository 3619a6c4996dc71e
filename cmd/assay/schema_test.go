package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/assay-dev/assay/native/confine"
)

// schema checks JSON against the part of JSON Schema that docs/schema uses; a
// keyword it does not know is an error, so that none is ignored.
type schema struct {
	root map[string]any
}

func readSchema(path string) (schema, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return schema{}, err
	}
	root, err := decodeObject(text)
	return schema{root}, err
}

func decodeObject(text []byte) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v map[string]any
	err := dec.Decode(&v)
	return v, err
}

// checkLines checks each line, of which there must be one.
func (s schema) checkLines(text []byte) error {
	lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	for i, line := range lines {
		v, err := decodeObject(line)
		if err != nil {
			return fmt.Errorf("line %d: %w", i+1, err)
		}
		if err := s.check(s.root, v, "$"); err != nil {
			return fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return nil
}

func (s schema) check(rules map[string]any, v any, at string) error {
	for _, keyword := range slices.Sorted(maps.Keys(rules)) {
		if err := s.keyword(keyword, rules, v, at); err != nil {
			return err
		}
	}
	return nil
}

func (s schema) keyword(keyword string, rules map[string]any, v any, at string) error {
	rule := rules[keyword]
	object, _ := v.(map[string]any)
	list, _ := v.([]any)
	wrong := func() error { return fmt.Errorf("%s: %v breaks %s %v", at, v, keyword, rule) }
	switch keyword {
	case "$schema", "$defs", "title", "description":
	case "$ref":
		name, _ := strings.CutPrefix(rule.(string), "#/$defs/")
		return s.check(s.root["$defs"].(map[string]any)[name].(map[string]any), v, at)
	case "type":
		names, ok := rule.([]any)
		if !ok {
			names = []any{rule}
		}
		if !slices.Contains(names, any(typeName(v))) {
			return wrong()
		}
	case "const":
		if fmt.Sprint(rule) != fmt.Sprint(v) {
			return wrong()
		}
	case "enum":
		if !slices.ContainsFunc(rule.([]any), func(allowed any) bool { return reflect.DeepEqual(allowed, v) }) {
			return wrong()
		}
	case "required":
		for _, name := range rule.([]any) {
			if _, ok := object[name.(string)]; !ok {
				return fmt.Errorf("%s: %v is missing", at, name)
			}
		}
	case "properties":
		for name, sub := range rule.(map[string]any) {
			if value, ok := object[name]; ok {
				if err := s.check(sub.(map[string]any), value, at+"."+name); err != nil {
					return err
				}
			}
		}
	case "additionalProperties":
		listed, _ := rules["properties"].(map[string]any)
		for name, value := range object {
			if _, ok := listed[name]; ok {
				continue
			}
			if rule == false {
				return fmt.Errorf("%s: %s is not in the schema", at, name)
			}
			if err := s.check(rule.(map[string]any), value, at+"."+name); err != nil {
				return err
			}
		}
	case "propertyNames":
		for name := range object {
			if err := s.check(rule.(map[string]any), name, at+" name"); err != nil {
				return err
			}
		}
	case "items":
		for i, value := range list {
			if err := s.check(rule.(map[string]any), value, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case "prefixItems":
		for i, sub := range rule.([]any) {
			if i < len(list) {
				if err := s.check(sub.(map[string]any), list[i], fmt.Sprintf("%s[%d]", at, i)); err != nil {
					return err
				}
			}
		}
	case "minItems", "maxItems", "minimum", "maximum":
		value := float64(len(list))
		if n, ok := v.(json.Number); ok {
			value, _ = n.Float64()
		}
		limit, _ := rule.(json.Number).Float64()
		if strings.HasPrefix(keyword, "min") && value < limit || strings.HasPrefix(keyword, "max") && value > limit {
			return wrong()
		}
	case "pattern":
		if !regexp.MustCompile(rule.(string)).MatchString(v.(string)) {
			return wrong()
		}
	default:
		return fmt.Errorf("%s: keyword %s is not known to this test", at, keyword)
	}
	return nil
}

func typeName(v any) string {
	switch v := v.(type) {
	case map[string]any:
		return "object"
	case []any:
		return "array"
	case string:
		return "string"
	case bool:
		return "boolean"
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return "number"
		}
		return "integer"
	}
	return "null"
}

// A checker that accepts everything would let every schema test pass.
func TestSchemaCheckerRefuses(t *testing.T) {
	s, err := readSchema(filepath.Join("..", "..", "docs", "schema", "error.json"))
	if err != nil {
		t.Fatal(err)
	}
	good := `{"schema":1,"source":"a","error":{"code":"failed","message":"m"}}`
	if err := s.checkLines([]byte(good)); err != nil {
		t.Errorf("good: %v", err)
	}
	for _, bad := range []string{
		``, `[]`,
		`{"schema":1,"source":"a"}`,
		`{"schema":2,"source":"a","error":{"code":"failed","message":"m"}}`,
		`{"schema":1,"source":1,"error":{"code":"failed","message":"m"}}`,
		`{"schema":1,"source":"a","error":{"code":"other","message":"m"}}`,
		`{"schema":1,"source":"a","error":{"code":"failed","message":"m"},"more":1}`,
	} {
		if s.checkLines([]byte(bad)) == nil {
			t.Errorf("accepted: %s", bad)
		}
	}
}

// TestSchemaLayers: what names the layers of confinement names all of them.
func TestSchemaLayers(t *testing.T) {
	files, err := filepath.Glob("../../docs/schema/*.json")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var schema struct {
			Properties struct {
				Layers struct{ Items struct{ Enum []string } }
			}
		}
		if err := json.Unmarshal(text, &schema); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if names := schema.Properties.Layers.Items.Enum; names != nil {
			found++
			if !slices.Equal(names, confine.LayerNames()) {
				t.Errorf("%s: layers %q, want %q", file, names, confine.LayerNames())
			}
		}
	}
	if found == 0 {
		t.Error("no schema names the layers")
	}
}
