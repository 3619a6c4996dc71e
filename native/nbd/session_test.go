package nbd

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// TestRead: every range is given as it is, across pinned ranges and over
// pieces larger than a buffer, with structured and with simple replies.
func TestRead(t *testing.T) {
	const size = 3*bufferSize + 1234
	was, is := content(size), bytes.Repeat([]byte{0xee}, size)
	pinned := kept{ranges: [][2]int64{{0, 4096}, {8192, 12288}, {bufferSize, 2*bufferSize + 5000}, {size - 100, size}}, bytes: was}
	want := slices.Clone(is)
	for _, r := range pinned.ranges {
		copy(want[r[0]:r[1]], was[r[0]:])
	}
	reads := map[uint64][2]uint64{}
	for i, r := range [][2]uint64{
		{0, 1}, {0, 4096}, {0, 4097}, {4095, 2}, {4096, 4096}, {5000, 100}, {8000, 5000}, {size - 1, 1}, {size - 101, 2},
		{bufferSize - 1, bufferSize + 5002}, {2 * bufferSize, 4096}, {0, size}, {77, size - 77},
	} {
		reads[uint64(i)+1<<40] = r
	}
	for name, client := range map[string]*wire{
		"structured": opened(),
		"simple":     new(wire).hello().option(optGo, named("")),
	} {
		t.Run(name, func(t *testing.T) {
			for cookie, r := range reads {
				client.request(cmdRead, 0, cookie, r[0], uint32(r[1]))
			}
			client.request(cmdDisc, 0, 0, 0, 0)
			heard, err := play(Export{Size: size, Source: bytes.NewReader(is), Pinned: pinned}, client.Bytes())
			must(t, err)
			o, err := understand(heard, reads)
			must(t, err)
			if o.size != size {
				t.Errorf("the size is %d", o.size)
			}
			for cookie, r := range reads {
				if !o.done[cookie] || !bytes.Equal(o.data[cookie], want[r[0]:r[0]+r[1]]) {
					t.Errorf("%d bytes at %d: %d bytes, done %v, or not the right ones", r[1], r[0], len(o.data[cookie]), o.done[cookie])
				}
			}
		})
	}
}

// TestHandshake: what a client may ask for, and what it gets.
func TestHandshake(t *testing.T) {
	long := string(bytes.Repeat([]byte{'n'}, 4096))
	ack, info, meta := "/1", "/3", "/4"
	unsup, invalid, unknown := "/1", "/3", "/6" // of the error range
	for _, c := range []struct {
		name    string
		client  *wire
		replies []string
		failed  bool
	}{
		{"leaves at once", new(wire), nil, true},
		{"old style", new(wire).number(uint32(0)), nil, true},
		{"unknown flags", new(wire).number(uint32(7)), nil, true},
		{"abort", new(wire).hello().option(optAbort, nil), []string{"2" + ack}, false},
		{"abort with data", new(wire).hello().option(optAbort, []byte("why")), []string{"2" + ack}, false},
		{"the export's old name", new(wire).hello().option(1, nil), []string{"1" + unsup}, true},
		{"list", new(wire).hello().option(3, nil), []string{"3" + unsup}, true},
		{"TLS", new(wire).hello().option(5, nil), []string{"5" + unsup}, true},
		{"extended headers", new(wire).hello().option(11, nil), []string{"11" + unsup}, true},
		{"unknown option", new(wire).hello().option(1<<31, content(100)), []string{"2147483648" + unsup}, true},
		{"info", new(wire).hello().option(optInfo, named("")), []string{"6" + info, "6" + info, "6" + ack}, true},
		{"another name", new(wire).hello().option(optGo, named("other")), []string{"7" + unknown}, true},
		{"a long name", new(wire).hello().option(optGo, named(long)), []string{"7" + unknown}, true},
		{"a name too long", new(wire).hello().number(uint64(magicOption), uint32(optGo), uint32(maxOptionLength+1)), nil, true},
		{"4 GiB of option", new(wire).hello().number(uint64(magicOption), uint32(optGo), uint32(1<<32-1)), nil, true},
		{"a name that is not there", new(wire).hello().option(optGo, []byte{0xff, 0xff, 0xff, 0xff, 0, 0}), []string{"7" + invalid}, true},
		{"no name", new(wire).hello().option(optGo, nil), []string{"7" + invalid}, true},
		{"requests for information", new(wire).hello().option(optGo, append(text(""), 0, 2, 0, 3, 0, 9)).request(cmdDisc, 0, 0, 0, 0), []string{"7" + info, "7" + info, "7" + ack}, false},
		{"too few of them", new(wire).hello().option(optGo, append(text(""), 0, 2, 0, 3)), []string{"7" + invalid}, true},
		{"structured with data", new(wire).hello().option(optStructuredReply, []byte{1}), []string{"8" + invalid}, true},
		{"contexts, not structured", new(wire).hello().option(optSetMetaContext, asking("", contextAllocation)), []string{"10" + invalid}, true},
		{"contexts", new(wire).hello().option(optStructuredReply, nil).option(optSetMetaContext, asking("", "qemu:x", contextAllocation)), []string{"8" + ack, "10" + meta, "10" + ack}, true},
		{"unknown contexts", new(wire).hello().option(optStructuredReply, nil).option(optSetMetaContext, asking("", "qemu:x", "base:")), []string{"8" + ack, "10" + ack}, true},
		{"contexts of another export", new(wire).hello().option(optStructuredReply, nil).option(optSetMetaContext, asking("x", contextAllocation)), []string{"8" + ack, "10" + unknown}, true},
		{"all contexts", new(wire).hello().option(optStructuredReply, nil).option(optListMetaContext, asking("")), []string{"8" + ack, "9" + meta, "9" + ack}, true},
		{"4 G contexts", new(wire).hello().option(optStructuredReply, nil).option(optSetMetaContext, append(text(""), 0xff, 0xff, 0xff, 0xff)), []string{"8" + ack, "10" + invalid}, true},
		{"contexts and more", new(wire).hello().option(optStructuredReply, nil).option(optSetMetaContext, append(asking("", contextAllocation), 0)), []string{"8" + ack, "10" + invalid}, true},
		{"wrong magic", new(wire).hello().number(uint64(magicReply), uint32(optGo), uint32(0)), nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			heard, err := play(Export{Size: 10, Source: bytes.NewReader(content(10))}, c.client.Bytes())
			if _, hostile := errors.AsType[*ClientError](err); hostile != c.failed || (err != nil) != c.failed {
				t.Errorf("error %v", err)
			}
			if o, err := understand(heard, nil); err != nil || !slices.Equal(o.replies, c.replies) {
				t.Errorf("replies %q, want %q; %v", o.replies, c.replies, err)
			}
		})
	}
}

// TestEndlessHaggling: a client cannot go on with options for ever.
func TestEndlessHaggling(t *testing.T) {
	client := new(wire).hello()
	for range maxOptions {
		client.option(optInfo, named(""))
	}
	client.option(optGo, named(""))
	if _, err := play(Export{Source: bytes.NewReader(nil)}, client.Bytes()); err == nil {
		t.Error("it was let in")
	}
}

// TestHostileRequests: what makes no sense is refused, and what would leave
// the two sides apart ends the connection.
func TestHostileRequests(t *testing.T) {
	const size = 100_000
	for _, c := range []struct {
		command, flags uint16
		offset         uint64
		length         uint32
		hangUp         bool
	}{
		{cmdRead, 0, 0, 0, false},
		{cmdRead, 0, 0, size + 1, false},
		{cmdRead, 0, size, 1, false},
		{cmdRead, 0, size - 1, 2, false},
		{cmdRead, 0, 1 << 63, 1, false},
		{cmdRead, 0, 1<<64 - 1, 1, false},
		{cmdRead, 0, 1<<64 - 1, 1<<32 - 1, false},
		{cmdRead, 0, 1<<64 - 4096, 4096, false},
		{cmdRead, 1, 0, 1, false},
		{cmdRead, 1 << 2, 0, 1, false},
		{cmdBlockStatus, 0, 0, 0, false},
		{cmdBlockStatus, cmdFlagReqOne, size - 1, 2, false},
		{cmdBlockStatus, cmdFlagReqOne, 1<<64 - 1, 1, false},
		{cmdBlockStatus, 1 << 1, 0, 1, false},
		{3, 0, 0, 0, false},
		{4, 0, 0, 10, false},
		{6, 0, 0, 10, false},
		{0xffff, 0, 0, 10, false},
		{cmdWrite, 0, 0, 10, true},
		{cmdWrite, 0, 0, 0, true},
	} {
		t.Run(fmt.Sprintf("%d/%d/%d+%d", c.command, c.flags, c.offset, c.length), func(t *testing.T) {
			client := opened().request(c.command, c.flags, 1, c.offset, c.length).request(cmdRead, 0, 2, 10, 20).request(cmdDisc, 0, 3, 0, 0)
			heard, err := play(Export{Size: size, Source: bytes.NewReader(content(size))}, client.Bytes())
			if _, hostile := errors.AsType[*ClientError](err); hostile != c.hangUp || (err != nil) != c.hangUp {
				t.Errorf("error %v", err)
			}
			o, err := understand(heard, map[uint64][2]uint64{2: {10, 20}})
			must(t, err)
			if c.hangUp {
				if o.done[1] || o.done[2] {
					t.Error("it was answered")
				}
				return
			}
			if o.errors[1] != errInvalid || !bytes.Equal(o.data[2], content(size)[10:30]) {
				t.Errorf("error %d, then %d bytes", o.errors[1], len(o.data[2]))
			}
		})
	}
	big := bytes.NewReader(make([]byte, maxRequest+1))
	heard, err := play(Export{Size: maxRequest + 1, Source: big}, opened().request(cmdRead, 0, 1, 0, maxRequest+1).request(cmdDisc, 0, 0, 0, 0).Bytes())
	must(t, err)
	if o, err := understand(heard, nil); err != nil || o.errors[1] != errInvalid {
		t.Errorf("a request larger than the largest: %v, %v", o.errors, err)
	}
}

// TestStatusIsAgreedOn: BLOCK_STATUS is refused to who has not asked for its
// context, or took that back.
func TestStatusIsAgreedOn(t *testing.T) {
	for name, c := range map[string]struct {
		client  *wire
		refused bool
	}{
		"agreed":     {opened(), false},
		"simple":     {new(wire).hello().option(optGo, named("")), true},
		"no context": {new(wire).hello().option(optStructuredReply, nil).option(optGo, named("")), true},
		"taken back": {new(wire).hello().option(optStructuredReply, nil).option(optSetMetaContext, asking("", contextAllocation)).
			option(optSetMetaContext, asking("")).option(optGo, named("")), true},
		"only listed": {new(wire).hello().option(optStructuredReply, nil).option(optListMetaContext, asking("")).option(optGo, named("")), true},
	} {
		heard, err := play(Export{Size: 10, Source: bytes.NewReader(content(10))}, c.client.request(cmdBlockStatus, 0, 1, 2, 5).request(cmdDisc, 0, 0, 0, 0).Bytes())
		must(t, err)
		o, err := understand(heard, nil)
		must(t, err)
		if refused := o.errors[1] == errInvalid; refused != c.refused || !refused && !slices.Equal(o.states[1], []uint32{5, 0}) {
			t.Errorf("%s: error %d, states %v", name, o.errors[1], o.states[1])
		}
	}
}

// TestSourceFails: a source that cannot be read ends the connection with
// nothing but whole replies sent.
func TestSourceFails(t *testing.T) {
	changed := errors.New("changed")
	for name, e := range map[string]Export{
		"shorter": {Size: 8192, Source: bytes.NewReader(content(5000))},
		"changed": {Size: 8192, Source: bytes.NewReader(content(8192)), Pinned: kept{[][2]int64{{4096, 8192}}, content(8192), changed}},
	} {
		heard, err := play(e, opened().request(cmdRead, 0, 1, 0, 8192).request(cmdDisc, 0, 0, 0, 0).Bytes())
		failed, ok := errors.AsType[*SourceError](err)
		if !ok || failed.Err == nil || name == "changed" && !errors.Is(err, changed) {
			t.Errorf("%s: error %v", name, err)
		}
		if o, err := understand(heard, map[uint64][2]uint64{1: {0, 8192}}); err != nil || o.done[1] {
			t.Errorf("%s: done %v, %v", name, o.done[1], err)
		}
	}
}
