package qemuimg

import (
	"bytes"
	"math"
	"strconv"
)

// progress follows what -p prints: "    (25.00/100%)\r", again and again.
type progress struct {
	report func(done, total int64)
	total  int64
	last   int64 // reported; -1 at first
	line   []byte
}

// lineKept is the longest line that is looked at, in bytes.
const lineKept = 64

// consume takes the next piece of output, which may begin and end anywhere.
func (p *progress) consume(piece []byte) {
	for _, c := range piece {
		switch {
		case c == '\r' || c == '\n':
			if done, ok := p.parse(); ok && done > p.last {
				p.last = done
				p.report(done, p.total)
			}
			p.line = p.line[:0]
		case len(p.line) < lineKept:
			p.line = append(p.line, c)
		}
	}
}

// parse returns the bytes done that the line stands for.
func (p *progress) parse() (int64, bool) {
	text, ok := bytes.CutPrefix(bytes.TrimSpace(p.line), []byte("("))
	if !ok {
		return 0, false
	}
	text, ok = bytes.CutSuffix(text, []byte("/100%)"))
	if !ok {
		return 0, false
	}
	percent, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !(percent >= 0 && percent <= 100) {
		return 0, false
	}
	return min(p.total, int64(math.Round(percent/100*float64(p.total)))), true
}
