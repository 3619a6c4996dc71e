package blockcopy

// ahead is how much of a disk room is reserved for at a time, in bytes: to do
// it, the file system waits for all that is being written (BenchmarkCopy).
const ahead = 64 << 20

// room is what a file system has been asked to find room for, before it is
// written past the page cache. Into holes it writes one run after the other,
// as each changes where the file's blocks are; into room that is there it
// writes side by side (ext4: ext4_dio_write_checks).
//
// Room for what turns out to be zeros is given back, so that it is a hole as
// anywhere. That costs something: of a source that stores many zeros no more
// is reserved, and what it stores is written by way of the page cache, while
// it stays so.
type room struct {
	end    int64      // up to where of the disk it was decided
	held   bool       // what comes before that has room
	denied bool       // there was none: nothing more is reserved
	unused [][2]int64 // where zeros have room, from and to
	copied int64      // bytes of parts that were done since it was decided
	zeros  int64      // how many of them were not written
}

// reserve sees to room for what is copied from an offset on. The lock is held,
// and nothing behind the offset has been written.
func (c *copier) reserve(off int64) error {
	c.giveBack()
	r := &c.room
	many := r.zeros > r.copied/8
	r.end, r.held = (off/ahead+1)*ahead, false
	r.copied, r.zeros = 0, 0
	if many || r.denied {
		return nil
	}
	end := min(r.end, c.size)
	for at := off; at < end; {
		to, kind, err := c.extent(at)
		if err != nil {
			return err
		}
		to = min(to, end)
		if (kind == data || kind == pinned) && to-at >= directAtLeast && allocate(c.out.file, at, to-at) != nil {
			// What is too little for all may do for what is not zeros.
			_ = punch(c.out.file, off, to-off)
			r.denied = true
			return nil
		}
		at = to
	}
	r.held = true
	return nil
}

// noteUnused takes note of zeros in a part that has room.
func (c *copier) noteUnused(off, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.room.unused = append(c.room.unused, [2]int64{off, off + n})
}

// giveBack makes holes of the zeros that room was reserved for. Where it
// cannot, they are zeros all the same. The lock is held.
func (c *copier) giveBack() {
	for _, r := range c.room.unused {
		_ = punch(c.out.file, r[0], r[1]-r[0])
	}
	c.room.unused = c.room.unused[:0]
}
