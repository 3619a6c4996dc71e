package nbd

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
)

// BenchmarkServe measures reads of a cached file by a client that has eight
// of them under way, as qemu-img reads: grains of a vmdk, clusters of a qcow2,
// and runs of these. Besides the time it tells the processor's, of both sides.
func BenchmarkServe(b *testing.B) {
	const size = 64 << 20
	f, err := os.Create(b.TempDir() + "/source")
	must(b, err)
	defer f.Close()
	_, err = f.Write(content(size))
	must(b, err)
	for _, length := range []int64{4 << 10, 64 << 10, 128 << 10, 256 << 10, 2 << 20} {
		b.Run(fmt.Sprintf("%dKiB", length>>10), func(b *testing.B) {
			server, client, err := Pair()
			must(b, err)
			defer server.Close()
			defer client.Close()
			done := make(chan error, 1)
			go func() { done <- Serve(b.Context(), server, Export{Size: size, Source: f}) }()
			_, err = client.Write(opened().Bytes())
			must(b, err)
			_, err = io.ReadFull(client, make([]byte, 18+20+(20+18)+20+(20+12)+(20+14)+20))
			must(b, err)
			b.SetBytes(length)
			before := processorTime(b)
			b.ResetTimer()
			header, data := make([]byte, headerRoom), make([]byte, length)
			asked := 0
			ask := func() {
				offset := uint64(int64(asked) * length % size)
				_, err := client.Write(new(wire).request(cmdRead, 0, uint64(asked), offset, uint32(length)).Bytes())
				must(b, err)
				asked++
			}
			for range min(8, b.N) {
				ask()
			}
			for range b.N {
				_, err := io.ReadFull(client, header)
				must(b, err)
				_, err = io.ReadFull(client, data)
				must(b, err)
				if asked < b.N {
					ask()
				}
			}
			b.StopTimer()
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
			_, err = client.Write(new(wire).request(cmdDisc, 0, 0, 0, 0).Bytes())
			must(b, err)
			must(b, <-done)
		})
	}
}

// processorTime returns what this process has used, in nanoseconds.
func processorTime(b *testing.B) int64 {
	b.Helper()
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return u.Utime.Nano() + u.Stime.Nano()
}
