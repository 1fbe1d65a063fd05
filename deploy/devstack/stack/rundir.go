package stack

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// runDir is the temporary folder of one running server. It counts as in use
// while its lock file, a sibling, is locked. A server inherits the lock, so the
// folder of a killed run is free only when its server is gone too.
type runDir struct {
	path string
	lock *os.File
}

const lockSuffix = ".lock"

// newRunDir makes a folder that any user may enter, after it has removed the
// folders of runs that are dead.
func newRunDir(kind string) (*runDir, error) {
	root, err := runRoot()
	if err != nil {
		return nil, err
	}
	removeDead(root)
	for {
		path := filepath.Join(root, kind+"-"+strings.ToLower(rand.Text()[:8]))
		lock, err := os.OpenFile(path+lockSuffix, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		// Between open and lock another start may have taken the file for dead.
		if err := tryLockFile(lock); errors.Is(err, errLocked) || err == nil && !sameFile(lock, path+lockSuffix) {
			lock.Close()
			continue
		} else if err != nil {
			lock.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		dir := &runDir{path: path, lock: lock}
		if err := os.Mkdir(path, 0o711); err != nil {
			return nil, errors.Join(err, dir.remove())
		}
		// The umask may have taken what others need to enter.
		if err := os.Chmod(path, 0o711); err != nil {
			return nil, errors.Join(err, dir.remove())
		}
		return dir, nil
	}
}

// remove deletes the folder. The lock file goes last: a folder that could not
// be deleted stays on the list of the next start.
func (d *runDir) remove() error {
	err := os.RemoveAll(d.path)
	if err == nil {
		err = os.Remove(d.path + lockSuffix)
	}
	return errors.Join(err, d.lock.Close())
}

// runRoot returns the folder below which servers of this user run. Others may
// enter it, but it must be this user's: left-overs are deleted there.
func runRoot() (string, error) {
	temp := os.TempDir()
	if os.Geteuid() == 0 && !enterableByAll(temp) {
		temp = "/tmp"
	}
	root := filepath.Join(temp, fmt.Sprintf("%s-%d", cacheName, os.Geteuid()))
	if err := os.Mkdir(root, 0o711); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	info, err := os.Lstat(root)
	if err != nil {
		return "", err
	}
	if !info.IsDir() || !ownedByUs(info) {
		return "", fmt.Errorf("use %s for running servers: it belongs to somebody else; remove it or set TMPDIR", root)
	}
	return root, os.Chmod(root, 0o711)
}

// removeDead deletes the folders of runs whose processes are all gone. What
// cannot be deleted now is tried again by the next start.
func removeDead(root string) {
	locks, err := filepath.Glob(filepath.Join(root, "*"+lockSuffix))
	if err != nil {
		return
	}
	for _, path := range locks {
		lock, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if tryLockFile(lock) == nil && sameFile(lock, path) {
			dead := &runDir{path: strings.TrimSuffix(path, lockSuffix), lock: lock}
			_ = dead.remove()
			continue
		}
		lock.Close()
	}
}

// sameFile tells whether path still names the open file.
func sameFile(file *os.File, path string) bool {
	opened, err := file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(opened, named)
}
