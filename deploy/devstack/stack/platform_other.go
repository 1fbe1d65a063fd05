//go:build !linux

package stack

import (
	"errors"
	"os"
)

var (
	errLocked   = errors.New("locked by another process")
	errPlatform = errors.New("engines run on Linux only")
)

func tryLockFile(*os.File) error { return errPlatform }
