package confine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// onlyUID are the layers of a process that nothing but its user restricts.
var onlyUID = []string{LayerUID}

// TestUserOfItsOwn: a process runs as a user and group of the range, and
// while it does no other one can signal it, look into it, or open what was
// lent to it.
func TestUserOfItsOwn(t *testing.T) {
	needTool(t, LayerUID)
	dir := t.TempDir()
	// The folder is open to all, so that only the file's owner counts.
	openFolders(t, dir)
	lent := openFile(t, filepath.Join(dir, "lent"), os.O_CREATE|os.O_RDWR)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	first := spec("uid", "pid", "write=/dev/fd/3", "stop")
	first.Files = []File{{File: lent, Access: ReadWrite}}
	said, ended := make(chan string), make(chan error)
	var heard strings.Builder
	first.Output = func(b []byte) {
		heard.Write(b)
		if strings.Count(heard.String(), "ok\n") == 3 {
			said <- heard.String()
		}
	}
	go func() {
		_, err := run(ctx, first, onlyUID)
		ended <- err
	}()
	var uid, gid, pid int
	select {
	case text := <-said:
		if _, err := fmt.Sscanf(text, "%d %d ok\n%d ok\nok\n", &uid, &gid, &pid); err != nil {
			t.Fatal(err, text)
		}
	case err := <-ended:
		t.Fatalf("%v: %q", err, heard.String())
	}
	if uid != gid || uid < FirstUser || uid >= FirstUser+UserCount {
		t.Errorf("user %d, group %d", uid, gid)
	}
	number := strconv.Itoa(pid)
	second := spec("uid", "read="+lent.Name(), "read=/proc/"+number+"/environ", "attach="+number, "abrt="+number, "kill="+number)
	got := answers(t, second, onlyUID)
	if other := strconv.Itoa(uid); strings.HasPrefix(got[0], other) {
		t.Errorf("both are user %s", other)
	}
	if want := []string{"EACCES", "EACCES", "EPERM", "EPERM", "EPERM"}; !slices.Equal(got[1:], want) {
		t.Errorf("got %q, want %q", got[1:], want)
	}
	// Shared, the user would be no help: the test shows what it says.
	second.UID = uid
	if got := answers(t, second, onlyUID); got[1] != "ok" || got[4] != "ok" {
		t.Errorf("as the same user: %q", got)
	}
	if err := <-ended; err != nil { // the second one killed it
		t.Error(err)
	}
}

// TestTakeUser: no user is given twice, or while it runs something.
func TestTakeUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root")
	}
	needTool(t)
	const first, count = FirstUser + UserCount, 5 // of no other test
	victim := exec.Command(toolPath, "stop")
	victim.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: first + 3, Gid: first + 3}}
	if err := startAs(victim); err != nil {
		t.Skip("no such user here: ", err)
	}
	r := UserRange{first, count}
	taken := map[int]func(){}
	for range count - 1 {
		uid, release, err := takeUser(r)
		if err != nil {
			t.Fatal(err)
		}
		if taken[uid] != nil || uid < first || uid >= first+count || uid == first+3 {
			t.Errorf("user %d, when %v are taken", uid, taken)
		}
		taken[uid] = release
	}
	if uid, _, err := takeUser(r); err == nil {
		t.Errorf("user %d was given, when all are taken", uid)
	}
	taken[first]()
	if uid, release, err := takeUser(r); err != nil || uid != first {
		t.Errorf("given back, and then: %d, %v", uid, err)
	} else {
		release()
	}
	taken[first+1]()
	if err := killUser(first+3, r); err != nil {
		t.Error(err)
	}
	if err := victim.Wait(); victim.ProcessState.Sys().(syscall.WaitStatus).Signal() != unix.SIGKILL {
		t.Errorf("the user's process lives on: %v", err)
	}
	// Nobody to kill is no error.
	if err := killUser(first+3, r); err != nil {
		t.Error(err)
	}
	for _, uid := range []int{first + 2, first + 4} {
		taken[uid]()
	}
}

// TestForkBomb: the processes and threads of a job are bounded, whatever it
// does, and all end with it; by the limits alone, and in namespaces.
func TestForkBomb(t *testing.T) {
	needTool(t, LayerUID, LayerLimits)
	for _, layers := range [][]string{{LayerLimits, LayerUID}, allLayers()} {
		s := spec("uid", "bomb")
		s.Limits.Processes = 40
		got := answers(t, s, layers)
		var uid, gid, n int
		if _, err := fmt.Sscanf(strings.Join(got, "\n"), "%d %d ok\n%d EAGAIN", &uid, &gid, &n); err != nil || n < 1 || n > 40 {
			t.Errorf("%q: got %q", layers, got)
		}
		// The test's own timeout ends it.
		for err := error(nil); !errors.Is(err, unix.ESRCH); _, err = unix.Getpriority(unix.PRIO_USER, uid) {
		}
	}
}

// TestFewUsers: where the range does not exist, all processes are nobody, and
// that is told.
func TestFewUsers(t *testing.T) {
	needTool(t, LayerUID)
	again(t, "TestInFewUsers", func(a *syscall.SysProcAttr) {
		ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}, {ContainerID: Nobody, HostID: Nobody, Size: 1}}
		a.Cloneflags, a.UidMappings, a.GidMappings = syscall.CLONE_NEWUSER, ids, ids
		a.GidMappingsEnableSetgroups = true
	})
}

// TestInFewUsers is the part of TestFewUsers in the namespace.
func TestInFewUsers(t *testing.T) {
	onlyAgain(t)
	for _, l := range Layers() {
		if l.Name == LayerUID && (!l.Available || l.Why == "" || l.Remedy == "") {
			t.Errorf("got %+v", l)
		}
	}
	if got := answers(t, spec("uid"), onlyUID)[0]; got != "65534 65534 ok" {
		t.Errorf("got %q", got)
	}
	s := spec("uid")
	s.UID = 7
	_, err := Run(t.Context(), s)
	if missing, ok := errors.AsType[*LayerError](err); !ok || missing.Layer != LayerUID {
		t.Errorf("a user that does not exist: %v", err)
	}
}
