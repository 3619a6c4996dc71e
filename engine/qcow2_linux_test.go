package engine_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/assay-dev/assay/engine"
)

// qcow2Recipes are every kind of qcow2 that qemu-img makes.
func qcow2Recipes() []recipe {
	var list []recipe
	add := func(name, options string, steps ...string) {
		list = append(list, recipe{format: "qcow2", name: name, options: options, steps: steps})
	}
	write := []string{"write -P 7 0 96k", "write -P 9 5M 1M", "write -z 2M 128k", "write -P 1 16777k 512"}
	for bits := 9; bits <= 21; bits++ {
		size := 1 << bits
		add(fmt.Sprintf("cluster %d", size), fmt.Sprintf("cluster_size=%d", size), write...)
		add(fmt.Sprintf("cluster %d compat 0.10", size), fmt.Sprintf("compat=0.10,cluster_size=%d", size), write...)
		if bits >= 14 {
			add(fmt.Sprintf("cluster %d extended L2", size), fmt.Sprintf("extended_l2=on,cluster_size=%d", size), write...)
		}
	}
	for order := range 7 {
		add(fmt.Sprintf("refcounts of %d bits", 1<<order), fmt.Sprintf("refcount_bits=%d", 1<<order), write...)
		add(fmt.Sprintf("refcounts of %d bits, small clusters", 1<<order), fmt.Sprintf("refcount_bits=%d,cluster_size=512", 1<<order), write...)
	}
	for _, preallocation := range []string{"off", "metadata", "falloc", "full"} {
		add("preallocation "+preallocation, "preallocation="+preallocation)
		add("preallocation "+preallocation+", written", "preallocation="+preallocation, write...)
		add("preallocation "+preallocation+", small clusters", "preallocation="+preallocation+",cluster_size=1k", write...)
	}
	add("never written", "")
	add("lazy refcounts", "lazy_refcounts=on", write...)
	add("zstd unused", "compression_type=zstd", write...)
	add("discarded", "", append(slices.Clone(write), "discard 5M 512k")...)
	add("snapshots", "", append(slices.Clone(write), "qemu-img snapshot -c one IMAGE", "qemu-img snapshot -c two IMAGE")...)
	add("snapshots of an extended L2", "extended_l2=on", append(slices.Clone(write), "qemu-img snapshot -c one IMAGE")...)
	add("snapshot, then resized", "", append(slices.Clone(write), "qemu-img snapshot -c one IMAGE", "qemu-img resize -q IMAGE 96M")...)
	add("written after a snapshot", "cluster_size=4k", "write -P 7 0 1M", "qemu-img snapshot -c one IMAGE", "write -P 8 512k 1M")
	add("bitmaps", "", append(slices.Clone(write), "qemu-img bitmap --add IMAGE one", "qemu-img bitmap --add -g 4096 IMAGE two")...)
	add("disabled bitmap", "", "qemu-img bitmap --add --disable IMAGE one")
	for _, compression := range []string{"zlib", "zstd"} {
		for _, cluster := range []string{"512", "4k", "64k", "2M"} {
			list = append(list, recipe{
				format: "qcow2", name: compression + " of clusters of " + cluster, options: "compression_type=" + compression + ",cluster_size=" + cluster,
				steps: write, packed: true,
			})
		}
	}
	list = append(list,
		recipe{format: "qcow2", name: "zlib of an extended L2", options: "extended_l2=on", steps: write, packed: true},
		recipe{format: "qcow2", name: "compat 0.10 compressed", options: "compat=0.10", steps: write, packed: true},
		recipe{format: "qcow2", name: "LUKS inside", object: "secret,id=s,data=secret", options: "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10", want: "qcow2.luks", severity: engine.Warn},
		recipe{format: "qcow2", name: "AES inside", object: "secret,id=s,data=secret", options: "encrypt.format=aes,encrypt.key-secret=s", want: "qcow2.aes", severity: engine.Reject},
		recipe{format: "qcow2", name: "backing file", options: "backing_file=BASE,backing_fmt=raw", want: "qcow2.backing-file", severity: engine.Reject},
		recipe{format: "qcow2", name: "data file", options: "data_file=BASE", want: "qcow2.data-file", severity: engine.Reject},
		recipe{format: "qcow2", name: "raw data file", options: "data_file=BASE,data_file_raw=on", want: "qcow2.data-file", severity: engine.Reject},
	)
	return list
}

// The budget of a deep run suffices for tables at their dearest: the smallest
// clusters, every one mapped, some in an order that makes each look-up read
// another table.
func TestDeepBudgetSuffices(t *testing.T) {
	skipManyImages(t)
	needTools(t)
	eng := newEngine(t, engine.NewConfig())
	dir := quickDir(t)
	scattered := filepath.Join(dir, "scattered.qcow2")
	tool(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=512", scattered, "64M")
	var commands []string
	for i := range 3000 {
		// A step that is odd, and so visits every place once.
		commands = append(commands, "-c", fmt.Sprintf("write -q -P %d %d 512", i%255+1, i*44497%(64<<11)*512))
	}
	tool(t, "qemu-io", append(commands, scattered)...)
	tool(t, "qemu-img", "snapshot", "-c", "one", scattered)
	packed := filepath.Join(dir, "packed")
	tool(t, "qemu-io", "-f", "qcow2", "-c", "write -q -P 7 32M 16M", scattered)
	tool(t, "qemu-img", "convert", "-q", "-c", "-O", "qcow2", "-o", "cluster_size=4k", scattered, packed)
	paths := []string{scattered, packed}
	for name, options := range map[string]string{
		"dense": "cluster_size=512", "extended": "cluster_size=16k,extended_l2=on",
		"narrow": "cluster_size=1k,refcount_bits=1", "wide": "cluster_size=1k,refcount_bits=64",
	} {
		path := filepath.Join(dir, name)
		tool(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", "preallocation=metadata,"+options, path, "256M")
		paths = append(paths, path)
	}
	for _, path := range paths {
		report, err := eng.Inspect(t.Context(), engine.File(open(t, path)), engine.AtDepth(engine.Deep))
		if err != nil {
			t.Fatal(err)
		}
		if !report.Accepted {
			t.Errorf("%s: %s", filepath.Base(path), text(report.Findings))
		}
		m := report.Matches[0]
		t.Logf("%s: %d units of fuel, %d reads, %d bytes read: %d units a byte", filepath.Base(path), m.Fuel, m.Reads, m.BytesRead, m.Fuel/m.BytesRead)
	}
}
