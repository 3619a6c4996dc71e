package main

// Rules of output:
//
//   - The verdict is the first word of the first line: ACCEPTED or REJECTED,
//     then the source, the format and the size of the disk.
//   - Then why: one line a finding, the worst first, with its severity, its
//     message, its id and where in the file it was read. Then what the image
//     refers to, then what it is like.
//   - Lines below the first are indented by two; there are no blank lines, so
//     that grep and a list of many images stay readable.
//   - Sizes of disks and files are for people, with the bytes behind them;
//     offsets are bytes.
//   - Nothing from an image reaches a terminal unescaped: reports hold escaped
//     text, everything else goes through printable.
//   - Colour marks the verdict and the severities, adds no meaning, and is
//     there only on a terminal, without NO_COLOR and with a TERM that has it.

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/assay-dev/assay/engine"
	"golang.org/x/term"
)

// printer prints reports for people, or as JSON.
type printer struct {
	environment
	json   bool
	colour bool
	digest bool // show the digest of what was inspected
}

func newPrinter(env environment, asJSON bool) *printer {
	colour := isTerminal(env.out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return &printer{environment: env, json: asJSON, colour: colour}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// SGR parameters of the colours in use.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	dim    = "2"
)

func (p *printer) paint(colour, text string) string {
	if !p.colour {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// object prints one JSON object on a line.
func (p *printer) object(v any) error {
	enc := json.NewEncoder(p.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// failure prints that a source could not be looked at.
func (p *printer) failure(source string, err error) {
	if p.json {
		type failure struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		}
		_ = p.object(struct {
			Schema int     `json:"schema"`
			Source string  `json:"source"`
			Error  failure `json:"error"`
		}{engine.SchemaVersion, engine.Escape([]byte(source)), failure{errorCode(err), errorText(err)}})
	}
	printError(p.err, err)
}

// report prints a report.
func (p *printer) report(r *engine.Report) error {
	if p.json {
		return p.object(r)
	}
	var b strings.Builder
	verdict := p.paint(green, "ACCEPTED")
	if !r.Accepted {
		verdict = p.paint(red, "REJECTED")
	}
	fmt.Fprintf(&b, "%s  %s: %s\n", verdict, r.Source, describe(r))
	for _, s := range []struct {
		severity engine.Severity
		colour   string
	}{{engine.Reject, red}, {engine.Warn, yellow}, {engine.Info, dim}} {
		for _, f := range r.FindingsOf(s.severity) {
			fmt.Fprintf(&b, "  %s  %s  %s\n",
				p.paint(s.colour, fmt.Sprintf("%-6s", s.severity)), f.Message, p.paint(dim, "["+f.ID+place(f.Place)+"]"))
		}
	}
	for _, ref := range r.References {
		target := ref.Target
		if target == "" {
			target = "(empty)"
		}
		fmt.Fprintf(&b, "  refers  %s %s  %s\n", ref.Kind, target, p.paint(dim, fmt.Sprintf("[at %d]", ref.Offset)))
	}
	if about := properties(r); about != "" {
		fmt.Fprintf(&b, "  about   %s\n", about)
	}
	if p.digest {
		fmt.Fprintf(&b, "  sha256  %s of the %d bytes inspected\n", r.Inspected.SHA256, r.Inspected.Bytes)
	}
	_, err := io.WriteString(p.out, b.String())
	return err
}

// describe gives the format and the sizes in a few words.
func describe(r *engine.Report) string {
	text := string(r.Format)
	if r.VirtualSize >= 0 {
		text += ", " + exactSize(r.VirtualSize)
	}
	if r.Size >= 0 && r.Size != r.VirtualSize {
		text += ", file " + humanSize(r.Size)
	}
	return text
}

func place(p *engine.Place) string {
	if p == nil {
		return ""
	}
	if p.Length == 0 {
		return fmt.Sprintf(" at %d", p.Offset)
	}
	return fmt.Sprintf(" at %d+%d", p.Offset, p.Length)
}

// properties lists those that say something: what is zero, false or empty, and
// how large parts of the metadata are, is left to the JSON report. The names of
// the image's own format go without it.
func properties(r *engine.Report) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(r.Properties)) {
		if strings.HasSuffix(name, "_bytes") {
			continue
		}
		short := strings.TrimPrefix(name, string(r.Format)+".")
		switch v := r.Properties[name].(type) {
		case bool:
			if v {
				words = append(words, short)
			}
		default:
			if text := fmt.Sprint(v); text != "" && text != "0" {
				words = append(words, short+" "+text)
			}
		}
	}
	return strings.Join(words, ", ")
}
