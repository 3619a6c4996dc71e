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
	"github.com/assay-dev/assay/native/qemuimg"
	"github.com/spf13/cobra"
)

type convertFlags struct {
	toolFlags
	overwrite, live          bool
	claim, to                formatFlag
	subformat                string
	compress                 compressFlag
	options                  map[string]string
	sizeLimit                sizeFlag
	progress                 progressFlag
	stamp, keepTail          bool
	stampKey                 string
	decrypt                  bool
	passphrase, toPassphrase secret
	cipher                   string
	keySize                  int
	iterTime                 time.Duration
	sparseSize               sparseFlag
	cache                    cacheFlag
	noSpaceCheck             bool
}

func newConvert(env environment) *cobra.Command {
	f := convertFlags{
		claim:    formatFlag{parse: engine.ParseClaim},
		to:       formatFlag{parse: engine.ParseFormat},
		progress: "auto",
	}
	c := &cobra.Command{
		Use:   "convert [flags] --to FORMAT SRC DST",
		Short: "Vet an image, and convert it when it is accepted",
		Long: `Convert inspects SRC with every mapping table, and only when it is accepted
has a confined qemu-img write the disk it holds to DST; a raw image is copied to
raw without it. What was written is inspected again. SRC is never changed; DST
appears only when it is complete. If DST is a block device, which takes raw disks
and LUKS, it is overwritten: behind the disk with zeros, and if it fails with
zeros too.

` + outputsHelp() + `

A LUKS image is converted as it is, encrypted, unless --decrypt and a passphrase
are given: then the disk in it is vetted and converted. With --to luks the disk
is encrypted, by the cipher that --cipher and --key-size name as cryptsetup does.

An image without a format of its own can only be taken at its word: converting
a raw image needs --claim raw.

What qemu-img reads of SRC is what was vetted: a lease keeps other programs from
writing to the file meanwhile (they wait, and the work begins again), or SRC is
served to qemu-img. --hand-off asks for one of these, and the result names it.

With --limit-rate, what is read of SRC and what is written to DST each keep to
the rate, within a few megabytes; inspecting does not count. It needs SRC to be
served to qemu-img (--hand-off nbd, or auto where qemu-img can do it), or copied.

Exit status: 0 converted, 1 rejected, 2 wrong usage or it could not be done.`,
		Example: `  assay convert --to raw disk.qcow2 disk.raw
  assay convert --claim raw --to qcow2 --compress=zstd disk.img disk.qcow2
  assay convert --to vmdk --subformat streamOptimized disk.qcow2 disk.vmdk
  assay convert --to qcow2 --opt cluster_size=2M --opt preallocation=metadata a.vhdx a.qcow2
  assay convert --to luks --to-passphrase-file new.key disk.qcow2 disk.luks
  assay convert --decrypt --passphrase-file old.key --to luks --to-passphrase-fd 3 a.luks b.luks 3<new.key`,
		Args: exactly(cobra.ExactArgs(2)),
		RunE: func(c *cobra.Command, args []string) error {
			return f.run(c.Context(), env, args[0], args[1])
		},
	}
	f.toolFlags.add(c)
	flags := c.Flags()
	flags.Var(&f.claim, "claim", "the `FORMAT` that SRC is said to be; another one rejects")
	flags.Var(&f.to, "to", "the `FORMAT` of DST (required)")
	flags.StringVar(&f.subformat, "subformat", "", "the `VARIANT` of the format of DST")
	flags.StringToStringVar(&f.options, "opt", nil, "set an option of the format of DST, as in `NAME=VALUE`; may be repeated")
	flags.Var(&f.compress, "compress", "compress the data in DST with `TYPE`, zlib or zstd")
	flags.Lookup("compress").NoOptDefVal = "zlib"
	flags.Var(&f.sizeLimit, "size-limit", "fail when DST would be larger than `SIZE`, as in 10GiB")
	flags.BoolVar(&f.overwrite, "overwrite", false, "replace DST if it is there")
	flags.BoolVar(&f.keepTail, "keep-tail", false, "leave what is behind the disk on the device DST, instead of zeros")
	flags.StringSliceVar(&f.requireLayers, "require-layer", nil, "fail when this system lacks the layer of confinement `NAME`, also an optional one (assay doctor lists them)")
	flags.BoolVar(&f.live, "live", false, "take a raw SRC as it is while other programs write to it")
	flags.Lookup("hand-off").Usage = "give SRC to qemu-img in `MODE` lease (open, and nobody can write to it), nbd (served; it opens no image), descriptor or auto (the first that can be, or no qemu-img where none is needed)"
	flags.BoolVar(&f.stamp, "stamp", false, "record in an extended attribute of DST what it was made from (assay stamp)")
	flags.StringVar(&f.stampKey, "stamp-key", "", "seal the stamp with the key in `FILE`; implies --stamp")
	flags.BoolVar(&f.decrypt, "decrypt", false, "convert the disk that is encrypted in SRC, a LUKS image")
	f.passphrase.add(c, "passphrase", "the passphrase of SRC, with --decrypt,")
	f.toPassphrase.add(c, "to-passphrase", "the passphrase of DST, with --to luks,")
	flags.StringVar(&f.cipher, "cipher", "", "encrypt DST, with --to luks, by `CIPHER` as dm-crypt names it (default "+qemuimg.DefaultCipher+")")
	flags.IntVar(&f.keySize, "key-size", 0, fmt.Sprintf("the key of --cipher has `BITS`, in mode xts of both halves (default %d there, else %d)", qemuimg.DefaultKeySize, qemuimg.DefaultKeySize/2))
	flags.DurationVar(&f.iterTime, "iter-time", qemuimg.DefaultIterTime, fmt.Sprintf("deriving the key of DST takes a processor `TIME`, at most %v", qemuimg.MaxIterTime))
	flags.Var(&f.sparseSize, "sparse-size", "leave out runs of zeros of `SIZE` or more, at most 16MiB; 0 writes them (default 4KiB)")
	flags.Var(&f.cache, "cache", "have qemu-img write DST with cache `MODE` "+strings.Join(qemuimg.CacheModes(), ", ")+" (default: the best for what DST is)")
	flags.BoolVar(&f.noSpaceCheck, "no-space-check", false, "begin also when DST could need more space than is free")
	flags.Var(&f.progress, "progress", "show progress in `MODE` auto (on a terminal), plain (a line now and then) or none")
	_ = c.RegisterFlagCompletionFunc("claim", completeFormats)
	_ = c.RegisterFlagCompletionFunc("to", completeOutputs)
	_ = c.RegisterFlagCompletionFunc("subformat", f.completeSubformats)
	_ = c.RegisterFlagCompletionFunc("opt", f.completeOptions)
	_ = c.RegisterFlagCompletionFunc("compress", cobra.FixedCompletions(compressions, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("cache", cobra.FixedCompletions(qemuimg.CacheModes(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("require-layer", cobra.FixedCompletions(confine.LayerNames(), cobra.ShellCompDirectiveNoFileComp))
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

type cacheFlag string

func (f *cacheFlag) Set(text string) error {
	if !slices.Contains(qemuimg.CacheModes(), text) {
		return fmt.Errorf("%q must be one of %s", text, strings.Join(qemuimg.CacheModes(), ", "))
	}
	*f = cacheFlag(text)
	return nil
}

func (f *cacheFlag) String() string { return string(*f) }
func (f *cacheFlag) Type() string   { return "MODE" }

// handOffs are the values of --hand-off.
var handOffs = []string{"auto", engine.HandOffLease, engine.HandOffNBD, engine.HandOffDescriptor}

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
	defer f.passphrase.wipe()
	defer f.toPassphrase.wipe()
	if err := f.checkSecrets(); err != nil {
		return usageError{err}
	}
	eng, err := f.newEngine(ctx, env)
	if err != nil {
		return err
	}
	defer eng.Close(context.WithoutCancel(ctx))
	// Only what is said to be raw is, and from raw to raw no tool is needed.
	if f.claim.format != engine.Raw || f.to.format != engine.Raw {
		defer eng.Prepare(ctx, f.bestEffort)()
	}
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
	disk := image.Image
	if f.decrypt {
		if disk, err = decrypted(ctx, env, eng, image.Image, src, f.passphrase.text); err != nil {
			return nil, err
		}
		defer disk.Close()
	}
	options := engine.ConvertOptions{
		To: f.to.format, Subformat: f.subformat, Compress: string(f.compress), Options: f.options, Overwrite: f.overwrite, KeepTail: f.keepTail,
		SizeLimit: int64(f.sizeLimit), BestEffort: f.bestEffort, HandOff: f.mode(), Live: f.live,
		RateLimit: f.limitRate.bytesPerSecond(), SparseSize: f.sparseSize.bytes, Cache: string(f.cache), NoSpaceCheck: f.noSpaceCheck,
	}
	if f.toPassphrase.text != nil {
		options.Encryption = qemuimg.Encryption{Passphrase: f.toPassphrase.text, Cipher: f.cipher, KeySize: f.keySize, IterTime: f.iterTime}
	}
	if options.Stamp, options.StampKey, err = f.stampOptions(); err != nil {
		return nil, err
	}
	if shown := newProgress(f.progress, env.err); shown != nil {
		options.Progress = shown.update
		defer shown.finish()
	}
	result, err := eng.Convert(ctx, disk, destinationOf(dst), options)
	if err == nil && result.Stamp != nil && !result.Stamp.Written {
		printWarning(env.err, "not stamped: "+result.Stamp.Note)
	}
	return result, err
}

// checkSecrets refuses passphrases that are for nothing, and what lacks one.
func (f *convertFlags) checkSecrets() error {
	switch {
	case f.decrypt && f.passphrase.text == nil:
		return fmt.Errorf("--decrypt needs the passphrase of SRC: %s", f.passphrase.names())
	case !f.decrypt && f.passphrase.text != nil:
		return errors.New("a passphrase of SRC is used with --decrypt only")
	case f.to.format == "luks" && f.toPassphrase.text == nil:
		return fmt.Errorf("--to luks needs a passphrase for DST: %s", f.toPassphrase.names())
	case f.to.format != "luks" && (f.toPassphrase.text != nil || f.cipher != "" || f.keySize != 0):
		return errors.New("a passphrase of DST and its cipher are used with --to luks only")
	}
	return nil
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
