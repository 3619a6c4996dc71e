//go:build !linux

package throttle

import "os"

// DeviceOf takes all files for those of one device: what can be told apart is
// then held back too much, and not too little.
func DeviceOf(*os.File) (device uint64, known bool) { return 0, true }
