package throttle

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

const (
	// window is how far behind, in time, a device may be that nobody asked for
	// anything, and a job that asked for less than its share: what is made up
	// for, instead of being lost to timers that are late and to reads between
	// two requests.
	window = 100 * time.Millisecond
	// maxPiece is the most that is granted at a time, in bytes, and
	// piecesPerSecond bounds it for low rates: how long others wait for one.
	maxPiece        = 256 << 10
	piecesPerSecond = 100
)

// A queue grants the bytes of one direction of a device at a rate, and in
// turns.
//
// Time is counted in bytes twice. The device's is how much was granted: it is
// free again when its rate has given that. The jobs' is virtual: each request
// begins where the job's last one ended, or now, and the first to begin is the
// first to be granted; now is where the one granted last began. Thus who asks
// for little at a time asks more often, and has as much in the end.
type queue struct {
	rate  int64 // bytes per second
	piece int64 // the most of a grant
	slack int64 // window, in bytes

	mu      sync.Mutex
	epoch   time.Time // since when
	granted int64     // bytes were granted
	virtual int64     // when the request granted last began
	waiting requests
	timer   *time.Timer
}

func newQueue(rate int64) *queue {
	return &queue{
		rate: rate, piece: min(maxPiece, max(1, rate/piecesPerSecond)),
		slack: int64(window.Seconds() * float64(rate)), epoch: time.Now(),
	}
}

// forever is more seconds than anybody waits, and fewer than a time.Duration
// has.
const forever = 1e9

// free is when the device is done with what was granted.
func (q *queue) free() time.Time {
	seconds := min(forever, float64(q.granted)/float64(q.rate))
	return q.epoch.Add(time.Duration(seconds * float64(time.Second)))
}

// A share is one job's part of a queue.
type share struct {
	*queue
	finish int64 // virtual, when its last request ends; under mu
}

// share returns the part of a new job, which has nothing to make up for.
func (q *queue) share() *share {
	q.mu.Lock()
	defer q.mu.Unlock()
	return &share{q, q.virtual}
}

// wait returns when n bytes were granted, or with the context's cause.
func (s *share) wait(ctx context.Context, n int64) error {
	for n > 0 {
		part := min(n, s.piece)
		if err := s.ask(ctx, part); err != nil {
			return err
		}
		n -= part
	}
	return nil
}

// charge counts n bytes without waiting for them: those who ask next do.
func (s *share) charge(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.catchUp(time.Now())
	s.granted += s.enter(n).bytes
}

// ask waits for one piece.
func (s *share) ask(ctx context.Context, n int64) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.mu.Lock()
	now := time.Now()
	s.catchUp(now)
	r := s.enter(n)
	heap.Push(&s.waiting, r)
	s.grant(now)
	s.mu.Unlock()
	select {
	case <-r.granted:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.index != gone {
		heap.Remove(&s.waiting, r.index)
		s.grant(time.Now())
	}
	return context.Cause(ctx)
}

// enter returns the next request of the share. It begins where the last one
// ended; after a pause, not much earlier than now.
func (s *share) enter(n int64) *request {
	begin := max(s.finish, s.virtual-s.slack)
	s.finish = begin + n
	return &request{begin: begin, bytes: n, granted: make(chan struct{})}
}

// catchUp forgets what a device could have done while nobody asked it to.
func (q *queue) catchUp(now time.Time) {
	if from := now.Add(-window); len(q.waiting) == 0 && q.free().Before(from) {
		q.epoch, q.granted = from, 0
	}
}

// grant grants what is due, and sees to it that the rest is.
func (q *queue) grant(now time.Time) {
	for len(q.waiting) > 0 {
		first := q.waiting[0]
		// Who is behind the others by all it asks for has waited for it
		// already; what that takes of the device comes off the others' part.
		behind := first.begin+first.bytes <= q.virtual
		if wait := q.free().Sub(now); wait > 0 && !behind {
			if q.timer == nil {
				q.timer = time.AfterFunc(wait, q.wake)
			} else {
				q.timer.Reset(wait)
			}
			return
		}
		heap.Pop(&q.waiting)
		q.granted += first.bytes
		q.virtual = max(q.virtual, first.begin)
		close(first.granted)
	}
}

func (q *queue) wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.grant(time.Now())
}

// A request waits in a queue for bytes.
type request struct {
	begin, bytes int64
	granted      chan struct{} // closed when they are
	index        int           // in the queue
}

// gone is the index of a request that waits no more.
const gone = -1

// requests is a heap, the first to begin on top.
type requests []*request

func (r requests) Len() int           { return len(r) }
func (r requests) Less(i, j int) bool { return r[i].begin < r[j].begin }
func (r requests) Swap(i, j int) {
	r[i], r[j] = r[j], r[i]
	r[i].index, r[j].index = i, j
}

// Push implements heap.Interface.
func (r *requests) Push(x any) {
	added := x.(*request)
	added.index = len(*r)
	*r = append(*r, added)
}

// Pop implements heap.Interface.
func (r *requests) Pop() any {
	last := len(*r) - 1
	removed := (*r)[last]
	(*r)[last], *r = nil, (*r)[:last]
	removed.index = gone
	return removed
}
