package destination

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/assay-dev/assay/internal/sysblock"
	"golang.org/x/sys/unix"
)

// A layer is a file or a block device, whose data may be those of another one
// beneath it.
type layer struct {
	dev uint64 // the number of the device, or of the one that holds the file
	ino uint64 // of the file; 0 of a device
}

// layerOf is what an open file is, if it is a layer.
func layerOf(info os.FileInfo) (layer, bool) {
	if info == nil {
		return layer{}, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return layer{}, false
	case st.Mode&unix.S_IFMT == unix.S_IFBLK:
		return layer{dev: uint64(st.Rdev)}, true
	case st.Mode&unix.S_IFMT == unix.S_IFREG:
		return layer{dev: uint64(st.Dev), ino: st.Ino}, true
	}
	return layer{}, false
}

// apart refuses a device that is the source, beneath it, or above it.
func apart(path string, device *os.File, source os.FileInfo) error {
	info, err := device.Stat()
	if err != nil {
		return fmt.Errorf("destination %s: %w", path, err)
	}
	from, ok := layerOf(source)
	if !ok {
		return nil
	}
	to, ok := layerOf(info)
	switch {
	case !ok:
		return nil
	case loopBottom(from) == loopBottom(to):
		return &SourceError{Path: path}
	case below(from)[to] || below(to)[from]:
		return &SharedError{Path: path}
	}
	return nil
}

// layersBound is how many layers are looked at. The kernel bounds how deep
// file systems and loop devices can be stacked, well below.
const layersBound = 256

// below is a layer and all that is known to be beneath it.
func below(top layer) map[layer]bool {
	seen := map[layer]bool{top: true}
	for todo := []layer{top}; len(todo) > 0 && len(seen) < layersBound; {
		next := beneath(todo[0])
		todo = todo[1:]
		for _, l := range next {
			if !seen[l] {
				seen[l] = true
				todo = append(todo, l)
			}
		}
	}
	return seen
}

// beneath is what is directly beneath a layer: of a file, the device of its
// file system; of a partition, its disk; of a loop device, its backing file;
// of a volume, its parts (Documentation/ABI/stable/sysfs-block).
func beneath(l layer) []layer {
	if l.ino != 0 {
		// 0 is the major number of file systems without a device.
		if unix.Major(l.dev) == 0 {
			return nil
		}
		return []layer{{dev: l.dev}}
	}
	var all []layer
	if backing, ok := loopBacking(l); ok {
		all = append(all, backing)
	}
	if disk, ok := sysblock.DiskOf(l.dev); ok {
		all = append(all, layer{dev: disk})
	}
	parts, _ := filepath.Glob(sysblock.Folder(l.dev) + "/slaves/*/dev") // the error is of the pattern
	for _, part := range parts {
		if device, ok := sysblock.Number(part); ok {
			all = append(all, layer{dev: device})
		}
	}
	return all
}

// loopBottom is what is beneath all loop devices.
func loopBottom(l layer) layer {
	for range layersBound {
		backing, ok := loopBacking(l)
		if !ok {
			break
		}
		l = backing
	}
	return l
}

// loopBacking is what a loop device, which it may be, has its data in.
func loopBacking(l layer) (layer, bool) {
	if l.ino != 0 {
		return layer{}, false
	}
	path, err := os.ReadFile(sysblock.Folder(l.dev) + "/loop/backing_file")
	if err != nil {
		return layer{}, false
	}
	info, err := os.Stat(strings.TrimSuffix(string(path), "\n"))
	if err != nil {
		return layer{}, false // it has no name any more, or none here
	}
	return layerOf(info)
}

// loopOf tells whether an open device is a loop device of the source, which
// needs no name of it (LOOP_GET_STATUS64).
func loopOf(fd int, source os.FileInfo) bool {
	from, ok := layerOf(source)
	if !ok {
		return false
	}
	info, err := unix.IoctlLoopGetStatus64(fd)
	if err != nil {
		return false // it is no loop device
	}
	if from.ino == 0 {
		return info.Rdevice == from.dev
	}
	return info.Device == from.dev && info.Inode == from.ino
}
