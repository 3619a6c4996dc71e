// Command print prints the version.
package main

import (
	"fmt"

	"github.com/assay-dev/assay/internal/buildinfo"
)

func main() { fmt.Print(buildinfo.Version()) }
