package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
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

// progress shows how far a job is: on a terminal a line with a bar that is
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

// update is called with the bytes of the job that are done, out of total.
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
	line = fit(progressBar(done, total), line, columns(p.w))
	fmt.Fprintf(p.w, "\r%-*s", p.width, line)
	p.width = len(line)
}

// finish removes the line from the terminal.
func (p *progress) finish() {
	if p != nil && p.live && p.width > 0 {
		fmt.Fprintf(p.w, "\r%*s\r", p.width, "")
	}
}

// progressLine gives the bytes done, the share, the rate so far, and the time
// left at that rate.
func progressLine(done, total int64, elapsed time.Duration) string {
	line := humanSize(done)
	if total > 0 {
		line += fmt.Sprintf(" of %s, %d%%", humanSize(total), int64(float64(done)/float64(total)*100))
	}
	seconds := elapsed.Seconds()
	if seconds <= 0 {
		return line
	}
	line += fmt.Sprintf(", %s/s", humanSize(int64(float64(done)/seconds)))
	if done > 0 && done < total {
		line += ", " + timeLeft(float64(total-done)/float64(done)*seconds) + " left"
	}
	return line
}

// timeLeft is a number of seconds for people: no more exact than a guess is.
func timeLeft(seconds float64) string {
	const day = 24 * 60 * 60
	switch s := int64(math.Ceil(min(seconds, 99*day))); {
	case s >= 99*day:
		return "over 99d"
	case s >= day:
		return fmt.Sprintf("%dd%dh", s/day, s%day/3600)
	case s >= 3600:
		return fmt.Sprintf("%dh%dm", s/3600, s%3600/60)
	case s >= 60:
		return fmt.Sprintf("%dm%ds", s/60, s%60)
	default:
		return fmt.Sprintf("%ds", s)
	}
}

// barWidth is how many characters of a bar stand for all of a job.
const barWidth = 24

// progressBar draws the share that is done; nothing where that is not known.
func progressBar(done, total int64) string {
	if total <= 0 {
		return ""
	}
	full := max(0, min(barWidth, int(float64(done)/float64(total)*barWidth)))
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", barWidth-full) + "] "
}

// fit puts the bar before the line where both fit a terminal of so many
// columns, and else cuts the line: one that wraps could not be rewritten.
func fit(bar, line string, columns int) string {
	if len(bar)+len(line) < columns {
		return bar + line
	}
	return line[:max(0, min(len(line), columns-1))]
}

// columns returns the width of a terminal; 80 where it does not say.
func columns(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}
