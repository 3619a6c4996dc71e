package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/assay-dev/assay/native/qemuimg"
	"github.com/spf13/cobra"
)

// A secret is a passphrase, given by a file or a descriptor that it is read
// from: what stands in an argument or in the environment others can see.
type secret struct {
	flag string // by which it is given
	text []byte // nil when it is not
}

// add adds the two flags that give a secret: --NAME-file and --NAME-fd. of
// ends their descriptions.
func (s *secret) add(c *cobra.Command, name, of string) {
	flags := c.Flags()
	s.flag = "--" + name
	flags.Var((*secretFile)(s), name+"-file", "read "+of+" from `FILE`, but for a newline at its end")
	flags.Var((*secretDescriptor)(s), name+"-fd", "read "+of+" from the open descriptor `N`")
}

// wipe clears what was read. What the system still has of the file or the pipe
// is not ours.
func (s *secret) wipe() { clear(s.text) }

// names are the flags, for people.
func (s *secret) names() string { return s.flag + "-file or " + s.flag + "-fd" }

// read reads the secret, without the newline that an editor leaves at its end.
func (s *secret) read(r io.Reader, name string) error {
	if s.text != nil {
		return errors.New("there is one already")
	}
	// Not larger, and never moved: no copies of it are left behind.
	buffer := make([]byte, qemuimg.MaxPassphrase+2)
	n, err := io.ReadFull(r, buffer)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	text := bytes.TrimSuffix(buffer[:n], []byte("\n"))
	switch {
	case len(text) == 0:
		return fmt.Errorf("%s is empty", name)
	case len(text) > qemuimg.MaxPassphrase:
		clear(buffer)
		return fmt.Errorf("%s is longer than %d bytes", name, qemuimg.MaxPassphrase)
	}
	s.text = text
	return nil
}

type secretFile secret

func (f *secretFile) Set(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	return (*secret)(f).read(file, name)
}

// String keeps the secret.
func (f *secretFile) String() string { return "" }
func (f *secretFile) Type() string   { return "FILE" }

type secretDescriptor secret

func (f *secretDescriptor) Set(number string) error {
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil || n == 1 || n == 2 {
		return fmt.Errorf("%q is no descriptor that can be read from", number)
	}
	name := "descriptor " + number
	file := os.NewFile(uintptr(n), name)
	if file == nil {
		return fmt.Errorf("%s is not open", name)
	}
	defer file.Close()
	return (*secret)(f).read(file, name)
}

// String keeps the secret.
func (f *secretDescriptor) String() string { return "" }
func (f *secretDescriptor) Type() string   { return "N" }
