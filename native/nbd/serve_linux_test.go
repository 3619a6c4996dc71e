package nbd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// serving serves an export until the test ends, and returns the client's end
// and what Serve will return.
func serving(t *testing.T, ctx context.Context, e Export) (client *os.File, ended <-chan error) {
	t.Helper()
	server, client, err := Pair()
	must(t, err)
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, server, e) }()
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	return client, done
}

// newFile returns a file that holds p.
func newFile(t *testing.T, p []byte) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "source"))
	must(t, err)
	t.Cleanup(func() { f.Close() })
	_, err = f.Write(p)
	must(t, err)
	return f
}

// TestServeFile: what the kernel moves are the bytes of the file, but for
// those that are pinned.
func TestServeFile(t *testing.T) {
	const size = 3<<20 + 77
	want := content(size)
	was := bytes.Repeat([]byte{0xaa}, size)
	pinned := kept{ranges: [][2]int64{{4096, 8192}, {1 << 20, 1<<20 + 8192}}, bytes: was}
	f := newFile(t, want)
	for _, r := range pinned.ranges {
		copy(want[r[0]:r[1]], was[r[0]:])
	}
	client, ended := serving(t, t.Context(), Export{Size: size, Source: f, Pinned: pinned})
	reads := map[uint64][2]uint64{1: {0, size}, 2: {4095, 4098}, 3: {size - 1, 1}}
	asked := opened()
	for cookie, r := range reads {
		asked.request(cmdRead, 0, cookie, r[0], uint32(r[1]))
	}
	go client.Write(asked.request(cmdDisc, 0, 9, 0, 0).Bytes())
	heard, err := io.ReadAll(client)
	must(t, err)
	must(t, <-ended)
	o, err := understand(heard, reads)
	must(t, err)
	for cookie, r := range reads {
		if !o.done[cookie] || !bytes.Equal(o.data[cookie], want[r[0]:r[0]+r[1]]) {
			t.Errorf("%d bytes at %d are not those of the export", r[1], r[0])
		}
	}
}

// TestHoles: holes of a file are told as such, and pinned ranges in them are
// data.
func TestHoles(t *testing.T) {
	const mib = 1 << 20
	f := newFile(t, content(mib))
	_, err := f.WriteAt(content(mib), 3*mib)
	must(t, err)
	must(t, f.Truncate(8*mib))
	if hole, err := f.Seek(0, 4); err != nil || hole != mib { // SEEK_HOLE
		t.Skipf("this file system tells no holes: %d, %v", hole, err)
	}
	pinned := kept{ranges: [][2]int64{{0, 4096}, {2 * mib, 2*mib + 4096}, {8*mib - 4096, 8 * mib}}, bytes: make([]byte, 8*mib)}
	for _, c := range []struct {
		offset uint64
		length uint32
		want   []uint32 // length, state
	}{
		{0, mib, []uint32{mib, 0}},
		{0, 8 * mib, []uint32{mib, 0}},
		{mib, 1, []uint32{1, 3}},
		{mib, 8 * mib / 2, []uint32{mib, 3}},
		{2 * mib, mib, []uint32{4096, 0}},
		{2*mib + 4096, 6*mib - 4096, []uint32{mib - 4096, 3}},
		{3*mib - 10, 20, []uint32{10, 3}},
		{3 * mib, 5 * mib, []uint32{mib, 0}},
		{4 * mib, 4 * mib, []uint32{4*mib - 4096, 3}},
		{8*mib - 4096, 4096, []uint32{4096, 0}},
	} {
		client, ended := serving(t, t.Context(), Export{Size: 8 * mib, Source: f, Pinned: pinned})
		_, err := client.Write(opened().request(cmdBlockStatus, cmdFlagReqOne, 1, c.offset, c.length).request(cmdDisc, 0, 0, 0, 0).Bytes())
		must(t, err)
		heard, err := io.ReadAll(client)
		must(t, err)
		must(t, <-ended)
		o, err := understand(heard, nil)
		must(t, err)
		if !slices.Equal(o.states[1], c.want) {
			t.Errorf("%d bytes at %d: %v, want %v", c.length, c.offset, o.states[1], c.want)
		}
	}
}

// TestFileShrinks: of a file that has become shorter nothing is made up,
// neither data nor a hole.
func TestFileShrinks(t *testing.T) {
	for name, command := range map[string]uint16{"read": cmdRead, "status": cmdBlockStatus} {
		client, ended := serving(t, t.Context(), Export{Size: 1 << 20, Source: newFile(t, content(4096))})
		_, err := client.Write(opened().request(command, 0, 1, 8192, 4096).Bytes())
		must(t, err)
		heard, err := io.ReadAll(client)
		must(t, err)
		if o, _ := understand(heard, map[uint64][2]uint64{1: {8192, 4096}}); len(o.data[1]) > 0 || len(o.states[1]) > 0 {
			t.Errorf("%s: %d bytes, states %v", name, len(o.data[1]), o.states[1])
		}
		if err := <-ended; !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", name, err)
		} else if _, ok := errors.AsType[*SourceError](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestClientLeaves: a client that goes away in the middle of a reply ends the
// session.
func TestClientLeaves(t *testing.T) {
	const size = 16 << 20
	for name, source := range map[string]io.ReaderAt{"file": newFile(t, content(size)), "memory": bytes.NewReader(content(size))} {
		client, ended := serving(t, t.Context(), Export{Size: size, Source: source})
		_, err := client.Write(opened().request(cmdRead, 0, 1, 0, size).Bytes())
		must(t, err)
		_, err = io.ReadFull(client, make([]byte, 1<<20))
		must(t, err)
		must(t, client.Close())
		if _, ok := errors.AsType[*ClientError](<-ended); !ok {
			t.Errorf("%s: no error of the client's", name)
		}
	}
}

// TestStalledClient: a session with a client that neither reads nor asks ends
// with its context.
func TestStalledClient(t *testing.T) {
	const size = 16 << 20
	stop := errors.New("enough")
	f := newFile(t, content(size))
	for name, sent := range map[string][]byte{
		"silent":            nil,
		"in the handshake":  new(wire).hello().number(uint64(magicOption)).Bytes(),
		"between requests":  opened().Bytes(),
		"does not read":     opened().request(cmdRead, 0, 1, 0, size).Bytes(),
		"nor read or write": opened().request(cmdRead, 0, 1, 0, size).request(cmdRead, 0, 1, 0, size).number(uint32(magicRequest)).Bytes(),
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		client, ended := serving(t, ctx, Export{Size: size, Source: f})
		_, err := client.Write(sent)
		must(t, err)
		// The greeting is there: the session has begun.
		_, err = io.ReadFull(client, make([]byte, 18))
		must(t, err)
		cancel(stop)
		if err := <-ended; !errors.Is(err, stop) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// stuck is a source of which a read returns when it is let go.
type stuck struct{ asked, free chan struct{} }

func (s stuck) ReadAt(p []byte, _ int64) (int, error) {
	close(s.asked)
	<-s.free
	return len(p), nil
}

// TestStuckSource: a session ends with its context while a read of the source
// does not return; what the read uses is released when it does.
func TestStuckSource(t *testing.T) {
	stop := errors.New("enough")
	source := stuck{make(chan struct{}), make(chan struct{})}
	released := make(chan struct{})
	ctx, cancel := context.WithCancelCause(t.Context())
	client, ended := serving(t, ctx, Export{Size: 4096, Source: source, Release: func() { close(released) }})
	_, err := client.Write(opened().request(cmdRead, 0, 1, 0, 4096).Bytes())
	must(t, err)
	<-source.asked
	cancel(stop)
	if err := <-ended; !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
	select {
	case <-released:
		t.Error("released while it is read")
	default:
	}
	close(source.free)
	<-released
}
