package engine

import "fmt"

// A VolumeSizeError says that a disk does not fit into a volume.
type VolumeSizeError struct {
	Source      string
	VirtualSize int64 // of the disk, in bytes
	Volume      int64 // GiB that the volume has
}

// Needed returns the size of the smallest volume that the disk fits into, in
// GiB.
func (e *VolumeSizeError) Needed() int64 {
	gib := e.VirtualSize >> 30
	if e.VirtualSize&(1<<30-1) != 0 {
		gib++
	}
	return gib
}

// Error implements error.
func (e *VolumeSizeError) Error() string {
	return fmt.Sprintf("%s: its disk of %d bytes needs a volume of %d GiB, and this one has %d", e.Source, e.VirtualSize, e.Needed(), e.Volume)
}

// Hint says what to do about it.
func (e *VolumeSizeError) Hint() string { return "make a larger volume" }

// FitsVolume fails with a *VolumeSizeError when the disk does not fit into a
// volume of so many GiB: block storage counts in whole ones, and a disk needs
// as many as it has begun.
func (r *Report) FitsVolume(gib int64) error {
	if e := (&VolumeSizeError{r.Source, r.VirtualSize, gib}); e.Needed() > gib {
		return e
	}
	return nil
}
