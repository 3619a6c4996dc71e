package engine

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/assay-dev/assay/native/destination"
)

// Destination is where a conversion puts its output. Make it with ToFile or
// ToDevice.
type Destination struct {
	path   string
	device bool
}

// ToFile names a file. It appears when it is complete, or not at all; its
// folder must exist.
func ToFile(path string) Destination { return Destination{path: path} }

// ToDevice names a block device, which takes raw disks, and LUKS: encrypted
// volumes are that. It must be as large as the disk, and the header of LUKS
// before it, and nothing else may use it. Nothing is written to it before the
// image was vetted, and all of it is overwritten: behind the disk with zeros,
// unless ConvertOptions.KeepTail says otherwise. LUKS notes no size, so that
// whoever opens it finds a disk up to the end of the device, and behind the
// image's what zeros decrypt to.
func ToDevice(path string) Destination { return Destination{path, true} }

// output is a destination being written. Either Commit or Abort ends it; after
// Commit, Abort does nothing.
type output interface {
	File() *os.File
	Path() string
	// Source is the output as it is inspected.
	Source() Source
	// Clear makes it hold zeros where the disk will be.
	Clear(context.Context) error
	Commit(context.Context) error
	Abort() error
}

// open begins a destination for a disk of size bytes.
func (d Destination) open(size int64, image *Image, o ConvertOptions) (output, error) {
	if !d.device {
		f, err := destination.Create(d.path, destination.Overwrite(o.Overwrite), image.fileInfo())
		if err != nil {
			return nil, err
		}
		return fileOutput{file: f}, nil
	}
	if o.Stamp || o.To != Raw && o.To != luksFormat {
		return nil, fmt.Errorf("destination %s: %w: a device takes a raw disk or LUKS, and no stamp", d.path, ErrNotSupported)
	}
	if o.To == luksFormat {
		size += o.Encryption.HeaderSize()
	}
	dev, err := destination.OpenDevice(d.path, size, image.fileInfo())
	if err != nil {
		return nil, err
	}
	return &deviceOutput{Device: dev, size: size, keepTail: o.KeepTail}, nil
}

type fileOutput struct{ file *destination.File }

func (f fileOutput) File() *os.File               { return f.file.File() }
func (f fileOutput) Path() string                 { return f.file.Path() }
func (f fileOutput) Source() Source               { return File(f.File()) }
func (f fileOutput) Clear(context.Context) error  { return nil } // it is new
func (f fileOutput) Commit(context.Context) error { return f.file.Commit() }
func (f fileOutput) Abort() error                 { return f.file.Abort() }

type deviceOutput struct {
	*destination.Device
	size     int64 // of the output on it, in bytes
	keepTail bool
}

// Source is the disk, and not what is behind it.
func (d *deviceOutput) Source() Source {
	return ReaderAt(io.NewSectionReader(d.File(), 0, d.size), d.size)
}

func (d *deviceOutput) Commit(ctx context.Context) error {
	return d.Device.Commit(ctx, d.size, d.keepTail)
}
