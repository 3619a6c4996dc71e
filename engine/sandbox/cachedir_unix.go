//go:build unix

package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// privateDir makes the folder if it is not there and returns its path without
// symbolic links. It fails unless only root and the user of this process can
// change what is in it, or put another folder in its place: all folders from
// the root down belong to one of them and nobody else may write to them. Above
// the folder itself, one that everybody may write to is accepted if it is
// sticky, like /tmp: there nobody can rename what belongs to others.
func privateDir(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Lstat(at)
		if err != nil {
			return "", err
		}
		owner := info.Sys().(*syscall.Stat_t).Uid
		switch mode := info.Mode(); {
		case !mode.IsDir():
			return "", fmt.Errorf("%s is not a folder", at)
		case owner != 0 && int(owner) != os.Geteuid():
			return "", fmt.Errorf("%s belongs to user %d, not to root or user %d", at, owner, os.Geteuid())
		case mode.Perm()&0o022 != 0 && (at == dir || mode&os.ModeSticky == 0):
			return "", fmt.Errorf("%s can be written to by others (%v)", at, mode)
		}
		if at == filepath.Dir(at) {
			return dir, nil
		}
	}
}
