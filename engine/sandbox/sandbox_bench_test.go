package sandbox

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/assay-dev/assay/hostfuncs"
	wb "github.com/assay-dev/assay/internal/wasmbuild"
)

// shipped returns the module of the qcow2 probe.
func shipped(b *testing.B) []byte {
	b.Helper()
	wasm, err := os.ReadFile("../../probes/wasm/qcow2.wasm")
	if err != nil {
		b.Skipf("the qcow2 probe is not built: %v", err)
	}
	return wasm
}

// qcow2 is an empty version 3 image of 64 MiB in four clusters.
func qcow2() []byte {
	const cluster = 1 << 16
	b := make([]byte, 4*cluster)
	be := binary.BigEndian
	copy(b, "QFI\xfb")
	be.PutUint32(b[4:], 3)
	be.PutUint32(b[20:], 16)        // cluster_bits
	be.PutUint64(b[24:], 64<<20)    // size
	be.PutUint32(b[36:], 1)         // l1_size
	be.PutUint64(b[40:], 3*cluster) // l1_table_offset
	be.PutUint64(b[48:], cluster)   // refcount_table_offset
	be.PutUint32(b[56:], 1)         // refcount_table_clusters
	be.PutUint32(b[96:], 4)         // refcount_order
	be.PutUint32(b[100:], 104)      // header_length
	be.PutUint64(b[cluster:], 2*cluster)
	for i := range 4 {
		be.PutUint16(b[2*cluster+2*i:], 1)
	}
	return b
}

func benchModule(b *testing.B, mode Mode, wasm []byte) *Module {
	b.Helper()
	m, err := newSandbox(b, Config{Mode: mode}).Load(wasm, Shipped)
	if err != nil {
		b.Fatal(err)
	}
	return m
}

func BenchmarkLoad(b *testing.B) {
	wasm := shipped(b)
	b.SetBytes(int64(len(wasm)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := load(wasm); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCompile is what the first run of a shipped module costs on top of
// the run: validation and metering, then either engine.
func BenchmarkCompile(b *testing.B) {
	wasm := shipped(b)
	b.Run("validate-and-meter", func(b *testing.B) {
		m := benchModule(b, ModeInterpreter, wasm)
		for b.Loop() {
			if _, err := m.rewrite(); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, mode := range engines {
		b.Run(string(mode), func(b *testing.B) { compileOften(b, mode, wasm) })
	}
}

func compileOften(b *testing.B, mode Mode, wasm []byte) {
	m := benchModule(b, mode, wasm)
	if _, err := m.metered(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		m, err := m.sandbox.Load(wasm, Shipped)
		if err != nil {
			b.Fatal(err)
		}
		m.metered = func() ([]byte, error) { return m.parsed.meter(m.wasm) }
		c, err := m.code(hostfuncs.DepthHeader, hostfuncs.HeaderBudget())
		if err != nil {
			b.Fatal(err)
		}
		c.module.Close(b.Context())
	}
}

// BenchmarkCompileWorst compiles the slowest of 60 modules that were made at
// random within the bounds of the profile.
func BenchmarkCompileWorst(b *testing.B) {
	for _, mode := range engines {
		b.Run(string(mode), func(b *testing.B) { compileOften(b, mode, bomb(45)) })
	}
}

// bomb is a module at the bounds of the profile: functions of 16 KiB with 128
// locals, loops in each other, and branches to all of them.
func bomb(seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 1))
	index := func() []byte { return wb.U(rng.Uint64N(128)) }
	m, edges := wb.Probe(ret), 0
	for range 4 {
		var code []byte
		depth, blocks, branches := 0, 0, 0
		for len(code) < 15_800 && (blocks < 512 || branches < 1024) {
			switch n := rng.IntN(30); {
			case n < 8 && depth < 43 && blocks < 512:
				code = append(code, wb.Code([]int{wb.Block, wb.Loop}[rng.IntN(2)], wb.None)...)
				depth++
				blocks++
			case n < 10 && depth > 8:
				code = append(code, wb.End)
				depth--
			case n < 20 && branches < 1024 && edges < maxEdges:
				code = append(code, wb.Code(wb.LocalGet, index(), 0xa7, wb.BrIf, rng.IntN(depth+1))...)
				branches++
				edges++
			default:
				code = append(code, wb.Code(wb.LocalGet, index(), wb.LocalSet, index())...)
			}
		}
		code = append(code, repeat(depth, wb.End)...)
		m.FuncLocals(wb.TypeNone, wb.Vec(wb.Code(wb.U(128), wb.I64)), code)
	}
	return m.Bytes()
}

// BenchmarkRun is one run in steady state: of a probe that does nothing, which
// is the price of an instance, and of the shipped qcow2 probe.
func BenchmarkRun(b *testing.B) {
	for _, mode := range engines {
		b.Run(string(mode)+"/empty", func(b *testing.B) {
			runOften(b, benchModule(b, mode, wb.Probe(ret).Bytes()), header(nil))
		})
		b.Run(string(mode)+"/qcow2", func(b *testing.B) {
			in := header(qcow2())
			runOften(b, benchModule(b, mode, shipped(b)), in)
		})
	}
}

func runOften(b *testing.B, m *Module, in Input) (out Result) {
	if err := m.Run(b.Context(), in, &out); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Run(b.Context(), in, &out); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(out.Spent.Fuel), "fuel/op")
	return out
}

// BenchmarkFuelUnit is the time of one unit of fuel for kinds of code that are
// cheap or dear for their weight: the weights are right when these are close.
func BenchmarkFuelUnit(b *testing.B) {
	loop := func(body []byte) *wb.Module {
		return wb.Probe(wb.I32Const, 0, wb.LocalSet, 0, wb.Loop, wb.None, body,
			wb.LocalGet, 0, wb.I32Const, 1, wb.I32Add, wb.LocalTee, 0, wb.LocalGet, 1, 0xa7, wb.I32LtU, wb.BrIf, 0, wb.End, ret)
	}
	calls := loop(wb.Code(wb.Call, 3))
	calls.Func(wb.TypeNone)
	for _, c := range []struct {
		name string
		mod  *wb.Module
	}{
		{"tight-loop", loop(nil)},
		{"loads", loop(wb.Code(wb.I32Const, 0, repeat(32, wb.I32Load, 0, 0), wb.Drop))},
		{"divisions", loop(wb.Code(repeat(32, wb.LocalGet, 0, wb.I32Const, 7, wb.I32RemU, wb.Drop)))},
		{"dependent-divisions", loop(wb.Code(wb.LocalGet, 1, repeat(32, wb.LocalGet, 1, 0x82), wb.Drop))},
		{"calls", calls},
		{"host-calls", loop(wb.Code(wb.I32Const, 0, wb.I32Const, 0, wb.Call, wb.FuncReport))},
	} {
		for _, mode := range engines {
			b.Run(c.name+"/"+string(mode), func(b *testing.B) {
				in := header(nil)
				in.Image = failingImage{size: 20_000} // turns of the loop
				in.Budget.Fuel = 1 << 40
				out := runOften(b, benchModule(b, mode, c.mod.Bytes()), in)
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(out.Spent.Fuel), "ns/unit")
			})
		}
	}
}

// hostile are loops that do not end, of code whose unit of fuel takes long.
func hostile() map[string]*wb.Module {
	return map[string]*wb.Module{
		"tight":     wb.Probe(wb.Loop, wb.None, wb.Br, 0, wb.End, ret),
		"divisions": wb.Probe(wb.Loop, wb.None, wb.LocalGet, 1, repeat(1000, wb.LocalGet, 1, 0x82), wb.Drop, wb.Br, 0, wb.End, ret),
	}
}

// BenchmarkStopTheWorld is how long the process waits for a guest that does
// not want to stop: the time to stop all goroutines while one runs it.
func BenchmarkStopTheWorld(b *testing.B) {
	for name, mod := range hostile() {
		for _, mode := range engines {
			b.Run(name+"/"+string(mode), func(b *testing.B) {
				m := benchModule(b, mode, mod.Bytes())
				ctx, cancel := context.WithCancel(b.Context())
				done := make(chan error)
				go func() {
					var out Result
					in := header(nil)
					in.Image, in.Budget.Fuel = failingImage{size: 7}, 1<<60
					done <- m.Run(ctx, in, &out)
				}()
				var delays []time.Duration
				var stats runtime.MemStats
				for b.Loop() {
					start := time.Now()
					runtime.ReadMemStats(&stats)
					delays = append(delays, time.Since(start))
					time.Sleep(100 * time.Microsecond)
				}
				cancel()
				if err := <-done; !errors.Is(err, context.Canceled) {
					b.Fatal(err)
				}
				slices.Sort(delays)
				b.ReportMetric(float64(delays[len(delays)/2].Microseconds()), "p50-µs")
				b.ReportMetric(float64(delays[len(delays)*99/100].Microseconds()), "p99-µs")
			})
		}
	}
}

// BenchmarkCancel is the time from cancelling a run that does not end to its
// end.
func BenchmarkCancel(b *testing.B) {
	for name, mod := range hostile() {
		for _, mode := range engines {
			b.Run(name+"/"+string(mode), func(b *testing.B) {
				m := benchModule(b, mode, mod.Bytes())
				if _, err := m.code(hostfuncs.DepthHeader, hostfuncs.HeaderBudget()); err != nil {
					b.Fatal(err)
				}
				var delays []time.Duration
				for b.Loop() {
					ctx, cancel := context.WithCancel(b.Context())
					done := make(chan error)
					go func() {
						var out Result
						in := header(nil)
						in.Image, in.Budget.Fuel = failingImage{size: 7}, 1<<60
						done <- m.Run(ctx, in, &out)
					}()
					time.Sleep(time.Millisecond)
					start := time.Now()
					cancel()
					<-done
					delays = append(delays, time.Since(start))
				}
				slices.Sort(delays)
				b.ReportMetric(float64(delays[len(delays)/2].Microseconds()), "p50-µs")
				b.ReportMetric(float64(delays[len(delays)*99/100].Microseconds()), "p99-µs")
			})
		}
	}
}
