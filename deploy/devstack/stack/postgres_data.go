package stack

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// command returns a program of the engine, with an environment in which
// nothing of the machine's can change what it does.
func (p *Postgres) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(p.engineDir, "bin", program), args...)
	cmd.Dir = p.run.path
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC", "HOME=" + p.run.path}
	return cmd
}

// prepare makes the folders of the socket and of the data, and the data unless
// they are there from an earlier run.
func (p *Postgres) prepare(ctx context.Context) error {
	if err := p.makeFolder(p.SocketDir(), 0o755); err != nil {
		return err
	}
	p.data = filepath.Join(p.run.path, "data")
	if p.options.Dir != "" {
		dir, err := filepath.Abs(p.options.Dir)
		if err != nil {
			return fmt.Errorf("resolve the data folder: %w", err)
		}
		if p.as != nil && !enterableByAll(filepath.Dir(dir)) {
			return fmt.Errorf("keep data in %s: the unprivileged user that postgres runs as cannot enter it; choose another folder", dir)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make the data folder: %w", err)
		}
		// Each major version has a format of its own.
		p.data = filepath.Join(dir, fmt.Sprintf("postgres-%d", p.options.Version))
	}
	if _, err := os.Stat(p.data); err == nil {
		return nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return p.initialize(ctx)
}

// initialize copies the data that a new server starts from. It writes to a
// sibling that is renamed at the end, so that data which stay between runs are
// never half made.
func (p *Postgres) initialize(ctx context.Context) error {
	fresh, err := p.freshData(ctx)
	if err != nil {
		return err
	}
	partial := p.data + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return fmt.Errorf("remove what an interrupted start left: %w", err)
	}
	if err := copyTree(fresh, partial, p.as); err != nil {
		return fmt.Errorf("copy fresh data: %w", err)
	}
	return os.Rename(partial, p.data)
}

// initdbArguments make data as the container of Plausible's compose file has
// them, but for the password, which is never asked for.
var initdbArguments = []string{
	"--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions",
}

// freshData returns the data that initdb made for this engine. They are kept
// beside the engine, since initdb takes more than half of the time of a start.
// Hence all servers of a version have the same system identifier.
func (p *Postgres) freshData(ctx context.Context) (dir string, err error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	version := postgresEngines[p.options.Version].version
	key := sha256.Sum256([]byte(strings.Join(initdbArguments, " ")))
	e := engine{name: fmt.Sprintf("postgres-%s-data-%x", version, key[:4]), pkg: "initdb", version: version, size: "40 MB"}
	initdb := func(ctx context.Context, _ engine, dir string) error {
		made := filepath.Join(p.run.path, "initdb")
		if err := p.initdb(ctx, made); err != nil {
			return err
		}
		if err := copyTree(made, filepath.Join(dir, "data"), nil); err != nil {
			return err
		}
		return os.RemoveAll(made)
	}
	root, err := installer{cache: cache, fetch: initdb, progress: io.Discard}.install(ctx, e)
	if err != nil {
		return "", err
	}
	return filepath.Join(root, "data"), nil
}

func (p *Postgres) initdb(ctx context.Context, dir string) error {
	if err := p.makeFolder(dir, 0o700); err != nil {
		return err
	}
	log := newServerLog(nil)
	cmd := p.command("initdb", append([]string{"-D", dir}, initdbArguments...)...)
	cmd.Stdout, cmd.Stderr = log, log
	initdb, err := startChild(cmd, syscall.SIGKILL, p.as)
	if err != nil {
		return fmt.Errorf("run initdb: %w", err)
	}
	select {
	case <-initdb.exited:
	case <-ctx.Done():
		initdb.end(syscall.SIGTERM, postgresStopGrace)
		return fmt.Errorf("run initdb: %w", context.Cause(ctx))
	}
	if initdb.err != nil {
		return fmt.Errorf("run initdb: %w: %s", initdb.err, log.reason())
	}
	return nil
}

// makeFolder makes a folder that belongs to the user the server runs as.
func (p *Postgres) makeFolder(path string, mode os.FileMode) error {
	if err := os.Mkdir(path, mode); err != nil {
		return err
	}
	if p.as == nil {
		return nil
	}
	return os.Chown(path, int(p.as.uid), int(p.as.gid))
}

// copyTree copies folders and files, for the user a server runs as and closed
// to others, which is what PostgreSQL insists on.
func copyTree(from, to string, as *account) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		if entry.IsDir() {
			err = os.Mkdir(target, 0o700)
		} else {
			err = copyFile(path, target)
		}
		if err != nil || as == nil {
			return err
		}
		return os.Chown(target, int(as.uid), int(as.gid))
	})
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}
