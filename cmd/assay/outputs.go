package main

import (
	"fmt"
	"strings"

	"github.com/assay-dev/assay/engine"
	"github.com/spf13/cobra"
)

// outputsHelp lists what can be written.
func outputsHelp() string {
	var b strings.Builder
	b.WriteString("Formats of DST, with their variants (the first is the default) and options:\n")
	for _, f := range engine.Outputs() {
		fmt.Fprintf(&b, "\n  %-6s", f)
		if subformats := engine.OutputSubformats(f); len(subformats) > 0 {
			fmt.Fprintf(&b, "  --subformat %s", strings.Join(subformats, "|"))
		}
		if options := engine.OutputOptions(f); len(options) > 0 {
			fmt.Fprintf(&b, "  --opt %s", strings.Join(options, "|"))
		}
	}
	return b.String()
}

func completeOutputs(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, f := range engine.Outputs() {
		names = append(names, string(f))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (f *convertFlags) completeSubformats(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return engine.OutputSubformats(f.to.format), cobra.ShellCompDirectiveNoFileComp
}

func (f *convertFlags) completeOptions(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, name := range engine.OutputOptions(f.to.format) {
		names = append(names, name+"=")
	}
	return names, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}
