package nbd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

// FuzzSession: whatever a client sends, the session ends, what it hears is
// well formed, and all it ever gets are the bytes of the export.
func FuzzSession(f *testing.F) {
	f.Add(opened().request(cmdRead, 0, 1, 0, 100).request(cmdBlockStatus, cmdFlagReqOne, 2, 0, 5000).request(cmdDisc, 0, 3, 0, 0).Bytes())
	f.Add(opened().request(cmdRead, 0, 1, 4000, 5000).request(cmdRead, 0, 2, 1<<63, 1<<31).request(cmdWrite, 0, 3, 0, 1).Bytes())
	f.Add(new(wire).hello().option(optGo, named("")).request(cmdRead, 0, 1, 9000, 1000).Bytes())
	f.Add(new(wire).hello().option(optListMetaContext, asking("x", "base:")).option(optInfo, named("y")).option(optAbort, nil).Bytes())
	f.Add(new(wire).hello().option(optSetMetaContext, append(text(""), 0xff, 0xff, 0xff, 0xff)).Bytes())
	const size = 10_000
	was, is := content(size), bytes.Repeat([]byte{0xee}, size)
	export := Export{Size: size, Source: bytes.NewReader(is), Pinned: kept{[][2]int64{{0, 4096}, {8192, size}}, was, nil}}
	want := bytes.Clone(is)
	copy(want, was[:4096])
	copy(want[8192:], was[8192:])
	f.Fuzz(func(t *testing.T, sent []byte) {
		if len(sent) > 16<<10 {
			return
		}
		// One worker, for a session to take the same branches each time: the
		// fuzzer would spend its time on those that only look new.
		heard, err := playWith(1, export, sent)
		if _, hostile := errors.AsType[*ClientError](err); err != nil && !hostile {
			t.Fatalf("error %v", err)
		}
		reads, ambiguous := readsOf(sent)
		if ambiguous {
			return
		}
		o, err := understand(heard, reads)
		if err != nil {
			t.Fatal(err)
		}
		for cookie, got := range o.data {
			r := reads[cookie]
			if o.done[cookie] && !bytes.Equal(got, want[r[0]:r[0]+r[1]]) {
				t.Fatalf("%d bytes at %d are not those of the export", r[1], r[0])
			}
		}
	})
}

// readsOf returns the READ of each cookie among what a client sends, and
// whether two have the same. Requests begin behind the option that ends the
// handshake.
func readsOf(sent []byte) (reads map[uint64][2]uint64, ambiguous bool) {
	reads = map[uint64][2]uint64{}
	at := 4
	for code := uint32(0); len(sent)-at >= 16 && code != optGo; {
		code = binary.BigEndian.Uint32(sent[at+8:])
		length := int(binary.BigEndian.Uint32(sent[at+12:]))
		if length > len(sent)-at-16 {
			return reads, false
		}
		// A refused GO does not end it; its name is what is looked at here.
		if data := sent[at+16:][:length]; code == optGo && (length < 6 || binary.BigEndian.Uint32(data) != 0 || length != 6+2*int(binary.BigEndian.Uint16(data[4:]))) {
			code = 0
		}
		at += 16 + length
	}
	for ; len(sent)-at >= 28; at += 28 {
		cookie := binary.BigEndian.Uint64(sent[at+8:])
		if _, twice := reads[cookie]; twice {
			return reads, true
		}
		reads[cookie] = [2]uint64{binary.BigEndian.Uint64(sent[at+16:]), uint64(binary.BigEndian.Uint32(sent[at+24:]))}
	}
	return reads, false
}
