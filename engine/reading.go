package engine

import (
	"context"
	"fmt"

	"github.com/assay-dev/assay/internal/vetted"
	"github.com/assay-dev/assay/native/qemuimg"
)

// withTool waits for its turn and calls the tool with images that this engine
// vetted, each ready for the hand-off. What the call is for begins the errors.
func (e *Engine) withTool(ctx context.Context, what string, bestEffort bool, handOff string, images []*Image, call func(*qemuimg.Tool, []*vetted.Image) error) (*qemuimg.Tool, error) {
	tool, err := e.handImages(ctx, bestEffort, handOff, images, call)
	if err != nil {
		return nil, fmt.Errorf("engine: %s: %w", what, err)
	}
	return tool, nil
}

func (e *Engine) handImages(ctx context.Context, bestEffort bool, handOff string, images []*Image, call func(*qemuimg.Tool, []*vetted.Image) error) (*qemuimg.Tool, error) {
	leave, err := e.admit()
	if err != nil {
		return nil, err
	}
	defer leave()
	for _, image := range images {
		if err := image.usableBy(e); err != nil {
			return nil, err
		}
		release, err := image.vetted.Hold()
		if err != nil {
			return nil, notVetted(err)
		}
		defer release()
	}
	tool, err := e.qemuImg(ctx, bestEffort)
	if err != nil {
		return nil, err
	}
	var handed []*vetted.Image
	for _, image := range images {
		one, closeOne, err := image.handedBy(ctx, tool, handOff)
		if err != nil {
			return nil, err
		}
		defer closeOne()
		handed = append(handed, one)
	}
	done, err := turn(ctx, e.processes)
	if err != nil {
		return nil, err
	}
	defer done()
	return tool, call(tool, handed)
}
