package engine

import "fmt"

// Option changes one inspection.
type Option func(*options)

type options struct {
	name   string
	claim  Format
	depth  Depth
	digest bool
}

// Claim says which format the image is said to be; a claim that differs from
// what is found is a finding. Aliases are resolved; ami, aki and ari are
// claims too.
func Claim(f Format) Option { return func(o *options) { o.claim = f } }

// AtDepth sets how far the inspection looks; the default is Header.
func AtDepth(d Depth) Option { return func(o *options) { o.depth = d } }

// WithDigest adds the SHA-256 of the inspected bytes to the report.
func WithDigest() Option { return func(o *options) { o.digest = true } }

// Named sets the name of the source in the report; the default is the file's
// name, or "-". It is escaped there.
func Named(name string) Option { return func(o *options) { o.name = name } }

func newOptions(opts []Option) (options, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	if o.claim != "" {
		claim, err := ParseClaim(string(o.claim))
		if err != nil {
			return o, fmt.Errorf("engine: claim: %w", err)
		}
		o.claim = claim
	}
	if o.depth != Header && o.depth != Deep {
		return o, fmt.Errorf("engine: depth %d is neither Header nor Deep", o.depth)
	}
	return o, nil
}
