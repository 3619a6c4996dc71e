package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// prefixSize is how much of a stream is looked at before the rest is fetched,
// in bytes.
const prefixSize = 1 << 20

// Stream is an image that arrives in order and once, such as a download or a
// pipe. It is looked at twice: its first MiB while the rest is still to come,
// so that a rejecting finding ends the download (the report's Size is then
// -1), and the whole of it from a spool (Config.WithSpoolDir). The second
// report is the one returned; it equals that of the same bytes in a file. A
// stream of up to 1 MiB needs no spool. The caller closes r.
func Stream(r io.Reader) Source { return streamSource{r} }

type streamSource struct{ r io.Reader }

func (s streamSource) open(ctx context.Context, _ *Engine) (*openSource, error) {
	if s.r == nil {
		return nil, errors.New("engine: source is a nil reader")
	}
	prefix := make([]byte, prefixSize)
	n, err := io.ReadFull(contextReader{ctx, s.r}, prefix)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &openSource{name: "-", reader: bytes.NewReader(prefix[:n]), size: int64(n)}, nil
	case err != nil:
		return nil, fmt.Errorf("engine: reading the stream at offset %d: %w", n, err)
	}
	return &openSource{
		name: "-", reader: bytes.NewReader(prefix), size: SizeUnknown, arrived: prefixSize,
		rest: io.MultiReader(bytes.NewReader(prefix), s.r),
	}, nil
}

// complete fetches the rest of a stream into a spool; o is then a file of
// known size.
func (o *openSource) complete(ctx context.Context, e *Engine) error {
	spool, err := e.newSpool()
	if err != nil {
		return err
	}
	size, err := spool.fill(ctx, o.rest)
	if err != nil {
		spool.Close()
		return fmt.Errorf("engine: spooling the stream: %w", err)
	}
	o.spool, o.file, o.reader, o.size, o.rest = spool, spool.file, spool.file, size, nil
	return nil
}

// contextReader ends a copy between two reads when its context is done.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
