package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/assay-dev/assay/engine"
)

// conversions compares vetting, converting confined from a served source and
// inspecting the output with qemu-img alone, given the same options, each with
// its output synced to disk.
func (c *comparison) conversions() error {
	if !c.has("qemu-img") {
		return nil
	}
	raw, err := c.disk("disk.raw")
	if err != nil {
		return err
	}
	ours, theirs := filepath.Join(c.dir, "ours"), filepath.Join(c.dir, "theirs")
	for _, t := range []struct{ from, to string }{{"qcow2", "raw"}, {"vmdk", "raw"}, {"vhdx", "raw"}, {"raw", "qcow2"}} {
		known, err := c.reads(t.from)
		if err != nil {
			return err
		}
		if !known {
			fmt.Fprintf(&c.table, "| (not measured: no probe for %s) | | | |\n", t.from)
			continue
		}
		source := raw
		if t.from != "raw" {
			source = filepath.Join(c.dir, "disk."+t.from)
			if _, err := c.output("qemu-img", "convert", "-f", "raw", "-O", t.from, raw, source); err != nil {
				return err
			}
		}
		err = c.row(fmt.Sprintf("convert %s to %s, 1 GiB of data in 4 GiB", t.from, t.to), "`qemu-img convert -W`, synced",
			c.program(c.assay, "convert", "--overwrite", "--claim", t.from, "--to", t.to, source, ours),
			timed(func() error {
				if _, err := c.output("qemu-img", "convert", "-W", "-f", t.from, "-O", t.to, source, theirs); err != nil {
					return err
				}
				return syncFile(theirs)
			}))
		if err != nil {
			return err
		}
	}
	return nil
}

// reads tells whether there is a probe for a format, or none is needed.
func (c *comparison) reads(format string) (bool, error) {
	eng, err := engine.New(c.ctx, engine.NewConfig())
	if err != nil {
		return false, err
	}
	defer eng.Close(c.ctx)
	for _, m := range eng.Probes() {
		if m.Manifest().Format == format {
			return true, nil
		}
	}
	return format == string(engine.Raw), nil
}

// disk writes a disk of 4 GiB, a quarter of it data, in pieces of 1 MiB.
func (c *comparison) disk(name string) (string, error) {
	path := filepath.Join(c.dir, name)
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	const size, piece = 4 << 30, 1 << 20
	data := rand.NewChaCha8([32]byte{3})
	for off := int64(0); off < size; off += 4 * piece {
		if _, err := io.CopyN(io.NewOffsetWriter(f, off), data, piece); err != nil {
			return "", err
		}
	}
	return path, f.Truncate(size)
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
