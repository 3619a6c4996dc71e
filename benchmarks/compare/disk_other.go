//go:build !linux

package main

import "os"

// beginWriting does nothing: see the one of Linux.
func beginWriting(*os.File, int64, int64) {}
