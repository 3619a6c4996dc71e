//go:build !linux

package nbd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
)

// Pair fails with an error that matches errors.ErrUnsupported: tools run on
// Linux only.
func Pair() (server, client *os.File, err error) {
	return nil, nil, fmt.Errorf("nbd: a connection to inherit on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// Disconnect ends the client's end of a connection.
func Disconnect(client *os.File) { shutdown(client) }

func shutdown(conn *os.File) { _ = conn.Close() }

func receiver(conn *os.File) io.Reader { return conn }

// useKernel leaves moving data to this package.
func (s *session) useKernel(conn, file *os.File) {}
