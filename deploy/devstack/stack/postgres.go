package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Bounds of a server's start and end. A healthy server starts in half a second
// and stops in less; the bounds allow for a machine that is very busy.
const (
	postgresStartTimeout = 60 * time.Second
	postgresStopGrace    = 10 * time.Second
	portAttempts         = 5
)

// Postgres is a running server. Its methods may be called from several
// goroutines.
type Postgres struct {
	base     *url.URL // Of the database postgres.
	external bool     // Somebody else's server, from DEVSTACK_DATABASE_URL.

	options   PostgresOptions
	engineDir string
	as        *account
	run       *runDir
	data      string
	port      int

	mu      sync.Mutex // Guards the process.
	process *child
	stopped bool

	databases databases
}

// StartPostgres starts a server, and installs its engine first when need be.
// The user is postgres, whose password is "postgres" and never asked for. The
// caller stops the server; it also dies with this process.
//
// Where DEVSTACK_DATABASE_URL is set and the options ask for nothing in
// particular, that server is used instead: a URL of a user that may create
// databases and replicate.
func StartPostgres(ctx context.Context, options PostgresOptions) (*Postgres, error) {
	if external := os.Getenv("DEVSTACK_DATABASE_URL"); external != "" && options.ordinary() {
		return externalPostgres(external)
	}
	return startEngine(ctx, options)
}

func externalPostgres(text string) (*Postgres, error) {
	// The URL may hold a password, which the error of url.Parse would show.
	base, err := url.Parse(text)
	if err != nil || base.Scheme != "postgres" && base.Scheme != "postgresql" {
		return nil, errors.New("use DEVSTACK_DATABASE_URL: it must have the form postgres://user:password@host:port/database")
	}
	config, err := pgconn.ParseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("use DEVSTACK_DATABASE_URL: %w", err)
	}
	return &Postgres{base: base, external: true, port: int(config.Port)}, nil
}

func startEngine(ctx context.Context, options PostgresOptions) (_ *Postgres, err error) {
	options, err = options.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	engineDir, err := InstallPostgres(ctx, options.Version)
	if err != nil {
		return nil, err
	}
	as, err := unprivileged()
	if err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	run, err := newRunDir("postgres")
	if err != nil {
		return nil, fmt.Errorf("start postgres, make its folder: %w", err)
	}
	p := &Postgres{options: options, engineDir: engineDir, as: as, run: run, port: options.Port}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Stop())
		}
	}()
	if err := p.prepare(ctx); err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	if err := p.startOnSomePort(ctx); err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	return p, nil
}

// startOnSomePort tries another port where one was asked for freely and was
// taken between the choice and the start.
func (p *Postgres) startOnSomePort(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		if p.options.Port == 0 {
			port, err := freePort()
			if err != nil {
				return err
			}
			p.port = port
		}
		err := p.start(ctx)
		if err == nil {
			p.base = p.localURL()
			return nil
		}
		taken := strings.Contains(err.Error(), "could not create any TCP/IP sockets") ||
			strings.Contains(err.Error(), "could not bind")
		if !taken || p.options.Port != 0 || attempt == portAttempts {
			return err
		}
	}
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func (p *Postgres) localURL() *url.URL {
	return &url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword("postgres", "postgres"),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)),
		Path:     "/postgres",
		RawQuery: "sslmode=disable",
	}
}

// start runs the server and returns when clients can connect.
func (p *Postgres) start(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return errors.New("the server was stopped")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, postgresStartTimeout, fmt.Errorf("not ready after %v", postgresStartTimeout))
	defer cancel()
	log := newServerLog(p.options.Log)
	cmd := p.command("postgres", p.options.arguments(p.data, p.SocketDir(), p.port)...)
	cmd.Stdout, cmd.Stderr = log, log
	// Whoever wants to clean up after us finds the folder in use for as long as
	// any process of the server runs.
	cmd.ExtraFiles = []*os.File{p.run.lock}
	process, err := startChild(cmd, syscall.SIGQUIT, p.as)
	if err != nil {
		return err
	}
	select {
	case <-log.ready:
		p.process = process
		return nil
	case <-process.exited:
		return fmt.Errorf("it ended at once (%w): %s", exitError(process.err), log.reason())
	case <-ctx.Done():
		process.end(syscall.SIGQUIT, postgresStopGrace)
		return fmt.Errorf("%w: %s", context.Cause(ctx), log.reason())
	}
}

func exitError(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// URL returns the URL of a database; empty is the database postgres.
func (p *Postgres) URL(database string) string {
	u := *p.base
	if database != "" {
		u.Path, u.RawPath = "/"+database, ""
	}
	return u.String()
}

// PID is the process id of the server, the parent of its connections', for
// measurements; 0 for somebody else's.
func (p *Postgres) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process == nil {
		return 0
	}
	return p.process.cmd.Process.Pid
}

// Port returns the TCP port, which a restart keeps.
func (p *Postgres) Port() int { return p.port }

// SocketDir returns the folder of the unix socket, for the host parameter of a
// URL. It is empty for a server that is not ours.
func (p *Postgres) SocketDir() string {
	if p.run == nil {
		return ""
	}
	return filepath.Join(p.run.path, "socket")
}

// Restart shuts the server down as an operator does, who waits for
// transactions to be written but not for clients, and starts it with the same
// data on the same port. It also starts a server that was killed.
func (p *Postgres) Restart(ctx context.Context) error {
	if p.external {
		return errors.New("restart postgres: the server of DEVSTACK_DATABASE_URL is not ours")
	}
	p.shutdown(syscall.SIGINT)
	if err := p.start(ctx); err != nil {
		return fmt.Errorf("restart postgres: %w", err)
	}
	return nil
}

// Kill ends the server at once, as a crash does: nothing is flushed, clients
// are cut off, and the data needs recovery, which Restart does.
func (p *Postgres) Kill() error {
	if p.external {
		return errors.New("kill postgres: the server of DEVSTACK_DATABASE_URL is not ours")
	}
	p.shutdown(syscall.SIGQUIT)
	return nil
}

// Stop ends the server and removes its data unless Dir keeps them. Of a server
// that is not ours it drops the databases that were made. A second call does
// nothing.
func (p *Postgres) Stop() error {
	if p.external {
		return p.dropAll()
	}
	signal := syscall.SIGQUIT
	if p.options.Dir != "" {
		signal = syscall.SIGINT
	}
	p.shutdown(signal)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return nil
	}
	p.stopped = true
	if err := p.run.remove(); err != nil {
		return fmt.Errorf("remove the server's folder: %w", err)
	}
	return nil
}

// shutdown ends the process, if there is one. A shutdown that waits for a
// stuck client becomes an immediate one.
func (p *Postgres) shutdown(signal syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process == nil {
		return
	}
	if signal != syscall.SIGQUIT {
		_ = p.process.cmd.Process.Signal(signal)
		select {
		case <-p.process.exited:
		case <-time.After(postgresStopGrace):
		}
	}
	p.process.end(syscall.SIGQUIT, postgresStopGrace)
	p.process = nil
}
