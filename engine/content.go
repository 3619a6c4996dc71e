package engine

import (
	"fmt"
	"io"
	"os"
	"sort"
)

// content is the bytes of a vetted image as the native side gets them
// (vetted.Content): what was inspected as it was then, kept or verified block
// by block, and the rest from the source.
type content struct {
	image  *Image
	reader io.ReaderAt
	file   *os.File // what reader is, when it is a file; else nil
	seen   []Range
}

func (i *Image) newContent() *content {
	return &content{image: i, reader: i.source.reader, file: i.source.file, seen: i.seen.ranges()}
}

// on returns the same content, read from a copy of the source.
func (c *content) on(copied *os.File) *content {
	return &content{image: c.image, reader: copied, file: copied, seen: c.seen}
}

// Source implements vetted.Content.
func (c *content) Source() io.ReaderAt { return c.reader }

// Next implements vetted.Content.
func (c *content) Next(off int64) (start, end int64) {
	i := sort.Search(len(c.seen), func(i int) bool { return c.seen[i][0]+c.seen[i][1] > off })
	if i == len(c.seen) {
		return 0, 0
	}
	return c.seen[i][0], c.seen[i][0] + c.seen[i][1]
}

// ReadAt implements vetted.Content.
func (c *content) ReadAt(p []byte, off int64) (int, error) {
	if start, end := c.Next(off); off < start || off >= end || int64(len(p)) > end-off {
		return 0, fmt.Errorf("engine: %d bytes at offset %d were not all inspected", len(p), off)
	}
	n, err := c.image.seen.serve(c.reader, p, off)
	if err != nil {
		err = sourceError(c.image.report.Source, err)
	}
	return n, err
}

// Begin implements vetted.Content. Data that were not inspected must stay the
// same too for as long as a job lasts, or its output would be of no one
// moment; and must have, since the image was vetted. That they were written to
// shows in the file's modification time.
func (c *content) Begin() (end func() error, err error) {
	return c.unchanged, c.unchanged()
}

// unchanged fails when the source, or what it is inside of, is not what was
// vetted, or was written to since.
func (c *content) unchanged() error {
	if outer := c.image.source.outer; outer != nil {
		if err := outer.content.unchanged(); err != nil {
			return err
		}
	}
	if err := c.check(); err != nil {
		return err
	}
	return c.unwritten()
}

// unwritten fails when the caller's file was written to since it was looked
// at.
func (c *content) unwritten() error {
	was := c.image.source.written
	if was.IsZero() {
		return nil
	}
	now, err := modified(c.image.source.file)
	if err != nil {
		return fmt.Errorf("engine: %s: %w", c.image.report.Source, err)
	}
	if !now.Equal(was) {
		return &SourceChangedError{Source: c.image.report.Source, Offset: -1, What: "it was written to"}
	}
	return nil
}

// check compares size and inspected bytes with those that were vetted.
func (c *content) check() error {
	if c.file != nil {
		now, err := fileSize(c.file)
		if err != nil {
			return fmt.Errorf("engine: %s: %w", c.image.report.Source, err)
		}
		if was := c.image.seen.size; now != was {
			return &SourceChangedError{
				Source: c.image.report.Source, Offset: -1,
				What: fmt.Sprintf("its size was %d bytes and is %d", was, now),
			}
		}
	}
	if err := c.image.seen.check(c.reader); err != nil {
		return sourceError(c.image.report.Source, err)
	}
	return nil
}
