package nbd

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/assay-dev/assay/internal/openfile"
	"golang.org/x/sys/unix"
)

// socketBuffer is how much the server may be ahead of its client, in bytes;
// less where the system's limit (net.core.wmem_max) says so.
const socketBuffer = 4 << 20

// Pair makes a connection and returns its ends: the one to serve, and the one
// for the client to inherit.
func Pair() (server, client *os.File, err error) {
	// Blocking: a thread that waits in the kernel needs no poller, and data
	// moves without a detour.
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	// A larger buffer is faster, and no more than that.
	if unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, socketBuffer) != nil {
		_ = unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_SNDBUF, socketBuffer)
	}
	return os.NewFile(uintptr(fds[0]), "nbd server"), os.NewFile(uintptr(fds[1]), "nbd client"), nil
}

// Disconnect ends the client's end of a connection, whoever else holds it. The
// server still reads what was sent before.
func Disconnect(client *os.File) { shutdown(client) }

// shutdown ends both directions of a connection, and calls that wait on it.
func shutdown(conn *os.File) {
	_ = openfile.Control(conn, func(fd int) error { return unix.Shutdown(fd, unix.SHUT_RDWR) })
}

// receiver returns what reads from a connection, which is blocking.
func receiver(conn *os.File) io.Reader { return polled{conn} }

// polled waits for data in poll, and not in the call that reads: whoever waits
// there is also woken each time the other end has taken something out of the
// socket's buffer, for nothing. A vmdk then costs a fifth fewer switches
// between processes.
type polled struct{ conn *os.File }

// Read implements io.Reader.
func (r polled) Read(p []byte) (n int, err error) {
	err = openfile.Control(r.conn, func(fd int) error {
		for {
			n, _, err = unix.Recvfrom(fd, p, unix.MSG_DONTWAIT)
			if errors.Is(err, unix.EAGAIN) {
				_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
				if err == nil {
					continue
				}
			}
			if !errors.Is(err, unix.EINTR) {
				return os.NewSyscallError("recv", err)
			}
		}
	})
	if err == nil && n == 0 && len(p) > 0 {
		err = io.EOF
	}
	return max(n, 0), err
}

// useKernel has the kernel move data from the file to the socket, and tell its
// holes.
func (s *session) useKernel(conn, file *os.File) {
	s.workers = 1
	s.kernel = kernel{
		move: func(off, n int64) error { return sendFile(conn, file, off, n) },
		willNeed: func(off, n int64) {
			_ = openfile.Control(file, func(fd int) error { return unix.Fadvise(fd, off, n, unix.FADV_WILLNEED) })
		},
		extent: func(off, end int64) (int64, bool, error) { return openfile.Extent(file, off, end, s.export.Size) },
		follow: follower(s.export.Client),
	}
}

// sendFile sends n bytes of the file from off on, without a copy in between.
func sendFile(conn, file *os.File, off, n int64) error {
	return openfile.Control(conn, func(to int) error {
		return openfile.Control(file, func(from int) error {
			for n > 0 {
				sent, err := unix.Sendfile(to, from, &off, int(n))
				switch {
				case errors.Is(err, unix.EINTR):
				case errors.Is(err, unix.EPIPE), errors.Is(err, unix.ECONNRESET):
					return &ClientError{fmt.Errorf("gone: %w", err)}
				case err != nil:
					return &SourceError{fmt.Errorf("%d bytes at offset %d: %w", n, off, os.NewSyscallError("sendfile", err))}
				case sent == 0:
					return &SourceError{fmt.Errorf("%d bytes at offset %d: %w", n, off, io.ErrUnexpectedEOF)}
				}
				n -= int64(max(sent, 0))
			}
			return nil
		})
	})
}
