// Package tempfile makes files that are not complete yet, and removes those
// that a process which was killed left behind.
//
// What it protects: a folder from filling up with them, and the files of
// processes that run from being taken for leftovers. A file has no name, where
// the file system can do that, and ends with its process. Where it has one, the
// process holds a lock on it, which the kernel lets go of when the process
// ends, however it ends; Sweep removes what nobody holds.
//
// What it does not promise: a file system that knows no locks keeps what is
// left on it, and the name of a host is in the names of its files, for a lock
// may not be seen by another: each removes its own.
//
// It is a matter of Linux.
package tempfile
