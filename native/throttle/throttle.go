// Package throttle bounds how fast devices are read and written, and shares
// what there is fairly among the jobs that use them.
//
// What it protects: whatever else needs a device. A Throttle has one rate, and
// every device that its jobs use has two queues of that rate, one for what is
// read and one for what is written, as control groups have (io.max: rbps and
// wbps). However many jobs there are, together they do not get more of a
// device.
//
// It promises that jobs which wait for a device share it in equal parts of
// bytes, whatever the size of their requests (start-time fair queueing: Goyal,
// Vin and Cheng, SIGCOMM 1996); that a rate is held over time, as what was
// granted too early or asked for too late is made up for; that a device left
// alone, or a job that was idle, has no more than 100 ms of the rate ahead; and
// that a wait ends with its context.
//
// What it does not promise: anything about what is not asked for. It counts
// bytes that a job says it reads and has written, whether they come from the
// page cache or not. Which device a file is on is what the kernel says of its
// file system (Linux): the whole disk of a partition, and not what is beneath a
// loop device or a volume; files of a file system without a device share one
// of their own.
package throttle

import (
	"fmt"
	"math"
	"os"
	"sync"
)

// A Throttle is a rate that is held for each device. It is safe for concurrent
// use. What share it share the devices.
type Throttle struct {
	rate int64

	mu     sync.Mutex
	queues map[port]*queue
}

// MaxRate is the largest rate, in bytes per second: beyond, a device would
// have to be one that is not made.
const MaxRate = math.MaxInt64 >> 20

// New returns a throttle of this many bytes per second, of each device, read
// and written: from 1 to MaxRate.
func New(rate int64) (*Throttle, error) {
	if rate < 1 || rate > MaxRate {
		return nil, fmt.Errorf("throttle: a rate of %d bytes per second", rate)
	}
	return &Throttle{rate: rate, queues: map[port]*queue{}}, nil
}

// Rate returns the rate in bytes per second.
func (t *Throttle) Rate() int64 { return t.rate }

// direction is what is done with a device.
type direction bool

const (
	reading direction = false
	writing direction = true
)

// A port is one direction of one device.
type port struct {
	device uint64
	direction
}

// queue returns the queue of a file's device. Without a file, or a device that
// is known, it is one that nothing else shares.
func (t *Throttle) queue(file *os.File, d direction) *queue {
	device, known := uint64(0), false
	if file != nil {
		device, known = DeviceOf(file)
	}
	if !known {
		return newQueue(t.rate)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	q := t.queues[port{device, d}]
	if q == nil {
		q = newQueue(t.rate)
		t.queues[port{device, d}] = q
	}
	return q
}
