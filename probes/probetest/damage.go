package probetest

import (
	"bytes"
	"fmt"
	"math"

	"github.com/assay-dev/assay/hostfuncs"
)

const (
	// maxDamages is how many damaged images there are of one base, fewer when
	// they take more than about maxFuel, but minDamages in any case. When there could
	// be more, they are spread evenly. A check of a typical module then takes
	// less than a second.
	maxDamages = 3000
	minDamages = 500
	maxFuel    = 200_000_000
	// everyCut is up to where the first image is cut at every byte.
	everyCut = 4096
	// everyByte is up to where every byte is damaged. Behind it bytes are
	// skipped that make no difference when those around them change as well.
	everyByte = 128
	// steadyEvery is how many damaged images there are between two that are
	// looked at in every engine and memory.
	steadyEvery = 128
)

// checkDamaged looks at what becomes of images of the format.
func (c *checker) checkDamaged() {
	if len(c.bases) == 0 {
		c.bases = append(c.bases, c.fromSignature())
	}
	for i := range c.bases {
		c.checkSizes(&c.bases[i])
		c.checkCuts(&c.bases[i], i == 0)
		c.checkBytes(&c.bases[i])
	}
}

// fromSignature makes an image of what the manifest says one has.
func (c *checker) fromSignature() specimen {
	image := make([]byte, 128<<10)
	for _, s := range c.manifest.Signatures {
		at, pattern := int64(0), s.Contains
		if s.Within != nil {
			at = s.Within[0]
		} else {
			at, pattern = *s.At, s.Bytes
		}
		if at < 0 {
			at += int64(len(image))
		}
		copy(image[at:], pattern)
	}
	return specimen{name: "zeros with the manifest's signatures", Input: Input{Content: image}}
}

// checkSizes gives an image other sizes than it has.
func (c *checker) checkSizes(base *specimen) {
	n := int64(len(base.Content))
	for _, size := range []int64{n + 1, n + 511, n + 512, 1 << 32, 1<<32 + 1, 1 << 62, math.MaxInt64} {
		for _, short := range []bool{false, true} {
			s := *base
			s.valid, s.Size, s.Short = false, size, short
			s.name = fmt.Sprintf("%s in a file of %d bytes", base.name, size)
			if short {
				s.name = fmt.Sprintf("%s in a file of %d bytes that shrank to %d", base.name, size, n)
			}
			if r := c.look(&s); r != nil {
				c.steady(&s, r)
			}
		}
	}
	half := *base
	half.valid, half.Content, half.Size, half.Short = false, base.Content[:n/2], n, true
	half.name = fmt.Sprintf("%s, of which reads give the first half", base.name)
	c.look(&half)
}

// cuts lists where an image is cut: at every byte of the head, or, when it is
// not the first or a run takes long, at every byte of its start and then at one
// of 61, which comes to all places within a field; and at sectors.
func (c *checker) cuts(base *specimen, first bool) []int {
	every := everyByte
	if first {
		every = min(everyCut, c.affordable(base, everyCut))
	}
	var all []int
	for n := range len(base.Content) {
		switch {
		case n == len(base.Content)-1, n < every, n < everyCut && n%61 == 0,
			n < 16*everyCut && n%512 == 0, n%(16*everyCut) == 0:
			all = append(all, n)
		}
	}
	return all
}

// checkCuts cuts an image.
func (c *checker) checkCuts(base *specimen, first bool) {
	strong := magic(c.manifest)
	for _, n := range c.cuts(base, first) {
		if c.over() {
			return
		}
		s := *base
		s.valid, s.Content = false, base.Content[:n]
		s.name = fmt.Sprintf("%s, cut to %d bytes", base.name, n)
		r := c.look(&s)
		if r == nil {
			continue
		}
		if r.Outcome == hostfuncs.NoMatch && strong.Matches(s.Content, nil) && !c.isOther(&s) {
			c.problem(CheckCut, &s, "return 2 when the magic is there and the file ends too early", "%s: is not matched, although its magic is there", s.name)
		}
		if n%steadyEvery == 0 {
			c.steady(&s, r)
		}
	}
}

// damage is one change of an image: a bit that flips (shape < 0), or a field
// that becomes one of the numbers that parsers stumble over.
type damage struct {
	at    int
	shape int8
	value int8
}

func (d damage) apply(image []byte, size uint64) (name string, ok bool) {
	if d.shape < 0 {
		image[d.at] ^= 1 << d.value
		return fmt.Sprintf("bit %d of byte %d flipped", d.value, d.at), true
	}
	shape, n := byte(d.shape), width(byte(d.shape))
	if d.at+n > len(image) {
		return "", false
	}
	was := (&script{image: image}).load(d.at, shape)
	most := ^uint64(0) >> (64 - 8*n)
	v := stumbles(was, most, size)[d.value] & most
	copy(image[d.at:], encodeField(shape, v))
	return fmt.Sprintf("field of %d bytes at %d changed from %#x to %#x", n, d.at, was, v), v != was
}

// affordable returns how many runs over images like base there may be, of n.
func (c *checker) affordable(base *specimen, n int) int {
	fuel := int64(1)
	if r := c.look(base); r != nil {
		fuel += r.Spent.Fuel
	}
	return c.kit.effort * int(max(minDamages, min(int64(n), maxFuel/fuel)))
}

// checkBytes damages the head of an image byte by byte and field by field.
func (c *checker) checkBytes(base *specimen) {
	all := c.damages(base)
	count := c.affordable(base, maxDamages)
	step := max(1, (len(all)+count-1)/count)
	image := bytes.Clone(base.Content) // changed and restored in place
	for i := 0; i < len(all) && !c.over(); i += step {
		d := all[i]
		if change, ok := d.apply(image, uint64(len(image))); ok {
			s := *base
			s.valid, s.Content = false, image
			s.name = base.name + ", " + change
			if i%8 == 0 {
				s.Depth = hostfuncs.DepthDeep
			}
			if r := c.look(&s); r != nil && i/step%steadyEvery == 0 {
				c.steady(&s, r)
			}
		}
		end := min(d.at+8, len(image))
		copy(image[d.at:end], base.Content[d.at:end])
	}
}

// damages lists the changes of the bytes that the module looks at.
func (c *checker) damages(base *specimen) []damage {
	var all []damage
	head := min(c.manifest.Window, len(base.Content))
	live := c.live(base, head)
	for at := range head {
		if !live[at/liveBlock] {
			continue
		}
		for bit := range int8(8) {
			all = append(all, damage{at, -1, bit})
		}
		for shape := range int8(8) {
			// Bytes have one order, and fields mostly lie on multiples of
			// their width.
			if n := width(byte(shape)); shape == 4 || at%min(n, 4) != 0 {
				continue
			}
			for value := range int8(8) { // the first eight depend on the width and the file alone
				all = append(all, damage{at, shape, value})
			}
		}
	}
	return all
}

// liveBlock is the number of bytes that are tried together, after liveBlocks
// of them.
const (
	liveBlock  = 16
	liveBlocks = 16
)

// live tells which blocks of the head make a difference to a header run.
func (c *checker) live(base *specimen, head int) []bool {
	live := make([]bool, head/liveBlock+1)
	normal := c.look(base)
	image := bytes.Clone(base.Content) // changed and restored in place
	differs := func(from, to int) bool {
		to = min(to, head)
		for i := from; i < to; i++ {
			image[i] ^= 0xff
		}
		s := *base
		s.valid, s.Content = false, image
		s.name = fmt.Sprintf("%s, %d bytes at %d inverted", base.name, to-from, from)
		r := c.look(&s)
		copy(image[from:to], base.Content[from:to])
		return r == nil || normal == nil || normal.differs(r) != ""
	}
	const many = liveBlock * liveBlocks
	for at := 0; at < head && !c.over(); at += many {
		if at >= everyByte && !differs(at, at+many) {
			continue
		}
		for block := at; block < min(at+many, head); block += liveBlock {
			live[block/liveBlock] = block < everyByte || differs(block, block+liveBlock)
		}
	}
	return live
}
