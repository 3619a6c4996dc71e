package engine

// pieces is memory for blocks. It grows by pieces, so that what was taken stays
// where it is: to copy it to a larger place, time and again, took a third of a
// look at the mapping tables of a VHD.
type pieces struct {
	all  [][]byte
	free []byte // what is left of the last one
	size int    // of all, in bytes
}

// take returns room for at least one block, and for up to count, as long as it
// is in one piece.
func (p *pieces) take(count int) []byte {
	if len(p.free) == 0 {
		// What an image that was looked at keeps is small: a quarter more.
		p.free = make([]byte, max(count, p.size/blockSize/4)*blockSize)
		p.all = append(p.all, p.free)
		p.size += len(p.free)
	}
	n := min(count*blockSize, len(p.free))
	taken := p.free[:n:n]
	p.free = p.free[n:]
	return taken
}

// reset takes everything back, as one piece.
func (p *pieces) reset() {
	if len(p.all) > 1 {
		p.all = append(p.all[:0:0], make([]byte, p.size))
	}
	if len(p.all) == 1 {
		p.free = p.all[0]
	}
}
