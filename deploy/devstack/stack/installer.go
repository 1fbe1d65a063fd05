package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// lockRetry is how often a process looks whether the one that installs is
// done. The lock has no queue that would also obey a context.
const lockRetry = 100 * time.Millisecond

// installer puts engines into the cache, each once, whoever else asks.
type installer struct {
	cache    string
	fetch    func(ctx context.Context, e engine, dir string) error
	progress io.Writer
}

// install returns the folder of an engine, which it fetches when it is not
// there. It prints only when there is something to wait for.
func (i installer) install(ctx context.Context, e engine) (string, error) {
	dir := filepath.Join(i.cache, e.name)
	if installed(dir) {
		return dir, nil
	}
	if err := os.MkdirAll(i.cache, 0o755); err != nil {
		return "", fmt.Errorf("install %s, make the cache: %w", e.name, err)
	}
	unlock, err := i.lock(ctx, e)
	if err != nil {
		return "", fmt.Errorf("install %s: %w", e.name, err)
	}
	defer unlock()
	if installed(dir) {
		return dir, nil
	}
	if err := i.fetchInto(ctx, e, dir); err != nil {
		return "", fmt.Errorf("install %s: %w", e.name, err)
	}
	return dir, nil
}

func installed(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && info.IsDir()
}

// lock waits until this process alone may install the engine. The lock goes
// with the process, so one that was killed never blocks the others.
func (i installer) lock(ctx context.Context, e engine) (unlock func(), err error) {
	path := filepath.Join(i.cache, e.name+".lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open its lock: %w", err)
	}
	retry := time.NewTicker(lockRetry)
	defer retry.Stop()
	for waiting := false; ; waiting = true {
		err := tryLockFile(file)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, errLocked) {
			file.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !waiting {
			fmt.Fprintf(i.progress, "devstack: waiting for another process to install %s\n", e.name)
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			file.Close()
			return nil, fmt.Errorf("wait for the process that installs it: %w", context.Cause(ctx))
		}
	}
}

// fetchInto fetches into a sibling and renames it, so that only a complete
// engine ever has its final name. The caller holds the lock, hence partial
// folders are left-overs.
func (i installer) fetchInto(ctx context.Context, e engine, dir string) error {
	partial := dir + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return fmt.Errorf("remove what an interrupted installation left: %w", err)
	}
	if err := os.Mkdir(partial, 0o755); err != nil {
		return err
	}
	start := time.Now()
	fmt.Fprintf(i.progress, "devstack: fetching %s (%s@%s, about %s on disk)\n", e.name, e.pkg, e.version, e.size)
	err := i.fetch(ctx, e, partial)
	if err == nil && e.prepare != nil {
		err = e.prepare(partial)
	}
	if err == nil {
		err = readableByAll(partial)
	}
	if err == nil {
		err = os.Rename(partial, dir)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(partial))
	}
	fmt.Fprintf(i.progress, "devstack: installed %s in %.0f s\n", e.name, time.Since(start).Seconds())
	return nil
}

// readableByAll undoes a strict umask: root installs the engine, and an
// unprivileged user runs it.
func readableByAll(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o444
		if mode&0o100 != 0 {
			mode |= 0o111
		}
		if mode == info.Mode().Perm() {
			return nil
		}
		return os.Chmod(path, mode)
	})
}
