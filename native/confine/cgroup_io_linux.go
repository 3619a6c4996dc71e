package confine

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/assay-dev/assay/internal/mountinfo"
	"golang.org/x/sys/unix"
)

// holdTo holds the group to these rates and tells whether it could, for all of
// them: the kernel has no limits for what is no whole block device.
func (g *cgroup) holdTo(rates []DeviceRate) bool {
	for i, f := range g.folders {
		if f.unified {
			g.io = &g.folders[i]
		}
	}
	if g.io == nil {
		h := blkio()
		if h == nil {
			return false
		}
		f, err := makeFolder(*h)
		if err != nil {
			return false
		}
		g.io, g.blkio = &f, &f
	}
	for _, r := range rates {
		if g.io.limitDevice(r.Device, strconv.FormatInt(r.BytesPerSecond, 10)) != nil {
			return false
		}
	}
	return true
}

// lift takes the rates off, before the processes are killed: a process does
// not die before what it has asked of a device was done.
func (g *cgroup) lift(rates []DeviceRate) {
	if g.io == nil {
		return
	}
	unlimited := "0"
	if g.io.unified {
		unlimited = "max"
	}
	for _, r := range rates {
		_ = g.io.limitDevice(r.Device, unlimited) // or it dies later
	}
}

// limitDevice sets the limits of a device: io.max
// (Documentation/admin-guide/cgroup-v2.rst), or of version 1 two files
// (Documentation/admin-guide/cgroup-v1/blkio-controller.rst).
func (f groupFolder) limitDevice(device uint64, rate string) error {
	number := fmt.Sprintf("%d:%d", unix.Major(device), unix.Minor(device))
	if f.unified {
		return f.write("io.max", fmt.Sprintf("%s rbps=%s wbps=%s", number, rate, rate))
	}
	return errors.Join(f.write("blkio.throttle.read_bps_device", number+" "+rate), f.write("blkio.throttle.write_bps_device", number+" "+rate))
}

// blkio is the hierarchy of version 1 that has the limits of devices; nil where
// there is none in which groups can be made.
var blkio = sync.OnceValue(func() *hierarchy {
	own, err := readLines("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	mounts, err := readLines("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	h := blkioOf(own, mounts)
	if h != nil {
		sweep(*h)
	}
	return h
})

// blkioOf is blkio by the lines of /proc/self/cgroup and /proc/self/mountinfo.
func blkioOf(own, mounts []string) *hierarchy {
	for _, m := range mounts {
		mount := mountinfo.Parse(m)
		if mount.Kind != "cgroup" || !slices.Contains(strings.Split(mount.Options, ","), "blkio") {
			continue
		}
		h := hierarchy{controllers: []string{"blkio"}}
		var ok bool
		if h.group, ok = h.ownFolder(own, mount); ok {
			return &h
		}
	}
	return nil
}
