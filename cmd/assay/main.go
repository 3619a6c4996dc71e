// Command assay vets untrusted disk images and converts vetted ones.
//
// The command parses and prints, and nothing else: what it knows about images
// comes from package engine. Reports go to standard output; progress, warnings
// and lines that start with "assay: error:" or "assay: hint:" go to standard
// error. It exits with 0 when every image was accepted or the work is done,
// with 1 when at least one image was rejected, and with 2 for wrong usage or
// when something could not be done; 2 beats 1.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	exitAccepted = 0
	exitRejected = 1
	exitFailed   = 2
)

// environment is what a command works with besides its arguments.
type environment struct {
	in       *os.File
	out, err io.Writer
	spoolDir string // for temporary copies of streams; made when needed
}

func main() {
	// Most command lines need less than 8 MiB: then nothing is ever collected.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
	start(spoolDir())
}

// start runs the command line of this process, and ends it.
func start(spoolDir string) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal cancels the work, which cleans up behind itself; from
	// then on signals have their default effect, so that a second one kills.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], environment{os.Stdin, os.Stdout, os.Stderr, spoolDir}))
}

// run executes one command line and returns the exit status.
func run(ctx context.Context, args []string, env environment) int {
	root := newRoot(env)
	root.SetArgs(args)
	root.SetIn(env.in)
	root.SetOut(env.out)
	root.SetErr(env.err)
	command, err := root.ExecuteContextC(ctx)
	return conclude(env.err, command, err)
}

func newRoot(env environment) *cobra.Command {
	root := &cobra.Command{
		Use:   "assay",
		Short: "Vet untrusted disk images, and convert vetted ones",
		Long: `Assay looks at an untrusted disk image with small WebAssembly probes in a
sandbox: what it is, how large its disk is, what else opening it would pull in,
whether it is what it was claimed to be, and whether it is whole. Only an image
that passes reaches qemu-img, and that runs confined.

Exit status: 0 accepted or done, 1 at least one image was rejected, 2 wrong
usage or it could not be done. 2 beats 1.`,
		Args:          exactly(cobra.NoArgs),
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(c *cobra.Command, _ []string) error {
			return c.Help()
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newInspect(env), newConvert(env), newCheck(env), newCompare(env), newResize(env), newStamp(env), newProbe(env), newDoctor(env), newVersion(env))
	return root
}

// exactly wraps cobra's argument checks so that their errors count as usage.
func exactly(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}
