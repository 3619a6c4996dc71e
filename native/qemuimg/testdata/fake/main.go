// Command fake stands in for qemu-img in tests; the name it is started by
// says what it does.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	name := filepath.Base(os.Args[0])
	if len(os.Args) > 1 && os.Args[1] == "--version" {
		switch name {
		case "old":
			fmt.Println("qemu-img version 4.2.1 (Debian 1:4.2-3)")
		case "odd":
			fmt.Println("\x1b[31mhello")
		case "mute":
			os.Exit(1)
		default:
			fmt.Println("qemu-img version 9.1")
		}
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "--help" {
		fmt.Println("usage\n\nSupported formats: file qcow2 raw")
		if name == "liar" || name == "deaf" {
			fmt.Println("  nbd")
		}
		return
	}
	switch name {
	case "liar": // says that it succeeded, and has asked for nothing
	case "deaf":
		// It asks, and hears no answer. The connection is descriptor 3.
		greeting := make([]byte, 18)
		syscall.Read(3, greeting)
		time.Sleep(time.Hour)
	case "hang":
		time.Sleep(time.Hour)
	case "spin":
		for {
		}
	case "killed":
		syscall.Kill(os.Getpid(), syscall.SIGKILL) // refused by the filter
		var p *int
		*p = 1
	case "full":
		fmt.Fprintln(os.Stderr, "qemu-img: error while writing: No space left on device")
		os.Exit(1)
	case "quota":
		fmt.Fprintln(os.Stderr, "qemu-img: error while writing: Disk quota exceeded")
		os.Exit(1)
	case "teller":
		var read []string
		for range 2 { // the passphrase of an output is descriptor 5
			secret, _ := os.ReadFile("/dev/fd/5")
			read = append(read, fmt.Sprintf("%q", secret))
		}
		fmt.Fprintf(os.Stderr, "%q %q read: %s", os.Args, os.Environ(), strings.Join(read, ", then "))
		os.Exit(1)
	case "unmeasured": // as some versions of qemu-img, but always
		output, err := os.OpenFile("/dev/fd/4", os.O_RDWR, 0)
		if err != nil {
			os.Exit(2)
		}
		if n, _ := output.Read(make([]byte, 1)); n != 0 {
			os.Exit(3)
		}
		fmt.Fprint(output, "x")
		fmt.Print("    (0.00/100%)\r")
		fmt.Fprintln(os.Stderr, "qemu-img: x: error while converting luks: Unable to get accurate CPU usage")
		os.Exit(1)
	case "hostile":
		fmt.Fprint(os.Stderr, "first\n\x1b]0;title\a ", "last\n")
		os.Exit(1)
	}
}
