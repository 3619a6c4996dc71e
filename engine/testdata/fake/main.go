// Command fake stands in for qemu-img in tests; the name it is started by
// says what it does.

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/assay-dev/assay/testdata/images"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "--version" {
		fmt.Println("qemu-img version 9.1.0")
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "--help" {
		fmt.Println("Supported formats: file qcow2 raw")
		return
	}
	out := os.NewFile(4, "output")
	var err error
	switch filepath.Base(os.Args[0]) {
	case "nothing": // and says it succeeded
	case "short":
		err = out.Truncate(512)
	case "backing":
		_, err = out.WriteAt(images.Qcow2(images.Backing("/etc/passwd")), 0)
	case "other-size":
		_, err = out.WriteAt(images.Qcow2(images.Virtual(7<<20)), 0)
	case "nested":
		_, err = out.WriteAt(images.Qcow2(), 0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
