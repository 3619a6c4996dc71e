package nbd

// extent returns the length of the first extent of a range, in bytes, and
// whether it is a hole. Pinned ranges count as data: they are what they were,
// not what the source has there now.
func (s *session) extent(off, end int64) (length int64, hole bool, err error) {
	for at := off; at < end; {
		stop := end
		if p := s.export.Pinned; p != nil {
			switch start, next := p.Next(at); {
			case start == next:
			case start > at:
				stop = min(end, start)
			default:
				at = min(end, next)
				continue
			}
		}
		next, empty, err := stop, false, error(nil)
		if s.kernel.extent != nil {
			next, empty, err = s.kernel.extent(at, stop)
		}
		switch {
		case err != nil:
			return 0, false, err
		case empty && at > off:
			return at - off, false, nil // data ends here
		case empty:
			return next - off, true, nil
		}
		at = next
	}
	return end - off, false, nil
}
