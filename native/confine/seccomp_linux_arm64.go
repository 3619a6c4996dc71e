package confine

import "golang.org/x/sys/unix"

// auditArch is the value of seccomp_data.arch for the system calls of this
// table.
const auditArch = unix.AUDIT_ARCH_AARCH64

// anyProcessHere are the calls of anyProcess that are named differently in
// this processor's table.
var anyProcessHere = []uintptr{unix.SYS_NEWFSTATAT}
