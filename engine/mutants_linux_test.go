package engine_test

import (
	"bytes"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/testdata/images"
)

// How many accepted mutants of each format qemu-img reads, and how many are
// made at most to find them.
const (
	mutantsAccepted, mutantsMade         = 16, 400
	mutantsAcceptedLong, mutantsMadeLong = 200, 5000
)

// What is done to valid images, blindly, leaves nothing that is accepted and
// makes qemu-img touch another file, or gives another size of the disk.
func TestMutants(t *testing.T) {
	skipManyImages(t)
	d := newDifferential(t)
	valid, hostile := byFormat(images.Valid()), byFormat(images.Hostile())
	for _, format := range slices.Sorted(maps.Keys(valid)) {
		if format == string(engine.Raw) {
			continue // has nothing that could be changed
		}
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			d.mutants(t, newMutator(t, d.eng, engine.Format(format), valid[format], hostile[format]))
		})
	}
}

func byFormat(cases []images.Case) map[string][]images.Case {
	groups := map[string][]images.Case{}
	for _, c := range cases {
		groups[c.WantFormat] = append(groups[c.WantFormat], c)
	}
	return groups
}

func (d *differential) mutants(t *testing.T, m *mutator) {
	want, most := mutantsAccepted, mutantsMade
	if long() {
		want, most = mutantsAcceptedLong, mutantsMadeLong
	}
	made, accepted, refused := 0, 0, 0
	for made < most && accepted < want {
		dir, labels := quickDir(t), map[string]string{}
		paths := map[reading][]string{}
		for n := 0; made < most && n < min(batch, want-accepted); made++ {
			image := m.mutant(made)
			report, err := d.eng.Inspect(t.Context(), engine.ReaderAt(bytes.NewReader(image), int64(len(image))), engine.Claim(m.format))
			if err != nil {
				t.Fatal(err)
			}
			if !report.Accepted {
				continue
			}
			n++
			path := filepath.Join(dir, strconv.Itoa(made))
			if err := os.WriteFile(path, image, 0o644); err != nil {
				t.Fatal(err)
			}
			labels[path] = "mutant " + strconv.Itoa(made)
			stdout, err := run(t, dir, d.qemuImg, "info", "--output=json", "-f", report.QemuDriver, path)
			o := parseInfo(t, stdout, err, path)
			if !o.opens {
				refused++
				continue
			}
			how := readingOf(report)
			paths[how] = append(paths[how], path)
			if !sameSize(report, o.size) {
				t.Errorf("%s: virtual size %d, qemu-img says %d", labels[path], report.VirtualSize, o.size)
			}
			if len(o.references) > 0 {
				t.Errorf("%s: accepted, and qemu-img names %q", labels[path], o.references)
			}
		}
		for how, group := range paths {
			accepted += len(group)
			d.witness(t, how, group, labels)
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d mutants made, %d accepted and read by qemu-img, %d accepted and refused by it", made, accepted, refused)
}

// mutator changes valid images of a format. The same number gives the same
// mutant.
type mutator struct {
	format  engine.Format
	valid   [][]byte
	looked  [][]engine.Range // what an inspection reads of each: where metadata is
	hostile [][]byte         // parts of these go into the mutants
}

func newMutator(t *testing.T, eng *engine.Engine, format engine.Format, valid, hostile []images.Case) *mutator {
	t.Helper()
	m := &mutator{format: format}
	for _, c := range valid {
		image := c.Build()
		report, err := eng.Inspect(t.Context(), engine.ReaderAt(bytes.NewReader(image), int64(len(image))), engine.AtDepth(engine.Deep))
		if err != nil {
			t.Fatal(err)
		}
		m.valid, m.looked = append(m.valid, image), append(m.looked, report.Inspected.Ranges)
	}
	for _, c := range hostile {
		m.hostile = append(m.hostile, c.Build())
	}
	return m
}

// mutant makes the mutant of a number: one to four changes, most of them where
// the metadata is.
func (m *mutator) mutant(number int) []byte {
	seed := fnv.New64a()
	seed.Write([]byte(m.format))
	random := rand.New(rand.NewPCG(seed.Sum64(), uint64(number)))
	i := number % len(m.valid)
	image := bytes.Clone(m.valid[i])
	for changes := 1 + random.IntN(4); changes > 0; {
		before := bytes.Clone(image)
		m.change(random, image, m.place(random, i, len(image)))
		if !bytes.Equal(before, image) {
			changes--
		}
	}
	return image
}

// change changes a few bytes of an image from an offset on, or none.
func (m *mutator) change(random *rand.Rand, image []byte, at int) {
	width := 1 << random.IntN(4)
	target := image[at:min(at+width, len(image))]
	switch random.IntN(6) {
	case 0:
		target[0] ^= 1 << random.IntN(8)
	case 1:
		clear(target)
	case 2:
		for j := range target {
			target[j] = 0xff
		}
	case 3:
		target[0], target[len(target)-1] = byte(random.Uint32()), byte(random.Uint32())
	case 4: // a little more or less, in either byte order
		target[random.IntN(2)*(len(target)-1)] += byte(random.IntN(5) - 2)
	case 5: // what stands there in a hostile image
		if len(m.hostile) > 0 {
			from := m.hostile[random.IntN(len(m.hostile))]
			size := 1 << random.IntN(10)
			if at < len(from) {
				copy(image[at:], from[at:min(at+size, len(from))])
			}
		}
	}
}

// place chooses where to change an image: mostly within the first bytes of a
// range that an inspection reads, or the last of the file, where headers are.
func (m *mutator) place(random *rand.Rand, i, size int) int {
	looked := m.looked[i]
	switch kind := random.IntN(8); {
	case kind == 0 || len(looked) == 0:
		return random.IntN(size)
	case kind == 1:
		return size - 1 - random.IntN(min(size, 1024))
	default:
		r := looked[random.IntN(len(looked))]
		length := r[1]
		if kind > 3 {
			length = min(length, 128)
		}
		return min(int(r[0])+int(random.Int64N(max(1, length))), size-1)
	}
}
