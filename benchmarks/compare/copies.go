package main

import "path/filepath"

// copies compares copying a raw disk, vetted before and inspected after, with
// qemu-img as it comes, with the best of its flags, and with cp, each with its
// output synced to disk; and with writing alone, by way of the page cache.
func (c *comparison) copies() error {
	const what = "copy raw to raw, 1 GiB of data in 4 GiB"
	if !c.wants(what) {
		return nil
	}
	raw, err := c.disk()
	if err != nil {
		return err
	}
	output := filepath.Join(c.dir, "output")
	copied := c.afresh(output, c.program(c.assay, "convert", "--claim", "raw", "--to", "raw", raw, output))
	err = c.row(what, "as much data written and synced, and nothing read",
		copied, c.afresh(output, timed(func() error { return nothingRead(output) })))
	if err != nil {
		return err
	}
	for _, other := range []struct {
		said, name string
		args       []string
	}{
		{"`qemu-img convert`", "qemu-img", []string{"convert", "-f", "raw", "-O", "raw", raw, output}},
		{"`qemu-img convert -W`", "qemu-img", []string{"convert", "-W", "-f", "raw", "-O", "raw", raw, output}},
		{"`qemu-img convert -W -t none`", "qemu-img", []string{"convert", "-W", "-t", "none", "-f", "raw", "-O", "raw", raw, output}},
		{"`cp --sparse=always`", "cp", []string{"--sparse=always", raw, output}},
	} {
		if !c.has(other.name) {
			continue
		}
		err := c.row(what, other.said+", synced",
			copied, c.afresh(output, timed(c.synced(output, other.name, other.args...))))
		if err != nil {
			return err
		}
	}
	return nil
}
