package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// progressModes are the values of --progress.
var progressModes = []string{"auto", "plain", "none"}

// progressFlag is a mode as a flag.
type progressFlag string

func (p *progressFlag) Set(text string) error {
	for _, mode := range progressModes {
		if text == mode {
			*p = progressFlag(text)
			return nil
		}
	}
	return fmt.Errorf("%q must be one of %s", text, strings.Join(progressModes, ", "))
}

func (p *progressFlag) String() string { return string(*p) }
func (p *progressFlag) Type() string   { return "MODE" }

// progress shows how far a conversion is: on a terminal a line that is
// rewritten, in plain mode a line every few seconds, else nothing.
type progress struct {
	w       io.Writer
	live    bool
	every   time.Duration
	started time.Time
	shown   time.Time
	width   int // of the line that stands on the terminal
}

// newProgress returns nil when nothing is to be shown.
func newProgress(mode progressFlag, w io.Writer) *progress {
	switch {
	case mode == "auto" && isTerminal(w):
		return &progress{w: w, live: true, every: 100 * time.Millisecond, started: time.Now()}
	case mode == "plain":
		return &progress{w: w, every: 5 * time.Second, started: time.Now()}
	}
	return nil
}

// update is called with the bytes of the disk that are done, out of total.
func (p *progress) update(done, total int64) {
	now := time.Now()
	if now.Sub(p.shown) < p.every {
		return
	}
	p.shown = now
	line := progressLine(done, total, now.Sub(p.started))
	if !p.live {
		fmt.Fprintf(p.w, "assay: %s\n", line)
		return
	}
	fmt.Fprintf(p.w, "\r%-*s", p.width, line)
	p.width = len(line)
}

// finish removes the line from the terminal.
func (p *progress) finish() {
	if p != nil && p.live && p.width > 0 {
		fmt.Fprintf(p.w, "\r%*s\r", p.width, "")
	}
}

// progressLine gives the bytes done, the share and the rate so far.
func progressLine(done, total int64, elapsed time.Duration) string {
	line := humanSize(done)
	if total > 0 {
		line += fmt.Sprintf(" of %s, %d%%", humanSize(total), int64(float64(done)/float64(total)*100))
	}
	if seconds := elapsed.Seconds(); seconds > 0 {
		line += fmt.Sprintf(", %s/s", humanSize(int64(float64(done)/seconds)))
	}
	return line
}
