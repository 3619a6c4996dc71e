//go:build !linux

package confine

import (
	"context"
	"fmt"
	"os"
	"runtime"
)

const reason = "confinement needs Linux, this is " + runtime.GOOS

// Run fails with an error that matches errors.ErrUnsupported.
func Run(_ context.Context, s Spec) (*Result, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("run %s: %w", s.Path, &LayerError{Layer: LayerLimits, Reason: reason, Hint: "convert on a Linux host"})
}

// Layers lists the layers, none of which is available.
func Layers() []LayerStatus {
	var all []LayerStatus
	for _, name := range layerNames {
		all = append(all, LayerStatus{Name: name, Why: reason})
	}
	return all
}

// ReadTakesCapability says that none is held.
func ReadTakesCapability(*os.File) bool { return false }
