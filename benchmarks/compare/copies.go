package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// copies compares copying a raw disk, vetted before and inspected after, with
// qemu-img as it comes, with the best of its flags, and with cp, each with its
// output synced to disk; and with writing alone, which no copy is faster than.
func (c *comparison) copies() error {
	const what = "copy raw to raw, 1 GiB of data in 4 GiB"
	if !c.wants(what) {
		return nil
	}
	raw, err := c.disk()
	if err != nil {
		return err
	}
	ours, theirs := filepath.Join(c.dir, "ours.raw"), filepath.Join(c.dir, "theirs.raw")
	// Each into a new file: replacing one takes time, and not of a copy.
	copied := c.anew(ours, c.program(c.assay, "convert", "--claim", "raw", "--to", "raw", raw, ours))
	err = c.row(what, "as much data written and synced, and nothing read", copied, c.anew(theirs, timed(func() error { return nothingRead(theirs) })))
	if err != nil {
		return err
	}
	for _, other := range []struct {
		said, name string
		args       []string
	}{
		{"`qemu-img convert`", "qemu-img", []string{"convert", "-f", "raw", "-O", "raw", raw, theirs}},
		{"`qemu-img convert -W`", "qemu-img", []string{"convert", "-W", "-f", "raw", "-O", "raw", raw, theirs}},
		{"`qemu-img convert -W -t none`", "qemu-img", []string{"convert", "-W", "-t", "none", "-f", "raw", "-O", "raw", raw, theirs}},
		{"`cp --sparse=always`", "cp", []string{"--sparse=always", raw, theirs}},
	} {
		if !c.has(other.name) {
			continue
		}
		err := c.row(what, other.said+", synced",
			copied, c.anew(theirs, timed(c.synced(theirs, other.name, other.args...))))
		if err != nil {
			return err
		}
	}
	return nil
}

// anew is a measure of something that makes a file, which is removed when the
// clock has stopped.
func (c *comparison) anew(path string, m measure) measure {
	return func() (took time.Duration, err error) {
		takeMemory()
		took, err = m()
		if err == nil {
			err = os.Remove(path)
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
		return took, err
	}
}
