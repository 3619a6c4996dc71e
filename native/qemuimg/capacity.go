package qemuimg

import (
	"errors"
	"fmt"
	"math"
)

// A CapacityError says that a disk is larger than a target can hold, as it was
// asked for, or an image that is to be resized, as it was made. Nothing was
// started. It matches errors.ErrUnsupported.
type CapacityError struct {
	Target string // the name of the format
	Size   int64  // of the disk, in bytes
	Limit  int64  // the most that the target holds, in bytes
	Of     string // what of the format sets the limit
}

// Error implements error.
func (e *CapacityError) Error() string {
	return fmt.Sprintf("a disk of %d bytes is too large for %s, which holds at most %d (%s)", e.Size, e.Target, e.Limit, e.Of)
}

// Hint says what to do about it.
func (e *CapacityError) Hint() string {
	if e.Target == TargetQcow2 {
		return "convert to qcow2 with a larger cluster_size"
	}
	return "choose another format: raw and qcow2 hold more"
}

// Is reports whether target is errors.ErrUnsupported.
func (e *CapacityError) Is(target error) bool { return target == errors.ErrUnsupported }

// checkCapacity refuses a disk of size bytes for a format of this capacity, nil
// where there is no limit.
func checkCapacity(format string, size int64, capacity func(settings) (int64, string), set settings) error {
	if capacity == nil {
		return nil
	}
	if limit, of := capacity(set); size > limit {
		return &CapacityError{Target: format, Size: size, Limit: limit, Of: of}
	}
	return nil
}

// The capacities are those of the formats as qemu writes them;
// TestCapacity and TestResizeCapacity compare them with what it refuses.

// vhdCapacity: block/vpc.c, VHD_MAX_SECTORS; that of Virtual PC and Hyper-V.
func vhdCapacity(settings) (int64, string) {
	return 0xff000000 * sector, "2040 GiB, whatever its variant"
}

// vhdxCapacity: MS-VHDX 2.6.2.4, Virtual Disk Size.
func vhdxCapacity(settings) (int64, string) { return 64 << 40, "64 TiB" }

// vdiCapacity: block/vdi.c keeps the header of 512 bytes and the map, of 4
// bytes for each block of 1 MiB, in less than 2 GiB.
func vdiCapacity(settings) (int64, string) {
	return (1<<31 - 512) / 4 << 20, "a map of 4 bytes for each MiB, below 2 GiB"
}

// vmdkCapacity: the entries of a sparse extent's grain tables are numbers of
// sectors of its file, of 32 bits (VMware Virtual Disk Format 5.0, Grain Table;
// in block/vmdk.c, VMDK_EXTENT_MAX_SECTORS). A larger disk could be created,
// and not be filled.
func vmdkCapacity(settings) (int64, string) {
	return 1 << 32 * sector, "2 TiB: grain tables number sectors in 32 bits"
}

// qcow2Capacity: docs/interop/qcow2.txt, and QCOW_MAX_L1_SIZE and
// QCOW_MAX_REFTABLE_SIZE of block/qcow2.h.
func qcow2Capacity(set settings) (int64, string) {
	const l1, refcountTable, pointer = 32 << 20, 8 << 20, 8
	cluster := set.number("cluster_size", 64<<10)
	entry := int64(8)
	if set["extended_l2"] == "on" {
		entry = 16
	}
	bits := set.number("refcount_bits", 16)
	mapped := l1 / pointer * (cluster / entry) * cluster
	// Of a cluster of refcounts; all of them may count more than an int64.
	block := cluster * 8 / bits * cluster
	if counted := refcountTable / pointer * block; block < mapped/(refcountTable/pointer) {
		return counted, fmt.Sprintf("a refcount table of 8 MiB, with clusters of %d bytes and refcounts of %d bits", cluster, bits)
	}
	return mapped, fmt.Sprintf("an L1 table of 32 MiB, with clusters of %d bytes", cluster)
}

// qedCapacity: docs/interop/qed_spec.txt, section Tables: each of the L1 table
// and the L2 tables has table_size clusters, of entries of 8 bytes.
func qedCapacity(made settings) (int64, string) {
	const entry = 8
	cluster, table := made.number("cluster_size", 64<<10), made.number("table_size", 4)
	entries := table * cluster / entry
	of := fmt.Sprintf("tables of %d clusters of %d bytes", table, cluster)
	if mapped := entries * cluster; mapped <= math.MaxInt64/entries {
		return mapped * entries, of
	}
	return math.MaxInt64, of
}
