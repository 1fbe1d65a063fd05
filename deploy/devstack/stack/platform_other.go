//go:build !linux

package stack

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

var (
	errLocked   = errors.New("locked by another process")
	errPlatform = errors.New("engines run on Linux only")
)

// The package builds everywhere, since servers of one's own may be used, but
// nothing below is reached: install refuses first.

type account struct{ uid, gid uint32 }

func tryLockFile(*os.File) error                       { return errPlatform }
func ownedByUs(os.FileInfo) bool                       { return false }
func bindToParent(*exec.Cmd, syscall.Signal, *account) {}
func unprivileged() (*account, error)                  { return nil, errPlatform }
