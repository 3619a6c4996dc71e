package engine

import (
	"context"
	"log/slog"
	"math"
	"time"
)

// logJob logs the end of a job that began at start: its name, what it was done
// to, and either its error or what it did.
func (e *Engine) logJob(ctx context.Context, job string, image *Image, start time.Time, err error, did ...slog.Attr) {
	attrs := []slog.Attr{slog.Duration("duration", time.Since(start))}
	if image != nil && image.report != nil {
		attrs = append(attrs, slog.String("source", image.report.Source))
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", Escape([]byte(err.Error()))))
		e.config.logger.LogAttrs(ctx, slog.LevelWarn, job+" failed", attrs...)
		return
	}
	e.config.logger.LogAttrs(ctx, slog.LevelInfo, job+" done", append(attrs, did...)...)
}

// rate is the attribute of how fast bytes of a disk went by since start, in
// MiB/s to a tenth.
func rate(bytes int64, start time.Time) slog.Attr {
	return slog.Float64("mib_per_second", math.Round(float64(perSecond(bytes, time.Since(start)))/(1<<20)*10)/10)
}

// perSecond is a rate in bytes.
func perSecond(bytes int64, elapsed time.Duration) int64 {
	return int64(min(float64(bytes)/max(elapsed, time.Microsecond).Seconds(), 1<<62))
}
