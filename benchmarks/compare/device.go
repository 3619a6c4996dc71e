package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// deviceCopies compares copying a raw disk to a block device, a loop device
// over a file that is written to past the page cache, with qemu-img's best
// flags. Both zero what the device held in the holes of the disk.
func (c *comparison) deviceCopies() (err error) {
	const what = "copy raw to a block device, 1 GiB of data in 4 GiB"
	if !c.wants(what) || !c.has("losetup") || !c.has("qemu-img") {
		return nil
	}
	if os.Geteuid() != 0 {
		c.notes = append(c.notes, "Not measured: block devices, which take root.")
		return nil
	}
	raw, err := c.disk()
	if err != nil {
		return err
	}
	file := filepath.Join(c.dir, "device")
	if err := nothingRead(file); err != nil {
		return err
	}
	name, err := c.output("losetup", "--find", "--show", "--direct-io=on", file)
	if err != nil {
		return err
	}
	device := strings.TrimSpace(name)
	defer func() { err = errors.Join(err, exec.Command("losetup", "--detach", device).Run()) }()
	return c.row(what, "`qemu-img convert -n -W -t none`, synced",
		c.program(c.assay, "convert", "--claim", "raw", "--to", "raw", raw, device),
		timed(c.synced(device, "qemu-img", "convert", "-n", "-W", "-t", "none", "-f", "raw", "-O", "raw", raw, device)))
}
