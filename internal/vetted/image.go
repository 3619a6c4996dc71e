// Package vetted holds the one value that opens the way to the native side: an
// image that the engine looked at and accepted. Only package engine builds it
// (a test pins that), every native function takes it, and it cannot be made,
// copied or edited into acceptance from outside this module.
package vetted

import (
	"errors"
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

// Checker tells whether the source still is what was vetted. It returns an
// error that names what changed.
type Checker interface {
	Check() error
}

// Image is an accepted image with its open source. Its methods are safe for
// concurrent use. The image does not own the file.
type Image struct {
	facts   Facts
	file    *os.File
	checker Checker

	mu     sync.Mutex
	closed bool
	users  sync.WaitGroup
}

// New wraps an accepted image. file must stay open until Close returns;
// checker is asked before and after each use.
func New(facts Facts, file *os.File, checker Checker) *Image {
	return &Image{facts: facts, file: file, checker: checker}
}

// Facts returns what the verdict established.
func (i *Image) Facts() Facts { return i.facts }

// Acquire returns the open source for one job and a function that ends the
// job; Close waits for it. It fails with ErrClosed, or with the checker's
// error when the source is no longer what was vetted.
func (i *Image) Acquire() (file *os.File, release func(), err error) {
	i.mu.Lock()
	if i.closed {
		i.mu.Unlock()
		return nil, nil, ErrClosed
	}
	i.users.Add(1)
	i.mu.Unlock()
	release = sync.OnceFunc(i.users.Done)
	if err := i.checker.Check(); err != nil {
		release()
		return nil, nil, err
	}
	return i.file, release, nil
}

// Recheck tells whether the source still is what was vetted; a job calls it
// when the tool is done, before its output is used.
func (i *Image) Recheck() error { return i.checker.Check() }

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
