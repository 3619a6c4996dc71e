// Package sysblock is what the native packages ask of sysfs about block
// devices, by their numbers (Documentation/ABI/stable/sysfs-block). What it does
// not tell, there is not.
package sysblock

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Folder is the folder in which the system describes a device.
func Folder(device uint64) string {
	return fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(device), unix.Minor(device))
}

// DiskOf returns the disk that a device is a partition of.
func DiskOf(device uint64) (disk uint64, isPartition bool) {
	folder := Folder(device)
	if _, err := os.Stat(folder + "/partition"); err != nil {
		return 0, false
	}
	// The folder of a partition is in that of its disk.
	return Number(folder + "/../dev")
}

// Number returns the device whose number is in a file of sysfs.
func Number(path string) (device uint64, ok bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	var major, minor uint32
	if _, err := fmt.Sscanf(string(text), "%d:%d", &major, &minor); err != nil {
		return 0, false
	}
	return unix.Mkdev(major, minor), true
}
