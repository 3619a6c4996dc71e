package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/native/confine"
	"github.com/spf13/cobra"
)

type convertFlags struct {
	engineFlags
	json, overwrite, bestEffort, live bool
	claim, to                         formatFlag
	subformat                         string
	compress                          compressFlag
	options                           map[string]string
	sizeLimit                         sizeFlag
	limitRate                         rateFlag
	handOff                           handOffFlag
	progress                          progressFlag
	stamp, keepTail                   bool
	stampKey                          string
}

func newConvert(env environment) *cobra.Command {
	f := convertFlags{
		claim:    formatFlag{parse: engine.ParseClaim},
		to:       formatFlag{parse: engine.ParseFormat},
		handOff:  "auto",
		progress: "auto",
	}
	c := &cobra.Command{
		Use:   "convert [flags] --to FORMAT SRC DST",
		Short: "Vet an image, and convert it when it is accepted",
		Long: `Convert inspects SRC with every mapping table, and only when it is accepted
has a confined qemu-img write the disk it holds to DST; a raw image is copied to
raw without it. What was written is inspected again. SRC is never changed; DST
appears only when it is complete. If DST is a block device, which takes raw disks,
it is overwritten: behind the disk with zeros, and if it fails with zeros too.

` + outputsHelp() + `

An image without a format of its own can only be taken at its word: converting
a raw image needs --claim raw.

With --limit-rate, what is read of SRC and what is written to DST each keep to
the rate, within a few megabytes; inspecting does not count. It needs SRC to be
served to qemu-img (--hand-off nbd, or auto where qemu-img can do it), or copied.

Exit status: 0 converted, 1 rejected, 2 wrong usage or it could not be done.`,
		Example: `  assay convert --to raw disk.qcow2 disk.raw
  assay convert --claim raw --to qcow2 --compress=zstd disk.img disk.qcow2
  assay convert --to vmdk --subformat streamOptimized disk.qcow2 disk.vmdk
  assay convert --to qcow2 --opt cluster_size=2M --opt preallocation=metadata a.vhdx a.qcow2`,
		Args: exactly(cobra.ExactArgs(2)),
		RunE: func(c *cobra.Command, args []string) error {
			return f.run(c.Context(), env, args[0], args[1])
		},
	}
	f.engineFlags.add(c)
	flags := c.Flags()
	flags.BoolVar(&f.json, "json", false, "print the result, or the report of a rejected image, as JSON")
	flags.Var(&f.claim, "claim", "the `FORMAT` that SRC is said to be; another one rejects")
	flags.Var(&f.to, "to", "the `FORMAT` of DST (required)")
	flags.StringVar(&f.subformat, "subformat", "", "the `VARIANT` of the format of DST")
	flags.StringToStringVar(&f.options, "opt", nil, "set an option of the format of DST, as in `NAME=VALUE`; may be repeated")
	flags.Var(&f.compress, "compress", "compress the data in DST with `TYPE`, zlib or zstd")
	flags.Lookup("compress").NoOptDefVal = "zlib"
	flags.Var(&f.sizeLimit, "size-limit", "fail when DST would be larger than `SIZE`, as in 10GiB")
	f.limitRate.add(c)
	flags.BoolVar(&f.overwrite, "overwrite", false, "replace DST if it is there")
	flags.BoolVar(&f.keepTail, "keep-tail", false, "leave what is behind the disk on the device DST, instead of zeros")
	flags.BoolVar(&f.bestEffort, "best-effort", false, "go on when this system lacks a layer of confinement")
	flags.StringSliceVar(&f.requireLayers, "require-layer", nil, "fail when this system lacks the layer of confinement `NAME`, also an optional one (assay doctor lists them)")
	flags.BoolVar(&f.live, "live", false, "take a raw SRC as it is while other programs write to it")
	flags.Var(&f.handOff, "hand-off", "give SRC to qemu-img in `MODE` nbd (it opens no image), descriptor or auto (the first it can do, or no qemu-img where none is needed)")
	flags.BoolVar(&f.stamp, "stamp", false, "record in an extended attribute of DST what it was made from (assay stamp)")
	flags.StringVar(&f.stampKey, "stamp-key", "", "seal the stamp with the key in `FILE`; implies --stamp")
	flags.Var(&f.progress, "progress", "show progress in `MODE` auto (on a terminal), plain (a line now and then) or none")
	_ = c.RegisterFlagCompletionFunc("claim", completeFormats)
	_ = c.RegisterFlagCompletionFunc("to", completeOutputs)
	_ = c.RegisterFlagCompletionFunc("subformat", f.completeSubformats)
	_ = c.RegisterFlagCompletionFunc("opt", f.completeOptions)
	_ = c.RegisterFlagCompletionFunc("compress", cobra.FixedCompletions(compressions, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("require-layer", cobra.FixedCompletions(confine.LayerNames(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("hand-off", cobra.FixedCompletions(handOffs, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("progress", cobra.FixedCompletions(progressModes, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// compressions are the values of --compress.
var compressions = []string{"zlib", "zstd"}

type compressFlag string

func (f *compressFlag) Set(text string) error {
	if !slices.Contains(compressions, text) {
		return fmt.Errorf("%q must be one of %s", text, strings.Join(compressions, ", "))
	}
	*f = compressFlag(text)
	return nil
}

func (f *compressFlag) String() string { return string(*f) }
func (f *compressFlag) Type() string   { return "TYPE" }

// handOffs are the values of --hand-off.
var handOffs = []string{"auto", engine.HandOffNBD, engine.HandOffDescriptor}

type handOffFlag string

func (f *handOffFlag) Set(text string) error {
	if !slices.Contains(handOffs, text) {
		return fmt.Errorf("%q must be one of %s", text, strings.Join(handOffs, ", "))
	}
	*f = handOffFlag(text)
	return nil
}

func (f *handOffFlag) String() string { return string(*f) }
func (f *handOffFlag) Type() string   { return "MODE" }

func (f *convertFlags) run(ctx context.Context, env environment, src, dst string) error {
	if f.to.format == "" {
		return usageError{errors.New("--to is required: the format of DST")}
	}
	eng, err := f.newEngine(ctx, env)
	if err != nil {
		return err
	}
	defer eng.Close(context.WithoutCancel(ctx))
	p := newPrinter(env, f.json)
	result, err := f.convert(ctx, env, eng, src, dst)
	if err != nil {
		return p.conclude(ctx, src, err)
	}
	return p.converted(result)
}

func (f *convertFlags) convert(ctx context.Context, env environment, eng *engine.Engine, src, dst string) (*engine.ConvertResult, error) {
	image, err := vet(ctx, env, eng, src, f.claim.format, "--claim")
	if err != nil {
		return nil, err
	}
	defer image.Close()
	options := engine.ConvertOptions{
		To: f.to.format, Subformat: f.subformat, Compress: string(f.compress), Options: f.options, Overwrite: f.overwrite, KeepTail: f.keepTail,
		SizeLimit: int64(f.sizeLimit), BestEffort: f.bestEffort, Live: f.live,
		RateLimit: f.limitRate.bytesPerSecond(),
	}
	if f.handOff != "auto" {
		options.HandOff = string(f.handOff)
	}
	if options.Stamp, options.StampKey, err = f.stampOptions(); err != nil {
		return nil, err
	}
	if shown := newProgress(f.progress, env.err); shown != nil {
		options.Progress = shown.update
		defer shown.finish()
	}
	result, err := eng.Convert(ctx, image.Image, destinationOf(dst), options)
	if err == nil && result.Stamp != nil && !result.Stamp.Written {
		printWarning(env.err, "not stamped: "+result.Stamp.Note)
	}
	return result, err
}

// destinationOf says what kind of destination a name is. What is there is
// looked at again, and refused if it is not that, when it is opened.
func destinationOf(name string) engine.Destination {
	if info, err := os.Stat(name); err == nil && info.Mode().Type() == os.ModeDevice {
		return engine.ToDevice(name)
	}
	return engine.ToFile(name)
}

// converted prints the result of a conversion.
func (p *printer) converted(r *engine.ConvertResult) error {
	if p.json {
		return p.object(r)
	}
	elapsed := time.Duration(r.DurationMicros) * time.Microsecond
	source, under := r.SourceMode+", by "+r.HandOff, strings.Join(r.Layers, ", ")
	if r.HandOff == engine.HandOffNone {
		source, under = r.SourceMode, "no process: raw is copied as it is"
	}
	_, err := fmt.Fprintf(p.out, "%s  %s -> %s: %s, %s, file %s\n%s  by      %s %s in %s, %s/s\n  source  %s\n  under   %s\n",
		p.paint(green, "CONVERTED"), r.Source, r.Destination, r.Format, exactSize(r.VirtualSize), humanSize(r.Bytes), limited(r.RateLimit),
		r.Tool.Name, r.Tool.Version, elapsed.Round(time.Millisecond), humanSize(r.BytesPerSecond), source, under)
	return err
}
