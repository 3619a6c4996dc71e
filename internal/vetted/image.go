// Package vetted holds the one value that opens the way to the native side: an
// image that the engine looked at and accepted. Only package engine builds it
// (a test pins that), every native function takes it, and it cannot be made,
// copied or edited into acceptance from outside this module.
package vetted

import (
	"errors"
	"io"
	"os"
	"sync"
)

// ErrClosed is returned when an image is used after Close.
var ErrClosed = errors.New("vetted image is closed")

// Facts is what the verdict established about an image.
type Facts struct {
	Format      string // the contract's name: "qcow2"
	Driver      string // qemu's name for it: "qcow2", "raw", "vpc"
	Size        int64  // of the file, in bytes
	VirtualSize int64  // of the disk, in bytes
}

// Content is the bytes of an accepted image. Its methods are safe for
// concurrent use.
type Content interface {
	// Source is read for what was not inspected. It is an *os.File when the
	// image is one.
	Source() io.ReaderAt
	// Next returns the first inspected range that ends after off, in bytes;
	// an empty one when there is none.
	Next(off int64) (start, end int64)
	// ReadAt reads within one inspected range, what was inspected there; it
	// fails, and names what changed, when that is no longer to be had.
	io.ReaderAt
	// Begin fails, and names what changed, when the source is no longer what
	// was vetted. The function it returns does so for the time since.
	Begin() (end func() error, err error)
}

// Image is an accepted image with its open source. Its methods are safe for
// concurrent use. The image does not own the source.
type Image struct {
	facts   Facts
	content Content

	mu     sync.Mutex
	closed bool
	users  sync.WaitGroup
}

// New wraps an accepted image. The source must stay open until Close returns.
func New(facts Facts, content Content) *Image { return &Image{facts: facts, content: content} }

// Facts returns what the verdict established.
func (i *Image) Facts() Facts { return i.facts }

// Hold keeps the image open until release is called, for Close waits for
// that. It fails with ErrClosed.
func (i *Image) Hold() (release func(), err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return nil, ErrClosed
	}
	i.users.Add(1)
	return sync.OnceFunc(i.users.Done), nil
}

// Acquire begins a job, which must be released; Close waits for it. It fails
// with ErrClosed, or with the content's error when the source is no longer
// what was vetted.
func (i *Image) Acquire() (*Job, error) {
	release, err := i.Hold()
	if err != nil {
		return nil, err
	}
	end, err := i.content.Begin()
	if err != nil {
		release()
		return nil, err
	}
	return &Job{Content: i.content, image: i, unchanged: end, Release: release}, nil
}

// AcquireLive begins a job on a source that may be changing: what was vetted
// is not compared. It is for raw images, of which nothing is followed.
func (i *Image) AcquireLive() (*Job, error) {
	release, err := i.Hold()
	if err != nil {
		return nil, err
	}
	return &Job{Content: i.content, image: i, unchanged: func() error { return nil }, Release: release}, nil
}

// Job is one use of an image.
type Job struct {
	Content
	// Release ends the job. It may be called again.
	Release   func()
	image     *Image
	unchanged func() error
}

// Hold keeps the image open also when the job has been released, until release
// is called: for a read of the source that cannot be waited for.
func (j *Job) Hold() (release func()) {
	// The job has not been released, so Close is not done waiting.
	j.image.users.Add(1)
	return sync.OnceFunc(j.image.users.Done)
}

// File returns the source when it is a file, else nil.
func (j *Job) File() *os.File {
	f, _ := j.Source().(*os.File)
	return f
}

// Recheck tells whether the source was what was vetted all the time; a job
// calls it when the tool is done, before its output is used.
func (j *Job) Recheck() error { return j.unchanged() }

// Close ends the image: later uses fail, and Close returns when the jobs that
// hold it are done. It reports whether this call was the one that closed it.
func (i *Image) Close() bool {
	i.mu.Lock()
	first := !i.closed
	i.closed = true
	i.mu.Unlock()
	i.users.Wait()
	return first
}
