package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/assay-dev/assay/probes/probetest"
	"github.com/spf13/cobra"
)

func newProbeNew(env environment) *cobra.Command {
	language := languageFlag(probetest.Languages[0])
	var dir string
	c := &cobra.Command{
		Use:   "new [flags] NAME",
		Short: "Write a small probe to begin with",
		Long: `New makes a folder with a probe for a format called NAME: the source, the
manifest, a Makefile, what it is written with, and two vectors. It builds, and
passes 'assay probe check', as it is.`,
		Example: `  assay probe new --lang c myformat && make -C myformat check`,
		Args:    exactly(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			if dir == "" {
				dir = args[0]
			}
			if err := probetest.WriteSkeleton(dir, args[0], string(language)); err != nil {
				return err
			}
			fmt.Fprintf(env.out, "made %s: build and check it with `make -C %s check`\n", printable(dir), printable(dir))
			return nil
		},
	}
	c.Flags().Var(&language, "lang", "the `LANGUAGE` it is written in: rust or c")
	c.Flags().StringVar(&dir, "dir", "", "make the folder `DIR` instead of NAME")
	_ = c.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions(probetest.Languages, cobra.ShellCompDirectiveNoFileComp))
	return c
}

type languageFlag string

func (f *languageFlag) Set(text string) error {
	if !slices.Contains(probetest.Languages, text) {
		return fmt.Errorf("%q must be one of %s", text, strings.Join(probetest.Languages, ", "))
	}
	*f = languageFlag(text)
	return nil
}

func (f *languageFlag) String() string { return string(*f) }
func (f *languageFlag) Type() string   { return "LANGUAGE" }
