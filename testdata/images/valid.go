package images

func validQcow2() []Case {
	variants := []variant{
		{"plain", nil},
		{"v2", with(V2())},
		{"empty-disk", with(Empty())},
		{"zero-size", with(Virtual(0), Empty())},
		{"odd-size", with(Virtual(1<<20 - 512))},
		{"clusters-512", with(Clusters(9))},
		{"clusters-64k", with(Clusters(16))},
		{"refcount-1", with(Refcounts(0))},
		{"refcount-2", with(Refcounts(1))},
		{"refcount-4", with(Refcounts(2))},
		{"refcount-8", with(Refcounts(3))},
		{"refcount-32", with(Refcounts(5))},
		{"refcount-64", with(Refcounts(6))},
		{"feature-names", with(FeatureNames())},
		{"lazy-refcounts", with(Features(0, CompatibleLazyRefcounts, 0))},
		{"zstd", with(Zstd())},
		{"extended-l2", with(Clusters(14), ExtendedL2())},
		{"snapshots", with(Snapshots("before", "after"))},
		{"bitmaps", with(Bitmaps("backup"))},
		{"large-disk", with(Clusters(17), Virtual(16<<40), Empty())},
		{"unknown-extension", with(Extension(0x12345678, []byte("something of a later version")))},
		{"unknown-compatible", with(Features(0, 1<<40, 0))},
		{"unknown-autoclear", with(Features(0, 0, 1<<40))},
	}
	var cases []Case
	for _, v := range variants {
		cases = append(cases, Case{
			Name: "qcow2-" + v.name, Build: v.build, WantFormat: "qcow2", WantAccepted: true,
		})
	}
	return cases
}

func validDisks() []Case {
	const size = 64 << 10
	cases := []Case{
		{Name: "mbr", WantFormat: "mbr", Build: func() []byte { return MBR(size, linux(size)) }},
		{Name: "mbr-claimed-raw", Claim: "raw", WantFormat: "mbr", Build: func() []byte { return MBR(size, linux(size)) }},
		{Name: "mbr-four", WantFormat: "mbr", Build: func() []byte {
			return MBR(size,
				Partition{Type: 0x0c, Start: 8, Count: 8, Bootable: true}, Partition{Type: 0x82, Start: 16, Count: 8},
				Partition{Type: 0x83, Start: 24, Count: 8}, Partition{Type: 0x83, Start: 32, Count: 96})
		}},
		{Name: "mbr-logical", WantFormat: "mbr", Build: func() []byte { return logical(size) }},
		{Name: "gpt", WantFormat: "gpt", Build: func() []byte { return GPT(512) }},
		{Name: "gpt-4096", WantFormat: "gpt", Build: func() []byte { return GPT(4096) }},
		{Name: "gpt-claimed-raw", Claim: "raw", WantFormat: "gpt", Build: func() []byte { return GPT(512) }},
		{Name: "raw-zeros", Claim: "raw", WantFormat: "raw", Build: func() []byte { return make([]byte, size) }},
		{Name: "raw-random", Claim: "raw", WantFormat: "raw", Build: func() []byte { return Random(size, 1) }},
		{Name: "raw-fat", Claim: "raw", WantFormat: "raw", Build: func() []byte { return FAT(size) }},
		{Name: "raw-one-byte", Claim: "raw", WantFormat: "raw", Build: func() []byte { return []byte{0} }},
	}
	for i := range cases {
		cases[i].WantAccepted = true
	}
	return cases
}
