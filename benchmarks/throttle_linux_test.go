package benchmarks

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assay-dev/assay/engine"
)

const (
	// asked is the rate in bytes per second, well below what anything can do,
	// and seconds how long a job at that rate takes.
	asked   = 32 << 20
	seconds = 4
)

// BenchmarkRateLimit tells what came of a rate that was asked for, in all of
// the time that a conversion took: got/asked, of what is written or, where that
// is less, of what is read. Where two jobs run, it is that of both until the
// first ended, and "split" the part of the one that had got less by then; equal
// parts are 0.5.
func BenchmarkRateLimit(b *testing.B) {
	disk := filepath.Join(b.TempDir(), "disk")
	data := make([]byte, asked*seconds)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	if err := os.WriteFile(disk, data, 0o600); err != nil {
		b.Fatal(err)
	}
	// Text compresses, so that much is written for little that is read.
	text := filepath.Join(b.TempDir(), "text")
	for i := range data {
		data[i] = "0123456789abcdef"[data[i]&15]
	}
	if err := os.WriteFile(text, data, 0o600); err != nil {
		b.Fatal(err)
	}
	qcow2, packed := filepath.Join(b.TempDir(), "qcow2"), filepath.Join(b.TempDir(), "packed")
	qemuImg(b, "convert", "-f", "raw", "-O", "qcow2", disk, qcow2)
	qemuImg(b, "convert", "-f", "raw", "-O", "qcow2", "-c", text, packed)
	eng, err := engine.New(b.Context(), engine.NewConfig().WithRateLimit(asked))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { eng.Close(b.Context()) })
	// The first conversion looks for the tool too.
	small := filepath.Join(b.TempDir(), "small")
	qemuImg(b, "create", "-q", "-f", "qcow2", small, "1M")
	if _, err := eng.Convert(b.Context(), vet(b, eng, small, "qcow2"), engine.ToFile(small+".raw"), engine.ConvertOptions{To: engine.Raw}); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name, path string
		claim, to  engine.Format
		device     bool
	}{
		{"copy, to a file", disk, engine.Raw, engine.Raw, false},
		{"copy, to a device", disk, engine.Raw, engine.Raw, true},
		{"qcow2 to raw, a file", qcow2, "qcow2", engine.Raw, false},
		{"qcow2 to raw, a device", qcow2, "qcow2", engine.Raw, true},
		{"raw to qcow2", disk, engine.Raw, "qcow2", false},
		{"compressed qcow2 to raw", packed, "qcow2", engine.Raw, false},
	} {
		b.Run(c.name, func(b *testing.B) {
			image := vet(b, eng, c.path, c.claim)
			for b.Loop() {
				to := engine.ToFile(filepath.Join(b.TempDir(), "out"))
				if c.device {
					to = engine.ToDevice(loopDevice(b))
				}
				began := time.Now()
				result, err := eng.Convert(b.Context(), image, to, engine.ConvertOptions{To: c.to})
				if err != nil {
					b.Fatal(err)
				}
				took := time.Since(began).Seconds()
				moved := max(result.RateLimit.Read, *result.RateLimit.Written)
				b.ReportMetric(float64(moved)/took/asked, "got/asked")
			}
		})
	}
	for _, c := range []struct {
		name         string
		path1, path2 string
		claim1       engine.Format
	}{
		{"two copies", disk, disk, engine.Raw},
		{"a copy and a compressed qcow2", packed, disk, "qcow2"},
		{"a copy and a qcow2", qcow2, disk, "qcow2"},
	} {
		b.Run(c.name, func(b *testing.B) {
			images := [2]*engine.Image{vet(b, eng, c.path1, c.claim1), vet(b, eng, c.path2, engine.Raw)}
			for b.Loop() {
				var done [2]atomic.Int64 // of the disk, which is what is written
				var group sync.WaitGroup
				var first sync.Once
				began := time.Now()
				for i, image := range images {
					out := filepath.Join(b.TempDir(), "out")
					group.Go(func() {
						_, err := eng.Convert(b.Context(), image, engine.ToFile(out), engine.ConvertOptions{
							To: engine.Raw, Progress: func(n, _ int64) { done[i].Store(n) },
						})
						if err != nil {
							b.Error(err)
						}
						first.Do(func() {
							one, other := done[0].Load(), done[1].Load()
							b.ReportMetric(float64(min(one, other))/float64(one+other), "split")
							b.ReportMetric(float64(one+other)/time.Since(began).Seconds()/asked, "got/asked")
						})
					})
				}
				group.Wait()
			}
		})
	}
}

func vet(b *testing.B, eng *engine.Engine, path string, claim engine.Format) *engine.Image {
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	image, err := eng.Vet(b.Context(), engine.File(f), engine.Claim(claim))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { image.Close() })
	return image
}

func qemuImg(b *testing.B, args ...string) {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		b.Skip(err)
	}
	if out, err := exec.CommandContext(b.Context(), "qemu-img", args...).CombinedOutput(); err != nil {
		b.Fatalf("qemu-img %q: %v: %s", args, err, out)
	}
}

// loopDevice makes a block device for the disk.
func loopDevice(b *testing.B) string {
	if os.Geteuid() != 0 {
		b.Skip("loop devices need root")
	}
	backing := filepath.Join(b.TempDir(), "backing")
	if err := os.WriteFile(backing, nil, 0o600); err != nil {
		b.Fatal(err)
	}
	if err := os.Truncate(backing, asked*seconds); err != nil {
		b.Fatal(err)
	}
	out, err := exec.Command("losetup", "--find", "--show", "--sector-size", "4096", backing).Output()
	if err != nil {
		b.Skipf("losetup: %v", err)
	}
	device := strings.TrimSpace(string(out))
	b.Cleanup(func() {
		if out, err := exec.Command("losetup", "--detach", device).CombinedOutput(); err != nil {
			b.Errorf("losetup: %v: %s", err, out)
		}
	})
	return device
}
