package nbd

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"testing"
)

// A wire puts together what a client sends.
type wire struct{ bytes.Buffer }

func (w *wire) number(values ...any) *wire {
	for _, v := range values {
		_ = binary.Write(&w.Buffer, binary.BigEndian, v) // a Buffer takes all
	}
	return w
}

func (w *wire) hello() *wire { return w.number(uint32(flagFixedNewstyle | flagNoZeroes)) }

func (w *wire) option(code uint32, data []byte) *wire {
	return w.number(uint64(magicOption), code, uint32(len(data)), data)
}

// text returns a string behind its length.
func text(s string) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...) }

// named returns the data of NBD_OPT_GO or INFO, without requests for
// information.
func named(name string) []byte { return append(text(name), 0, 0) }

// asking returns the data of a request for metadata contexts.
func asking(name string, contexts ...string) []byte {
	data := binary.BigEndian.AppendUint32(text(name), uint32(len(contexts)))
	for _, c := range contexts {
		data = append(data, text(c)...)
	}
	return data
}

func (w *wire) request(command, flags uint16, cookie, offset uint64, length uint32) *wire {
	return w.number(uint32(magicRequest), flags, command, cookie, offset, length)
}

// opened is all that a usual client sends before its requests.
func opened() *wire {
	return new(wire).hello().option(optStructuredReply, nil).
		option(optSetMetaContext, asking("", contextAllocation)).option(optGo, named(""))
}

// An outcome is what a client was told.
type outcome struct {
	replies []string          // to options: "code/kind"
	size    int64             // of the export; -1 when it was not told
	data    map[uint64][]byte // by cookie, what READ gave
	states  map[uint64][]uint32
	errors  map[uint64]uint32
	done    map[uint64]bool // replies that are complete
}

// understand takes apart what the server sent. reads holds offset and length
// of the READ of each cookie.
func understand(sent []byte, reads map[uint64][2]uint64) (o outcome, err error) {
	o = outcome{size: -1, data: map[uint64][]byte{}, states: map[uint64][]uint32{}, errors: map[uint64]uint32{}, done: map[uint64]bool{}}
	r := bytes.NewReader(sent)
	number := func(values ...any) bool {
		for _, v := range values {
			if err == nil {
				err = binary.Read(r, binary.BigEndian, v)
			}
		}
		return err == nil
	}
	var magic, option uint64
	var flags uint16
	if !number(&magic, &option, &flags) || magic != magicServer || option != magicOption || flags != 3 {
		return o, fmt.Errorf("greeting %#x %#x %#x: %w", magic, option, flags, err)
	}
	structured, granted := false, false
	for r.Len() > 0 && !granted {
		var code, kind, length uint32
		if !number(&magic, &code, &kind, &length) || magic != magicReply || int(length) > r.Len() {
			return o, fmt.Errorf("reply %#x of %d bytes: %w", magic, length, err)
		}
		payload := make([]byte, length)
		number(payload)
		o.replies = append(o.replies, fmt.Sprintf("%d/%d", code, kind&^(1<<31)))
		if kind == repInfo && binary.BigEndian.Uint16(payload) == infoExport {
			o.size = int64(binary.BigEndian.Uint64(payload[2:]))
		}
		structured = structured || code == optStructuredReply && kind == repAck
		granted = code == optGo && kind == repAck
	}
	for r.Len() > 0 && err == nil {
		var m, length, code uint32
		var kind uint16
		var cookie, offset uint64
		if !structured {
			if !number(&m, &code, &cookie) || m != magicSimple {
				return o, fmt.Errorf("reply %#x: %w", m, err)
			}
			o.done[cookie] = true
			if code != 0 {
				o.errors[cookie] = code
				continue
			}
			p := make([]byte, reads[cookie][1])
			_, err = io.ReadFull(r, p)
			o.data[cookie] = p
			continue
		}
		if !number(&m, &flags, &kind, &cookie, &length) || m != magicStructured || o.done[cookie] {
			return o, fmt.Errorf("chunk %#x of %d, done %v: %w", m, cookie, o.done[cookie], err)
		}
		o.done[cookie] = flags&chunkDone != 0
		switch kind {
		case chunkOffsetData:
			if int64(length) < 8 || int64(length) > int64(r.Len()) || !number(&offset) {
				return o, fmt.Errorf("data of %d bytes, %d are there", length, r.Len())
			}
			p := make([]byte, length-8)
			number(p)
			if want := reads[cookie][0] + uint64(len(o.data[cookie])); offset != want {
				return o, fmt.Errorf("data at %d, want %d", offset, want)
			}
			o.data[cookie] = append(o.data[cookie], p...)
		case chunkBlockStatus:
			var context, n, state uint32
			if !number(&context, &n, &state) || context != contextAllocationID || length != 12 {
				return o, fmt.Errorf("status of context %d, %d bytes: %w", context, length, err)
			}
			o.states[cookie] = append(o.states[cookie], n, state)
		case chunkError:
			var message uint16
			if !number(&code, &message) || length != 6 || message != 0 {
				return o, fmt.Errorf("error chunk of %d bytes: %w", length, err)
			}
			o.errors[cookie] = code
		default:
			return o, fmt.Errorf("chunk of type %d", kind)
		}
	}
	return o, err
}

// play serves an export to a client that sends these bytes.
func play(e Export, sent []byte) (heard []byte, err error) {
	var out bytes.Buffer
	err = newSession(bytes.NewReader(sent), &out, e, func() {}).run()
	return out.Bytes(), err
}

// content returns n bytes that tell where they are from.
func content(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*7 + i>>8)
	}
	return p
}

// kept is ranges that are served from memory.
type kept struct {
	ranges [][2]int64
	bytes  []byte // of the whole export, as it was
	err    error  // of reading
}

func (k kept) Next(off int64) (start, end int64) {
	for _, r := range k.ranges {
		if r[1] > off {
			return r[0], r[1]
		}
	}
	return 0, 0
}

func (k kept) ReadAt(p []byte, off int64) (int, error) {
	start, end := k.Next(off)
	if off < start || off+int64(len(p)) > end {
		return 0, fmt.Errorf("%d bytes at %d are not within [%d, %d)", len(p), off, start, end)
	}
	return copy(p, k.bytes[off:]), k.err
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
