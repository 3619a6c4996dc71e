package main

import (
	"bytes"
	"os"
	"path/filepath"
)

// stamps compares what a stamp costs with the same copy without one, and with
// the tools that come to the same: the copy, and a digest of what it wrote.
func (c *comparison) stamps() error {
	const (
		stamped  = "copy with a stamp, 1 GiB of data in 4 GiB"
		sealed   = "copy with a sealed stamp, 1 GiB of data in 4 GiB"
		verified = "verify a sealed stamp, 1 GiB of data in 4 GiB"
	)
	if !c.wants(stamped) && !c.wants(sealed) && !c.wants(verified) {
		return nil
	}
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
	err = c.row(stamped, "without", convert("--stamp"), convert())
	if err != nil || !c.has("qemu-img") || !c.has("sha256sum") {
		return err
	}
	digest := func() error {
		_, err := c.output("sha256sum", output)
		return err
	}
	copied := c.synced(output, "qemu-img", "convert", "-W", "-f", "raw", "-O", "raw", raw, output)
	err = c.row(sealed, "`qemu-img convert -W`, synced, and `sha256sum`",
		convert("--stamp", "--stamp-key", key),
		c.afresh(output, timed(func() error {
			if err := copied(); err != nil {
				return err
			}
			return digest()
		})))
	if err != nil || !c.wants(verified) {
		return err
	}
	// What the measure verifies was made by the engine, whatever ran last.
	if _, err := convert("--stamp", "--stamp-key", key)(); err != nil {
		return err
	}
	return c.row(verified, "`sha256sum`",
		c.program(c.assay, "stamp", "verify", "--key", key, output), timed(digest))
}
