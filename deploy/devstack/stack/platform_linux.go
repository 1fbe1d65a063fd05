package stack

import (
	"errors"
	"os"
	"syscall"
)

// errLocked says that another open file holds the lock.
var errLocked = errors.New("locked by another process")

// tryLockFile locks file for this process alone, until it is closed.
func tryLockFile(file *os.File) error {
	for {
		switch err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return errLocked
		default:
			return err
		}
	}
}
