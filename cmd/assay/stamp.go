package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/native/stamp"
	"github.com/spf13/cobra"
)

// stampOptions are those of the conversion's flags.
func (f *convertFlags) stampOptions() (wanted bool, key []byte, err error) {
	if f.stampKey == "" {
		return f.stamp, nil, nil
	}
	key, err = stamp.ReadKey(f.stampKey)
	return true, key, err
}

func newStamp(env environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "stamp",
		Short: "Show or verify the stamp of a file that assay wrote",
		Long: `A stamp is an extended attribute (user.assay.stamp) of a file that assay wrote
with --stamp: digests of the report on what it was made from, of the probes and
of the policy, and of the file's content. It says where a file comes from and
whether it is still what was written. It says nothing else: no command believes
a stamp when it looks at an image.

Who can write to the file can write a stamp too. With --stamp-key it is sealed:
only a holder of the key can have made it. A key is a file of 32 random bytes or
more that only its owner can read, as in

  (umask 077; head -c 32 /dev/urandom > stamp.key)`,
		Args: exactly(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newStampShow(env), newStampVerify(env))
	return c
}

func newStampShow(env environment) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "show [flags] FILE",
		Short: "Print the stamp of a file, without comparing it with the file",
		Long: `Show prints the stamp that FILE has. It does not look at the content: see
assay stamp verify.

Exit status: 0 printed, 2 there is none, or it could not be read.`,
		Args: exactly(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			p := newPrinter(env, asJSON)
			f, s, err := openStamp(args[0])
			if err != nil {
				p.failure(args[0], err)
				return statusError(exitFailed)
			}
			defer f.Close()
			return p.stamp(stampResult{Source: args[0], Stamp: s})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the stamp as JSON")
	return c
}

type stampVerifyFlags struct {
	json     bool
	key      string
	progress progressFlag
}

func newStampVerify(env environment) *cobra.Command {
	f := stampVerifyFlags{progress: "auto"}
	c := &cobra.Command{
		Use:   "verify [flags] FILE",
		Short: "Compare a file with its stamp",
		Long: `Verify reads all of FILE and compares it with its stamp: the size, the digests
and, with --key, the seal. Without --key a stamp shows accidents, not attacks.

Exit status: 0 the file is what was stamped, 1 it is not, or the stamp is not
sealed with the key, 2 there is no stamp, or it could not be done.`,
		Example: `  assay stamp verify disk.raw
  assay stamp verify --key stamp.key disk.raw`,
		Args: exactly(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return f.run(c.Context(), env, args[0])
		},
	}
	flags := c.Flags()
	flags.BoolVar(&f.json, "json", false, "print the result as JSON")
	flags.StringVar(&f.key, "key", "", "demand that the stamp is sealed with the key in `FILE`")
	flags.Var(&f.progress, "progress", "show progress in `MODE` auto (on a terminal), plain (a line now and then) or none")
	_ = c.RegisterFlagCompletionFunc("progress", cobra.FixedCompletions(progressModes, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (f *stampVerifyFlags) run(ctx context.Context, env environment, name string) error {
	p := newPrinter(env, f.json)
	result, err := f.verify(ctx, env, name)
	if err != nil {
		return p.conclude(ctx, name, err)
	}
	if err := p.stamp(result); err != nil {
		return err
	}
	if !*result.Verified {
		return statusError(exitRejected)
	}
	return nil
}

func (f *stampVerifyFlags) verify(ctx context.Context, env environment, name string) (r stampResult, err error) {
	var key stamp.Key
	if f.key != "" {
		if key, err = stamp.ReadKey(f.key); err != nil {
			return r, err
		}
	}
	file, s, err := openStamp(name)
	if err != nil {
		return r, err
	}
	defer file.Close()
	var progress func(done, total int64)
	if shown := newProgress(f.progress, env.err); shown != nil {
		progress = shown.update
		defer shown.finish()
	}
	mismatches, err := s.Verify(ctx, file, key, progress)
	if err != nil {
		return r, err
	}
	verified, sealed := len(mismatches) == 0, key != nil && len(mismatches) == 0
	return stampResult{Source: name, Stamp: s, Verified: &verified, Sealed: &sealed, Mismatches: mismatches}, nil
}

// openStamp opens a file that has a stamp.
func openStamp(name string) (*os.File, *stamp.Stamp, error) {
	// Asked before it is opened: opening a pipe waits, and some devices have
	// effects.
	info, err := os.Stat(name)
	if err != nil {
		return nil, nil, unopened(name, err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s is no regular file, which alone has a stamp: %w", name, engine.ErrNotSupported)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, unopened(name, err)
	}
	s, err := stamp.Read(f)
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, s, nil
}

// stampResult is what the commands print (docs/schema/stamp.json).
type stampResult struct {
	Schema int          `json:"schema"`
	Source string       `json:"source"`
	Stamp  *stamp.Stamp `json:"stamp"`
	// Of a verification: whether nothing differs, whether the seal was
	// verified too, and what differs.
	Verified   *bool            `json:"verified,omitempty"`
	Sealed     *bool            `json:"sealed,omitempty"`
	Mismatches []stamp.Mismatch `json:"mismatches,omitempty"`
}

// mismatches say for people what differs.
var mismatches = map[stamp.Mismatch]string{
	stamp.MismatchSize:    "the file has another size",
	stamp.MismatchContent: "the file has another content",
	stamp.MismatchSeal:    "the stamp is not sealed with this key",
}

// stamp prints a stamp, and what a verification of it found.
func (p *printer) stamp(r stampResult) error {
	r.Schema, r.Source = engine.SchemaVersion, engine.Escape([]byte(r.Source))
	if p.json {
		return p.object(r)
	}
	var b strings.Builder
	switch {
	case r.Verified == nil:
		fmt.Fprintf(&b, "STAMPED  %s", r.Source)
	case *r.Verified:
		fmt.Fprintf(&b, "%s  %s", p.paint(green, "VERIFIED"), r.Source)
	default:
		fmt.Fprintf(&b, "%s  %s", p.paint(red, "CHANGED"), r.Source)
	}
	s := r.Stamp
	fmt.Fprintf(&b, ": %s, %s, file %s\n", s.Format, exactSize(s.VirtualSize), exactSize(s.Size))
	for _, m := range r.Mismatches {
		fmt.Fprintf(&b, "  %s  %s\n", p.paint(red, "differs"), mismatches[m])
	}
	fmt.Fprintf(&b, "  from    %s\n  report  %s\n  probes  %s\n  policy  %s\n  xxh64   %s\n", s.SourceFormat, s.Report, s.Probes, s.Policy, s.XXH64)
	if s.SHA256 != "" {
		fmt.Fprintf(&b, "  sha256  %s\n", s.SHA256)
	}
	fmt.Fprintf(&b, "  seal    %s\n", r.seal())
	_, err := fmt.Fprint(p.out, b.String())
	return err
}

// seal says for people what is known of the seal.
func (r stampResult) seal() string {
	switch {
	case r.Sealed != nil && *r.Sealed:
		return "verified"
	case r.Stamp.HMAC == "":
		return "none: who can write to the file can have written the stamp"
	default:
		return "not verified"
	}
}
