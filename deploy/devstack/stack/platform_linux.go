package stack

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// errLocked says that another open file holds the lock.
var errLocked = errors.New("locked by another process")

// tryLockFile locks file for this process and the children that inherit it,
// until the last of them has closed it.
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

// ownedByUs tells whether a file belongs to the user of this process.
func ownedByUs(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// bindToParent has the child get signal when the thread that starts it ends.
// startChild keeps that thread for as long as the child lives.
func bindToParent(cmd *exec.Cmd, signal syscall.Signal, as *account) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: signal}
	if as != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: as.uid, Gid: as.gid}
	}
}

// account is the user that PostgreSQL, which refuses to run as root, runs as.
type account struct{ uid, gid uint32 }

// unprivileged returns the account to drop to, or nil when this process has no
// privileges to drop.
func unprivileged() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return nil, fmt.Errorf("find a user to run as instead of root: %w", err)
	}
	uid, err := strconv.ParseUint(nobody.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("read the id of user nobody: %w", err)
	}
	gid, err := strconv.ParseUint(nobody.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("read the group of user nobody: %w", err)
	}
	return &account{uid: uint32(uid), gid: uint32(gid)}, nil
}
