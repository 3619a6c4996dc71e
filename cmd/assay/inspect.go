package main

import (
	"context"
	"fmt"
	"runtime"

	"github.com/assay-dev/assay/engine"
	"github.com/spf13/cobra"
)

type inspectFlags struct {
	engineFlags
	json, deep, digest bool
	claim              formatFlag
	jobs               int
	passphrase         secret
}

func newInspect(env environment) *cobra.Command {
	f := inspectFlags{claim: formatFlag{parse: engine.ParseClaim}}
	c := &cobra.Command{
		Use:   "inspect [flags] IMAGE...",
		Short: "Say what images are and whether they can be trusted",
		Long: `Inspect looks at each IMAGE and prints a report: accepted or rejected, the
format, the size of the disk, what was found wrong and where in the file, and
everything outside the file that opening it would pull in.

IMAGE is a file, a block device, a pipe, or "-" for standard input.

Exit status: 0 all were accepted, 1 at least one was rejected, 2 wrong usage or
at least one could not be looked at.`,
		Example: `  assay inspect disk.qcow2
  assay inspect --claim raw upload.img
  curl -s https://images.example.com/disk.qcow2 | assay inspect -
  assay inspect --json --deep *.qcow2`,
		Args: exactly(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return f.run(c.Context(), env, args)
		},
	}
	f.engineFlags.add(c)
	flags := c.Flags()
	flags.BoolVar(&f.json, "json", false, "print one JSON object a line")
	flags.Var(&f.claim, "claim", "the `FORMAT` the images are said to be; another one rejects")
	flags.BoolVar(&f.deep, "deep", false, "also walk every mapping table")
	flags.BoolVar(&f.digest, "digest", false, "add the SHA-256 of the inspected bytes")
	flags.IntVar(&f.jobs, "jobs", 0, "look at `N` images at a time; 0 is as many as there are processors")
	f.passphrase.add(c, "passphrase", "the passphrase of images that are encrypted with LUKS, to look at the disk in them too,")
	_ = c.RegisterFlagCompletionFunc("claim", completeFormats)
	return c
}

// inspected is what became of one argument.
type inspected struct {
	source  string
	reports []*engine.Report
	err     error
}

func (f *inspectFlags) run(ctx context.Context, env environment, args []string) error {
	if f.jobs < 0 {
		return usageError{fmt.Errorf("--jobs is %d, must not be negative", f.jobs)}
	}
	defer f.passphrase.wipe()
	eng, err := f.newEngine(ctx, env)
	if err != nil {
		return err
	}
	defer eng.Close(context.WithoutCancel(ctx))

	// Each argument has its own channel, so that output comes in the order of
	// the arguments, each as soon as it and those before it are ready.
	results := make([]chan inspected, len(args))
	for i := range results {
		results[i] = make(chan inspected, 1)
	}
	next := make(chan int)
	open := opener{env.in, env.spoolDir}
	jobs := f.jobs
	if jobs == 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	for range min(jobs, len(args)) {
		go func() {
			for i := range next {
				reports, err := f.inspect(ctx, eng, open, args[i])
				results[i] <- inspected{args[i], reports, err}
			}
		}()
	}
	go func() {
		defer close(next)
		for i := range args {
			next <- i
		}
	}()

	status := exitAccepted
	p := newPrinter(env, f.json)
	p.digest = f.digest
	for _, result := range results {
		r := <-result
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, report := range r.reports {
			if !report.Accepted {
				status = max(status, exitRejected)
			}
			if err := p.report(report); err != nil {
				return err
			}
		}
		if r.err != nil {
			p.failure(r.source, r.err)
			status = exitFailed
		}
	}
	if status != exitAccepted {
		return statusError(status)
	}
	return nil
}

// inspect returns the report of an image, and of the disk in it when that was
// encrypted and there is a passphrase.
func (f *inspectFlags) inspect(ctx context.Context, eng *engine.Engine, open opener, name string) ([]*engine.Report, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	source, file, err := open.open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	opts := []engine.Option{engine.Named(name), engine.Claim(f.claim.format)}
	if f.deep {
		opts = append(opts, engine.AtDepth(engine.Deep))
	}
	if f.digest {
		opts = append(opts, engine.WithDigest())
	}
	if f.passphrase.text != nil {
		return f.decrypt(ctx, eng, source, name, opts)
	}
	report, err := eng.Inspect(ctx, source, opts...)
	if err != nil {
		return nil, err
	}
	return []*engine.Report{report}, nil
}
