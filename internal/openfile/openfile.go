// Package openfile is what the native packages ask of files that are open, by
// their descriptors: one way to get at a descriptor, where data and holes are,
// and how much is stored. It interprets nothing of what a file holds.
package openfile

import "os"

// Control calls f with the descriptor of an open file, which stays open, and
// as blocking as it was, until f returns. The error is that of f, or that the
// file is closed.
func Control(file *os.File, f func(fd int) error) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := conn.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}
