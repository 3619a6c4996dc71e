package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/assay-dev/assay/internal/wasmbuild"
	"github.com/assay-dev/assay/testdata/images"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		// As root the command would use a folder of the system.
		"assay": func() { start(filepath.Join(os.Getenv("WORK"), "spool")) },
	})
}

// The scripts are the specification of the command's behaviour; each starts
// with the case it guards.
//
//	image NAME FILE      writes an image of testdata/images
//	module KIND FILE     writes a probe: good, trap, large or import
//	valid SCHEMA FILE    checks each line of FILE against docs/schema/SCHEMA.json
//	[root]               the tests run as root
//	[qemu-img]           the tool is there; without it, in CI, an error
func TestScripts(t *testing.T) {
	schemas, err := filepath.Abs("../../docs/schema")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"image": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) != 2 {
					ts.Fatalf("usage: image NAME FILE")
				}
				cases := images.All()
				i := slices.IndexFunc(cases, func(c images.Case) bool { return c.Name == args[0] })
				if i < 0 {
					ts.Fatalf("no image is called %s", args[0])
				}
				ts.Check(os.WriteFile(ts.MkAbs(args[1]), cases[i].Build(), 0o666))
			},
			"module": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) != 2 {
					ts.Fatalf("usage: module KIND FILE")
				}
				ts.Check(os.WriteFile(ts.MkAbs(args[1]), module(args[0]), 0o666))
			},
			"valid": func(ts *testscript.TestScript, neg bool, args []string) {
				if len(args) != 2 {
					ts.Fatalf("usage: valid SCHEMA FILE")
				}
				schema, err := readSchema(filepath.Join(schemas, args[0]+".json"))
				ts.Check(err)
				err = schema.checkLines([]byte(ts.ReadFile(args[1])))
				if neg == (err == nil) {
					ts.Fatalf("%s against %s: %v", args[1], args[0], err)
				}
			},
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "root":
				return os.Geteuid() == 0, nil
			case "qemu-img":
				_, err := exec.LookPath("qemu-img")
				if err != nil && os.Getenv("CI") == "" {
					return false, nil
				}
				return err == nil, err
			}
			return false, fmt.Errorf("condition %s is not known", name)
		},
	})
}

// module builds a probe of the format mini that is good, or bad in the way that
// kind says.
func module(kind string) []byte {
	probe := wasmbuild.Mini{}
	if kind == "trap" {
		probe.Cut = wasmbuild.Code(wasmbuild.Unreachable)
	}
	m := probe.Module()
	switch kind {
	case "large":
		m.Custom = append(m.Custom, wasmbuild.Custom{Name: "ballast", Payload: make([]byte, 64<<10)})
	case "import":
		m.Sections[wasmbuild.Imports][0] = wasmbuild.Code(
			wasmbuild.Bytes("env"), wasmbuild.Bytes("read"), 0, wasmbuild.U(wasmbuild.TypeReadAt))
	}
	return m.Bytes()
}
