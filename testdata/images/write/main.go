// Write puts the images of package images into a folder, one file a case,
// named after it:
//
//	go run ./testdata/images/write DIR
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/assay-dev/assay/testdata/images"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: write DIR")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "write:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, c := range images.All() {
		if err := os.WriteFile(filepath.Join(dir, c.Name+".img"), c.Build(), 0o666); err != nil {
			return err
		}
	}
	return nil
}
