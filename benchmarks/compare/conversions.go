package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/assay-dev/assay/engine"
)

// conversions compares vetting, converting confined and inspecting the output
// with qemu-img alone. Both write a file that was not there before, and sync it
// to disk: an old one that goes, or data of the run before that are still to be
// written, would count for whoever comes next.
func (c *comparison) conversions() error {
	if !c.has("qemu-img") {
		return nil
	}
	eng, err := engine.New(c.ctx, engine.NewConfig())
	if err != nil {
		return err
	}
	defer eng.Close(c.ctx)
	for _, t := range []conversion{
		{from: "qcow2", to: "raw"},
		{from: "vmdk", to: "raw"},
		{from: "vhdx", to: "raw"},
		{from: "raw", to: "qcow2"},
		{from: "qcow2", to: "raw", embedded: true},
		{from: "vmdk", to: "raw", embedded: true},
		{from: "vhdx", to: "raw", embedded: true},
		{from: "raw", to: "qcow2", embedded: true},
		{from: "qcow2", to: "raw", handOff: "nbd"},
		{from: "vmdk", to: "raw", handOff: "nbd"},
		{from: "vhdx", to: "raw", handOff: "nbd"},
		{from: "raw", to: "qcow2", handOff: "nbd"},
		{from: "raw", to: "qcow2", compress: "zstd", handOff: "nbd"},
		{from: "raw", to: "raw"},
		{from: "raw", to: "vmdk"},
		{from: "raw", to: "vhd"},
		{from: "raw", to: "vhdx"},
		{from: "raw", to: "vdi"},
		{from: "qcow2", to: "qcow2"},
		{from: "raw", to: "qcow2", compress: "zstd"},
		{from: "raw", to: "qcow2", compress: "zlib"},
		{from: "raw", to: "vmdk", subformat: "streamOptimized"},
	} {
		if !c.wants(t.String()) {
			continue
		}
		raw, err := c.disk()
		if err != nil {
			return err
		}
		source := raw
		if t.from != "raw" {
			source = raw + "." + t.from
			if _, err := os.Stat(source); errors.Is(err, os.ErrNotExist) {
				_, err = c.output("qemu-img", "convert", "-f", "raw", "-O", t.from, raw, source)
				if err != nil {
					return err
				}
			}
		}
		if err := c.conversion(eng, source, t); err != nil {
			return err
		}
	}
	return nil
}

// conversion compares one conversion, with the same options on both sides.
func (c *comparison) conversion(eng *engine.Engine, source string, t conversion) error {
	output := filepath.Join(c.dir, "output")
	theirs := t.theirs()
	said := strings.Join(theirs, " ")
	theirs = append(theirs, source, output)
	ours := c.program(c.assay, append(t.ours(), source, output)...)
	if t.embedded {
		ours = timed(func() error { return c.embedded(eng, t, source, output) })
	}
	return c.row(t.String(), "`qemu-img "+said+"`, synced",
		c.afresh(output, ours), c.afresh(output, timed(c.synced(output, "qemu-img", theirs...))))
}

// embedded has an engine that is running convert, as a service does.
func (c *comparison) embedded(eng *engine.Engine, t conversion, source, output string) error {
	f, err := os.Open(source)
	if err != nil {
		return err
	}
	defer f.Close()
	image, err := eng.Vet(c.ctx, engine.File(f), engine.Claim(engine.Format(t.from)))
	if err != nil {
		return err
	}
	defer image.Close()
	_, err = eng.Convert(c.ctx, image, engine.ToFile(output), engine.ConvertOptions{
		To: engine.Format(t.to), Subformat: t.subformat, Compress: t.compress, HandOff: t.handOff,
	})
	return err
}

// synced runs a program that writes a file, and syncs that to disk.
func (c *comparison) synced(path, name string, args ...string) func() error {
	return func() error {
		if _, err := c.output(name, args...); err != nil {
			return err
		}
		return syncFile(path)
	}
}

// afresh is a measure of making a file that is not there, with nothing else
// left for the disk to write.
func (c *comparison) afresh(path string, m measure) measure {
	return func() (time.Duration, error) {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return 0, err
		}
		if _, err := c.output("sync"); err != nil {
			return 0, err
		}
		takeMemory()
		return m()
	}
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
