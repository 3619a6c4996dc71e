package nbd

import (
	"bytes"
	"errors"
	"sync"
	"testing"
)

// What is read is waited for before it is, once, and a bounded part at a time;
// what is not read, is not. The client gets the same bytes.
func TestWait(t *testing.T) {
	const size = 3 << 20
	is := content(size)
	pinned := kept{ranges: [][2]int64{{4096, 8192}}, bytes: is}
	for name, client := range map[string]*wire{
		"structured": opened(),
		"simple":     new(wire).hello().option(optGo, named("")),
	} {
		t.Run(name, func(t *testing.T) {
			client.request(cmdRead, 0, 1, 0, size).request(cmdRead, 0, 2, 4000, 5000).
				request(cmdRead, 0, 3, size, 1).request(cmdBlockStatus, 0, 4, 0, size).request(cmdDisc, 0, 5, 0, 0)
			var mu sync.Mutex
			waited := int64(0)
			heard, err := play(Export{Size: size, Source: bytes.NewReader(is), Pinned: pinned, Wait: func(n int64) error {
				mu.Lock()
				defer mu.Unlock()
				if n < 1 || n > WaitBytes {
					t.Errorf("waited for %d bytes", n)
				}
				waited += n
				return nil
			}}, client.Bytes())
			must(t, err)
			o, err := understand(heard, map[uint64][2]uint64{1: {0, size}, 2: {4000, 5000}})
			must(t, err)
			if !bytes.Equal(o.data[1], is) || !bytes.Equal(o.data[2], is[4000:9000]) {
				t.Error("the client got other bytes")
			}
			if waited != size+5000 {
				t.Errorf("waited for %d bytes", waited)
			}
		})
	}
}

// A wait that fails ends the session before anything was read. The client
// disconnects as it should: another of the session's workers may hear that
// first.
func TestWaitFails(t *testing.T) {
	why := errors.New("enough")
	source := failing{errors.New("it was read")}
	_, err := play(Export{Size: 100, Source: source, Wait: func(int64) error { return why }},
		opened().request(cmdRead, 0, 1, 0, 100).request(cmdDisc, 0, 2, 0, 0).Bytes())
	if err != why {
		t.Errorf("ended with %v", err)
	}
}

type failing struct{ err error }

// ReadAt implements io.ReaderAt.
func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }
