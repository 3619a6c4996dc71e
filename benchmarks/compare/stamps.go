package main

import (
	"bytes"
	"os"
	"path/filepath"
)

// stamps compares what a stamp costs with the same copy without one, and with
// the tools that come to the same: the copy, and a digest of what it wrote.
func (c *comparison) stamps() error {
	raw, err := c.disk()
	if err != nil {
		return err
	}
	key := filepath.Join(c.dir, "stamp.key")
	if err := os.WriteFile(key, bytes.Repeat([]byte{7}, 32), 0o600); err != nil {
		return err
	}
	output := filepath.Join(c.dir, "stamped.raw")
	convert := func(more ...string) measure {
		args := append([]string{"convert", "--claim", "raw", "--to", "raw"}, more...)
		return c.afresh(output, c.program(c.assay, append(args, raw, output)...))
	}
	err = c.row("copy with a stamp, 1 GiB of data in 4 GiB", "without", convert("--stamp"), convert())
	if err != nil || !c.has("qemu-img") || !c.has("sha256sum") {
		return err
	}
	digest := func() error {
		_, err := c.output("sha256sum", output)
		return err
	}
	err = c.row("copy with a sealed stamp, 1 GiB of data in 4 GiB", "`qemu-img convert -W`, synced, and `sha256sum`",
		convert("--stamp", "--stamp-key", key),
		c.afresh(output, timed(func() error {
			if _, err := c.output("qemu-img", "convert", "-W", "-f", "raw", "-O", "raw", raw, output); err != nil {
				return err
			}
			if err := syncFile(output); err != nil {
				return err
			}
			return digest()
		})))
	if err != nil {
		return err
	}
	// What the measure verifies was made by the engine, whatever ran last.
	if _, err := convert("--stamp", "--stamp-key", key)(); err != nil {
		return err
	}
	return c.row("verify a sealed stamp, 1 GiB of data in 4 GiB", "`sha256sum`",
		c.program(c.assay, "stamp", "verify", "--key", key, output), timed(digest))
}
