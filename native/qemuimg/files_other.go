//go:build !linux

package qemuimg

import "os"

// Nothing here is reached: no process is started without confinement.

func readOnly(f *os.File) (*os.File, func(), error) { return f, func() {}, nil }

func stored(info os.FileInfo) int64 { return info.Size() }

func sizeError(_ *os.File, err error) error { return err }
