//go:build linux

// Command tool is the confined process of the tests: each argument is
// something to do, and a line of output says how it went, "ok" or the name of
// the error.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func main() {
	for _, arg := range os.Args[1:] {
		name, value, _ := strings.Cut(arg, "=")
		action, ok := actions[name]
		if !ok {
			fmt.Fprintln(os.Stderr, "unknown action", name)
			os.Exit(3)
		}
		err := action(value)
		if errno, ok := err.(syscall.Errno); ok {
			fmt.Println(unix.ErrnoName(errno))
		} else if err != nil {
			fmt.Println(err)
		} else {
			fmt.Println("ok")
		}
	}
}

var actions = map[string]func(string) error{
	// The world outside.
	"read":     func(path string) error { return open(path, unix.O_RDONLY) },
	"write":    func(path string) error { return open(path, unix.O_RDWR) },
	"create":   func(path string) error { return open(path, unix.O_RDWR|unix.O_CREAT) },
	"list":     func(path string) error { return open(path, unix.O_RDONLY|unix.O_DIRECTORY) },
	"truncate": func(path string) error { return unix.Truncate(path, 0) },
	"chmod":    func(path string) error { return unix.Chmod(path, 0o777) },
	"unlink":   func(path string) error { return unix.Unlink(path) },
	"mkdir":    func(path string) error { return unix.Mkdir(path, 0o755) },
	"socket": func(string) error {
		_, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		return err
	},
	"unixsocket": func(string) error {
		_, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		return err
	},
	// A message over a descriptor, and whatever comes back.
	"message": func(fd string) error {
		n, _ := strconv.Atoi(fd)
		if err := unix.Sendmsg(n, []byte("hello"), nil, nil, 0); err != nil {
			return err
		}
		p := make([]byte, 16)
		got, _, _, _, err := unix.Recvmsg(n, p, nil, 0)
		fmt.Printf("%s ", p[:max(got, 0)])
		return err
	},
	"connect": func(port string) error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		n, _ := strconv.Atoi(port)
		return unix.Connect(fd, &unix.SockaddrInet4{Port: n, Addr: [4]byte{127, 0, 0, 1}})
	},
	"exec":   func(path string) error { return syscall.Exec(path, []string{path}, nil) },
	"kill":   func(pid string) error { n, _ := strconv.Atoi(pid); return unix.Kill(n, unix.SIGTERM) },
	"abrt":   func(pid string) error { n, _ := strconv.Atoi(pid); return unix.Tgkill(n, n, unix.SIGABRT) },
	"attach": func(pid string) error { n, _ := strconv.Atoi(pid); return unix.PtraceSeize(n) },
	"prlimit": func(pid string) error {
		n, _ := strconv.Atoi(pid)
		return unix.Prlimit(n, unix.RLIMIT_CORE, &unix.Rlimit{}, nil)
	},
	"mount":   func(path string) error { return unix.Mount("none", path, "tmpfs", 0, "") },
	"unshare": func(string) error { return unix.Unshare(unix.CLONE_NEWUSER) },
	// A process in these namespaces, which ends at once.
	"clonens": func(flags string) error {
		n, _ := strconv.ParseUint(flags, 0, 64)
		_, _, err := syscall.StartProcess("", []string{""}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{Cloneflags: uintptr(n)}})
		return err
	},
	"clone3":   func(string) error { return call(unix.SYS_CLONE3) },
	"iouring":  func(string) error { return call(unix.SYS_IO_URING_SETUP) },
	"bpf":      func(string) error { return call(unix.SYS_BPF) },
	"keyctl":   func(string) error { return call(unix.SYS_KEYCTL) },
	"userfd":   func(string) error { return call(unix.SYS_USERFAULTFD) },
	"memfd":    func(string) error { _, err := unix.MemfdCreate("x", 0); return err },
	"setuid0":  func(string) error { return call(unix.SYS_SETUID) },
	"x32":      func(string) error { return call(unix.SYS_GETPID | 0x40000000) },
	"setowner": func(string) error { _, err := unix.FcntlInt(1, unix.F_SETOWN, os.Getppid()); return err },
	// An argument that is the number of a permitted call.
	"numbered": func(string) error {
		_, _, errno := unix.RawSyscall(unix.SYS_PTRACE, unix.SYS_PRCTL, unix.PR_SET_NAME, 0)
		return some(errno)
	},
	"ioctl": func(string) error {
		_, err := unix.IoctlGetInt(1, unix.FS_IOC_GETFLAGS)
		return err
	},

	// What it holds.
	"uid": func(string) error { fmt.Print(os.Getuid(), " ", os.Getgid(), " "); return nil },
	"env": func(string) error { fmt.Print(strings.Join(os.Environ(), ","), " "); return nil },
	"pwd": func(string) error { dir, err := os.Readlink("/proc/self/cwd"); fmt.Print(dir, " "); return err },
	"fds": fds,
	// Its number outside of its pid namespace, and inside.
	"pid": func(string) error {
		outside, err := os.Readlink("/proc/self")
		fmt.Print(outside, " ")
		return err
	},
	"own": func(string) error { fmt.Print(os.Getpid(), " "); return nil },
	// The namespace of a kind.
	"ns": func(kind string) error {
		id, err := os.Readlink("/proc/self/ns/" + kind)
		fmt.Print(id, " ")
		return err
	},
	"caps": func(string) error {
		var data [2]unix.CapUserData
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		err := unix.Capget(&header, &data[0])
		fmt.Printf("%08x%08x ", data[1].Permitted|data[1].Effective, data[0].Permitted|data[0].Effective)
		return err
	},
	"limit": func(resource string) error {
		n, _ := strconv.Atoi(resource)
		var l unix.Rlimit
		err := unix.Prlimit(0, n, nil, &l)
		fmt.Print(int64(l.Cur), "/", int64(l.Max), " ")
		return err
	},
	"set": func(fd string) error {
		n, _ := strconv.Atoi(fd)
		_, err := unix.Pwrite(n, []byte("written"), 0)
		return err
	},
	// Past the page cache: what is written is on the device, or waits for it.
	"direct": func(fd string) error {
		out, err := unix.Open("/dev/fd/"+fd, unix.O_WRONLY|unix.O_DIRECT, 0)
		if err != nil {
			return err
		}
		aligned, err := unix.Mmap(-1, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		if err != nil {
			return err
		}
		_, err = unix.Write(out, aligned)
		return err
	},

	// What ends it.
	"spin": func(string) error {
		for {
			runtime.Gosched()
		}
	},
	"sleep": func(d string) error { n, err := time.ParseDuration(d); time.Sleep(n); return err },
	"stop":  func(string) error { time.Sleep(time.Hour); return nil },
	"memory": func(mib string) error {
		n, _ := strconv.Atoi(mib)
		_, err := unix.Mmap(-1, 0, n<<20, unix.PROT_READ, unix.MAP_ANON|unix.MAP_PRIVATE)
		return err
	},
	"use": func(mib string) error {
		n, _ := strconv.Atoi(mib)
		p := make([]byte, n<<20)
		for i := 0; i < len(p); i += 4096 {
			p[i] = 1
		}
		return nil
	},
	"data": func(arg string) error {
		fd, mib, _ := strings.Cut(arg, ",")
		to, _ := strconv.Atoi(fd)
		n, _ := strconv.ParseInt(mib, 10, 64)
		p := make([]byte, 1<<20)
		for i := range n {
			if _, err := unix.Pwrite(to, p, i<<20); err != nil {
				return err
			}
		}
		return nil
	},
	"fill": func(arg string) error {
		fd, size, _ := strings.Cut(arg, ",")
		n, _ := strconv.Atoi(fd)
		end, _ := strconv.ParseInt(size, 10, 64)
		signal.Reset(unix.SIGXFSZ)
		return unix.Ftruncate(n, end)
	},
	"files": func(count string) error {
		n, _ := strconv.Atoi(count)
		for range n {
			if _, err := unix.Dup(1); err != nil {
				return err
			}
		}
		return nil
	},
	"say": func(size string) error {
		n, _ := strconv.Atoi(size)
		for range n / 64 {
			fmt.Println(strings.Repeat("x", 63))
		}
		return nil
	},
	"complain": func(text string) error { fmt.Fprintln(os.Stderr, text); return nil },
	// A copy in the same group, which outlives this process, and one in a
	// group of its own.
	"child":  func(string) error { return fork(nil) },
	"escape": func(string) error { return fork(&syscall.SysProcAttr{Setpgid: true}) },
	// As many copies as there can be.
	"bomb": func(string) error {
		for n := 0; ; n++ {
			if _, err := syscall.ForkExec("/proc/self/exe", []string{"tool", "stop"}, &syscall.ProcAttr{}); err != nil {
				fmt.Print(n, " ")
				return err
			}
		}
	},
	"exit": func(status string) error { n, _ := strconv.Atoi(status); os.Exit(n); return nil },
	// As C libraries do: by a signal, and where that is refused by a fault.
	"abort": func(string) error {
		_ = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGABRT)
		var nowhere *int
		*nowhere = 1
		return nil
	},
}

// fork starts a copy that stops, and prints its number outside.
func fork(how *syscall.SysProcAttr) error {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	_, err := syscall.ForkExec("/proc/self/exe", []string{"tool", "pid", "stop"}, &syscall.ProcAttr{
		Files: []uintptr{0, uintptr(ends[1]), 2, 1}, Sys: how, // 3: to hold the output open
	})
	unix.Close(ends[1])
	if err != nil {
		return err
	}
	// All of its line: a copy that is not heard to the end is ended by SIGPIPE.
	var number int
	_, err = fmt.Fscanf(os.NewFile(uintptr(ends[0]), "copy"), "%d ok\n", &number)
	fmt.Print(number, " ")
	return err
}

func open(path string, flags int) error {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0o600)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

// fds lists the open descriptors, by asking for each.
func fds(string) error {
	for fd := range 64 {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			fmt.Print(fd, " ")
		}
	}
	return nil
}

// call makes a call that would fail by its arguments, were it allowed.
func call(number uintptr) error {
	var none unsafe.Pointer
	_, _, errno := unix.RawSyscall6(number, uintptr(none), 0, 0, 0, 0, 0)
	return some(errno)
}

func some(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}
