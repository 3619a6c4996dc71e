package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/assay-dev/assay/engine"
	"github.com/spf13/cobra"
)

// engineFlags are the flags of every command that makes an engine.
type engineFlags struct {
	policy        string
	requireLayers []string // of the commands that run a tool
}

func (f *engineFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.policy, "policy", "", "judge by the policy in `FILE` instead of the strict one")
}

// newEngine makes the engine of a command. The caller closes it.
func (f *engineFlags) newEngine(ctx context.Context, env environment) (*engine.Engine, error) {
	config := engine.NewConfig().WithSpoolDir(env.spoolDir).WithRequiredLayers(f.requireLayers...)
	if f.policy != "" {
		text, err := os.ReadFile(f.policy)
		if err != nil {
			return nil, fmt.Errorf("reading the policy: %w", err)
		}
		policy, err := engine.ParsePolicy(text)
		if err != nil {
			return nil, usageError{fmt.Errorf("%s: %w", f.policy, err)}
		}
		config = config.WithPolicy(policy)
	}
	return engine.New(ctx, config)
}

// spoolDir returns the folder for temporary copies of streams:
// /var/lib/assay/conversion for root, else assay/conversion in the user's
// folder for state (XDG base directory specification), or "" when there is
// neither.
func spoolDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/assay/conversion"
	}
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) { // unset, or to be ignored as the specification says
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "assay", "conversion")
}

// formatFlag is a format or a claim as a flag.
type formatFlag struct {
	format engine.Format
	parse  func(string) (engine.Format, error)
}

func (f *formatFlag) Set(text string) (err error) {
	f.format, err = f.parse(text)
	return err
}

func (f *formatFlag) String() string { return string(f.format) }
func (f *formatFlag) Type() string   { return "FORMAT" }

// completeFormats offers the names of the formats to a shell.
func completeFormats(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return engine.FormatNames(), cobra.ShellCompDirectiveNoFileComp
}
