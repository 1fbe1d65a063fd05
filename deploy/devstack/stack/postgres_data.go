package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// initialize runs initdb. It writes to a sibling that is renamed at the end, so
// that data which stay between runs are never half made.
func (p *Postgres) initialize(ctx context.Context) error {
	partial := p.data + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return fmt.Errorf("remove what an interrupted initdb left: %w", err)
	}
	if err := p.makeFolder(partial, 0o700); err != nil {
		return err
	}
	log := newServerLog(nil)
	cmd := p.command("initdb", "-D", partial, "--username=postgres", "--auth=trust",
		"--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
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
	return os.Rename(partial, p.data)
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
