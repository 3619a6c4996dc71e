package confine

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"github.com/assay-dev/assay/internal/openfile"
	"golang.org/x/sys/unix"
)

// An identity is who the process is, and what belongs to it while it runs.
type identity struct {
	user  *syscall.Credential // nil: the host's own
	free  func()              // gives back a user that is its alone; or nil
	users UserRange           // that that is one of
	keep  []uintptr           // capabilities that it holds
	lent  []loan
	nodes map[int]int // by number of a file: it is handed this descriptor instead
}

// A loan is a file whose owner is changed while the process runs.
type loan struct {
	file     *os.File
	uid, gid int
}

// newIdentity decides who the process is: the user of the specification
// where the host is root and the uid layer is asked for, else the host's own.
//
// A file is handed over by descriptor, but tools open it again by the name
// /dev/fd/N, and the kernel checks that as it would any open: a file for
// writing is therefore the process's own while it runs, a device has another
// node that is, where one can be made, and a file for reading
// that is private (libvirt's images, say) needs the capability to read what
// is not one's own. Landlock keeps that from reaching other files.
func newIdentity(s Spec, otherUser bool) (*identity, error) {
	id := &identity{}
	uid := os.Geteuid()
	if otherUser {
		if err := id.become(s); err != nil {
			return nil, err
		}
		uid = int(id.user.Uid)
	}
	for i, f := range s.Files {
		var st unix.Stat_t
		if err := openfile.Control(f.File, func(fd int) error { return unix.Fstat(fd, &st) }); err != nil {
			id.release()
			return nil, fmt.Errorf("descriptor %d: %w", 3+i, err)
		}
		switch {
		case int(st.Uid) == uid:
		case f.Access == ReadWrite && otherUser && st.Mode&unix.S_IFMT == unix.S_IFBLK && id.addNode(i, st.Rdev):
		case f.Access == ReadWrite && otherUser && (st.Mode&unix.S_IFMT == unix.S_IFREG || st.Mode&unix.S_IFMT == unix.S_IFBLK):
			id.lent = append(id.lent, loan{file: f.File, uid: int(st.Uid), gid: int(st.Gid)})
		case f.Access == ReadOnly && private(&st) && len(id.keep) == 0:
			if c, ok := readCapability(); ok {
				id.keep = []uintptr{c}
			}
		}
	}
	return id, nil
}

// private tells whether a file may not be read by everybody.
func private(st *unix.Stat_t) bool { return st.Mode&0o004 == 0 }

// ReadTakesCapability tells whether a process of Run that is handed a file
// ReadOnly holds a capability to open it again: the layer of capabilities is
// then the weaker for it.
func ReadTakesCapability(f *os.File) bool {
	var st unix.Stat_t
	if err := openfile.Control(f, func(fd int) error { return unix.Fstat(fd, &st) }); err != nil {
		return true
	}
	uid := os.Geteuid()
	if uid == 0 {
		return private(&st) // the process becomes another user
	}
	_, can := readCapability()
	return can && int(st.Uid) != uid && private(&st)
}

// addNode gives the process a node of its own for a block device, and tells
// whether that is possible here.
func (id *identity) addNode(file int, device uint64) bool {
	fd, err := openNode(device, int(id.user.Uid), int(id.user.Gid))
	if err != nil {
		return false
	}
	if id.nodes == nil {
		id.nodes = map[int]int{}
	}
	id.nodes[file] = fd
	return true
}

// become decides which user the process becomes.
func (id *identity) become(s Spec) (err error) {
	ids, own := s.ids()
	uid, gid := ids.First, s.GID
	if own {
		if uid, id.free, err = takeUser(ids); err != nil {
			return err
		}
		id.users = ids
	}
	if gid == 0 {
		gid = uid
	}
	id.user = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return nil
}

// ids returns the ids that the process may get: the range, of which it gets
// one of its own, if they all exist, or the one that it shares with others.
func (s *Spec) ids() (r UserRange, own bool) {
	r = s.Users
	if r == (UserRange{}) {
		r = UserRange{FirstUser, UserCount}
	}
	switch {
	case s.UID != 0:
		return UserRange{s.UID, 1}, false
	case r.exists() == nil:
		return r, true
	}
	return UserRange{Nobody, 1}, false
}

// exists returns an error that names the map which lacks ids of the range.
func (r UserRange) exists() error {
	for _, file := range []string{"/proc/self/uid_map", "/proc/self/gid_map"} {
		if ok, err := mapped(file, r); err != nil {
			return err
		} else if !ok {
			return fmt.Errorf("ids %d to %d do not exist in this user namespace (%s)", r.First, r.First+r.Count-1, file)
		}
	}
	return nil
}

// alone tells whether nothing else runs as the process's user.
func (id *identity) alone() bool { return id.free != nil }

// release gives back the user that was the process's own, and closes its
// devices.
func (id *identity) release() {
	for _, fd := range id.nodes {
		unix.Close(fd)
	}
	id.nodes = nil
	if id.free != nil {
		id.free()
		id.free = nil
	}
}

// readCapability returns the least capability this host has by which a file
// can be read whatever its mode.
func readCapability() (uintptr, bool) {
	for _, c := range []int{unix.CAP_DAC_READ_SEARCH, unix.CAP_DAC_OVERRIDE} {
		if hasCapability(c) {
			return uintptr(c), true
		}
	}
	return 0, false
}

// lend gives the process the files that are to be its own.
func (id *identity) lend() error {
	for i, l := range id.lent {
		err := openfile.Control(l.file, func(fd int) error { return unix.Fchown(fd, int(id.user.Uid), int(id.user.Gid)) })
		if err != nil {
			id.lent = id.lent[:i]
			return errors.Join(fmt.Errorf("lend %s to user %d: %w", l.file.Name(), id.user.Uid, err), id.takeBack())
		}
	}
	return nil
}

// takeBack gives the files to those who owned them.
func (id *identity) takeBack() error {
	var errs []error
	for _, l := range id.lent {
		if err := openfile.Control(l.file, func(fd int) error { return unix.Fchown(fd, l.uid, l.gid) }); err != nil {
			errs = append(errs, fmt.Errorf("take %s back from user %d: %w", l.file.Name(), id.user.Uid, err))
		}
	}
	return errors.Join(errs...)
}

// dropCapabilities leaves the calling thread, and what it starts, no
// capabilities but those to keep. A process that becomes another user loses
// its own by that; until then it needs them.
func (id *identity) dropCapabilities() error {
	if id.user != nil {
		return nil
	}
	var keep [2]unix.CapUserData
	for _, c := range id.keep {
		keep[c/32].Permitted |= 1 << (c % 32)
	}
	for i := range keep {
		keep[i].Effective = keep[i].Permitted
	}
	// Ambient capabilities are a subset of the inheritable ones, which go.
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	return os.NewSyscallError("capset", unix.Capset(&header, &keep[0]))
}

// hasCapability tells whether the calling thread may use a capability.
func hasCapability(c int) bool {
	var data [2]unix.CapUserData
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	return unix.Capget(&header, &data[0]) == nil && data[c/32].Effective&(1<<(c%32)) != 0
}

// dumpable guards the attribute of the host that says whether its memory may
// be looked at. Until its exec a child shares the host's memory; becoming
// another user clears the attribute, for both. Meanwhile it must stay so: it
// keeps that user's other processes away from the host's memory.
var dumpable sync.Mutex

// guardDumpable must be called before a process is started as another user,
// and what it returns after its exec.
func guardDumpable() (restore func()) {
	dumpable.Lock()
	before, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	return func() {
		if err == nil && before == 1 {
			unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
		}
		dumpable.Unlock()
	}
}

// uidStatus tells whether a process can be given another user here.
func uidStatus(spec *Spec) LayerStatus {
	s := LayerStatus{Name: LayerUID}
	if os.Geteuid() != 0 {
		s.Optional = true
		s.Why = "not needed: this host does not run as root"
		return s
	}
	for _, need := range []struct {
		capability int
		name       string
	}{
		{unix.CAP_SETUID, "CAP_SETUID"}, {unix.CAP_SETGID, "CAP_SETGID"}, {unix.CAP_CHOWN, "CAP_CHOWN"}, {unix.CAP_KILL, "CAP_KILL"},
	} {
		if !hasCapability(need.capability) {
			s.Why = "root without " + need.name
			s.Remedy = "run as an unprivileged user, or grant " + need.name
			return s
		}
	}
	ids, own := spec.ids()
	if err := ids.exists(); err != nil {
		s.Why = err.Error()
		s.Remedy = "map them, or name a user that exists here"
		return s
	}
	if !own && spec.UID == 0 {
		s.Why = "all processes run as one user: the range of users does not exist in this user namespace"
		s.Remedy = "map a range of ids, and name it"
	}
	s.Available = true
	return s
}

// mapped tells whether the ids of a range exist in the user namespace, by its
// map (user_namespaces(7): lines of first id inside, first id outside, count).
// A range that two lines share counts as missing.
func mapped(file string, r UserRange) (bool, error) {
	f, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var inside, outside, count int64
		if _, err := fmt.Sscan(lines.Text(), &inside, &outside, &count); err != nil {
			return false, fmt.Errorf("%s: %w", file, err)
		}
		if int64(r.First) >= inside && int64(r.First)+int64(r.Count) <= inside+count {
			return true, nil
		}
	}
	return false, lines.Err()
}
