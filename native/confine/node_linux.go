package confine

import (
	"os"

	"golang.org/x/sys/unix"
)

// openNode opens a block device, by its number, for reading and writing by a
// node that belongs to a user, in a file system that nothing else sees: so the
// host's own node stays as it is, also when the host is killed.
//
// It takes what makes nodes (CAP_MKNOD) and mounts (CAP_SYS_ADMIN), outside of
// user namespaces.
func openNode(device uint64, uid, gid int) (fd int, err error) {
	mount, err := mountNew("tmpfs", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC, "mode", "711", "size", "4k")
	if err != nil {
		return -1, err
	}
	defer unix.Close(mount)
	const name = "device"
	if err := unix.Mknodat(mount, name, unix.S_IFBLK|0o600, int(device)); err != nil {
		return -1, os.NewSyscallError("mknodat", err)
	}
	if err := unix.Fchownat(mount, name, uid, gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return -1, os.NewSyscallError("fchownat", err)
	}
	if fd, err = unix.Openat(mount, name, unix.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0); err != nil {
		return -1, os.NewSyscallError("openat", err)
	}
	return fd, nil
}
