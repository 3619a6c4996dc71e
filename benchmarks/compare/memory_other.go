//go:build !linux

package main

// takeMemory does nothing: see the one of Linux.
func takeMemory() {}
