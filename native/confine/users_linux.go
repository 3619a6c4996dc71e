package confine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// users are those of the range that processes of this host run as.
var users = struct {
	sync.Mutex
	taken map[int]bool
}{taken: map[int]bool{}}

// takeUser returns a user of the range that nothing runs as, and does not
// return it again before release is called.
//
// Hosts that share a range do not know of each other. The kernel tells whether
// a user has processes; two hosts that start one in the same millisecond have
// the size of the range between them and the same choice.
func takeUser(r UserRange) (uid int, release func(), err error) {
	users.Lock()
	defer users.Unlock()
	// Of a small range each user is tried once, of a large one enough.
	const tries = 1024
	start := rand.IntN(r.Count)
	for i := range min(r.Count, tries) {
		uid := r.First + (start+i)%r.Count
		if users.taken[uid] {
			continue
		}
		// getpriority(2): ESRCH when no process is of that user.
		if _, err := unix.Getpriority(unix.PRIO_USER, uid); !errors.Is(err, unix.ESRCH) {
			continue
		}
		users.taken[uid] = true
		return uid, func() {
			users.Lock()
			defer users.Unlock()
			delete(users.taken, uid)
		}, nil
	}
	return 0, nil, fmt.Errorf("every user from %d to %d runs something: give jobs a larger range", r.First, r.First+r.Count-1)
}

// killAll kills all processes of the user that was the process's own: those
// that it started and that left its group.
func (id *identity) killAll() error {
	err := killUser(int(id.user.Uid), id.users)
	if err != nil {
		return fmt.Errorf("kill what user %d runs: %w", id.user.Uid, err)
	}
	return nil
}

// killUser kills all processes of a user. A thread of the host does so that
// is this user while it asks, and else one that nothing runs as: so nothing
// else can be meant, and none of them can signal the thread (kill(2) looks at
// the sender's real and effective, and the receiver's real and saved ids).
func killUser(uid int, others UserRange) error {
	other, release, err := takeUser(others)
	if err != nil {
		return err
	}
	defer release()
	defer guardDumpable()()
	onOwnThread(func() {
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(other), uintptr(uid), uintptr(other)); errno != 0 {
			err = os.NewSyscallError("setresuid", errno)
			return
		}
		if err = unix.Kill(-1, unix.SIGKILL); errors.Is(err, unix.ESRCH) {
			err = nil // there is none
		}
	})
	return err
}
