package tempfile

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// holderVariable names the folder in which the test binary, run again, makes a
// file, prints its name and waits to be killed.
const holderVariable = "ASSAY_TEST_TEMPFILE"

func TestMain(m *testing.M) {
	dir := os.Getenv(holderVariable)
	if dir == "" {
		os.Exit(m.Run())
	}
	folder, err := os.Open(dir)
	if err != nil {
		panic(err)
	}
	_, name, err := CreateNamed(folder, dir, 0o600)
	if err != nil {
		panic(err)
	}
	fmt.Println(name)
	select {}
}

// holder starts a process that holds a file in dir.
func holder(t *testing.T, dir string) (process *exec.Cmd, name string) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), holderVariable+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return cmd, strings.TrimSpace(line)
}

func openFolder(t *testing.T) *os.File {
	t.Helper()
	folder, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { folder.Close() })
	return folder
}

func exists(folder *os.File, name string) bool {
	_, err := os.Lstat(filepath.Join(folder.Name(), name))
	return err == nil
}

// TestKilled: what a process that runs has made stays, and once it was killed
// the next one removes it.
func TestKilled(t *testing.T) {
	folder := openFolder(t)
	process, name := holder(t, folder.Name())
	Sweep(folder)
	if !exists(folder, name) {
		t.Fatal("the file of a process that runs was removed")
	}
	if err := process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	process.Wait()
	Sweep(folder)
	if exists(folder, name) {
		t.Error("the file of a process that was killed is still there")
	}
}

// TestNotOurs: nothing else is removed, whatever its name; and no link is
// followed.
func TestNotOurs(t *testing.T) {
	folder := openFolder(t)
	outside := openFolder(t)
	in := func(name string) string { return filepath.Join(folder.Name(), name) }
	var keep []string
	add := func(name string, make func(path string) error) {
		if err := make(in(name)); err != nil {
			t.Fatal(err)
		}
		keep = append(keep, name)
	}
	file := func(path string) error { return os.WriteFile(path, []byte("precious"), 0o600) }
	left := NewName()
	secret := strings.TrimPrefix(left, prefix+host())
	for _, name := range []string{"precious", ".assay-precious", left + "x", "x" + left, strings.ToUpper(left), prefix + "00000000" + secret, ".assay" + secret} {
		add(name, file)
	}
	target := filepath.Join(outside.Name(), NewName())
	if err := file(target); err != nil {
		t.Fatal(err)
	}
	add(NewName(), func(path string) error { return os.Symlink(target, path) })
	add(NewName(), func(path string) error { return os.Mkdir(path, 0o700) })
	add(NewName(), func(path string) error { return unix.Mkfifo(path, 0o600) })
	if os.Geteuid() != 0 {
		t.Log("not root: no devices")
	} else {
		add(NewName(), func(path string) error { return unix.Mknod(path, unix.S_IFBLK|0o600, 0) })
	}
	if err := file(in(left)); err != nil {
		t.Fatal(err)
	}
	Sweep(folder)
	for _, name := range keep {
		if !exists(folder, name) {
			t.Errorf("%q was removed", name)
		}
	}
	if got, err := os.ReadFile(target); err != nil || string(got) != "precious" {
		t.Errorf("behind the link: %q, %v", got, err)
	}
	if exists(folder, left) {
		t.Error("nothing was removed")
	}
}

// TestSweptWhileMade: however many make files and remove those of others at
// once, each keeps its own.
func TestSweptWhileMade(t *testing.T) {
	folder := openFolder(t)
	var group sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					Sweep(folder)
				}
			}
		})
	}
	for range 300 {
		file, name, err := CreateNamed(folder, "x", 0o600)
		if err != nil {
			t.Fatal(err)
		}
		Sweep(folder)
		if !isAt(file, folder, name) {
			t.Error("the file lost its name")
		}
		file.Close()
	}
	close(stop)
	group.Wait()
	Sweep(folder)
	if left, err := os.ReadDir(folder.Name()); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestNameless: a file without a name is held too, for it may be given one.
func TestNameless(t *testing.T) {
	folder := openFolder(t)
	file, name, err := Create(folder, "as", 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if name != "" {
		t.Skip("files have names here")
	}
	name = NewName()
	if err := unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", file.Fd()), int(folder.Fd()), name, unix.AT_SYMLINK_FOLLOW); err != nil {
		t.Fatal(err)
	}
	Sweep(folder)
	if !exists(folder, name) {
		t.Error("it was removed")
	}
	if file.Name() != "as" {
		t.Errorf("it is called %s", file.Name())
	}
	file.Close()
	Sweep(folder)
	if exists(folder, name) {
		t.Error("it is still there")
	}
}
