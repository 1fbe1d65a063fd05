package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ProfileCE is the profile of settings that Plausible CE mounts into its
// ClickHouse for small machines: one thread, blocks of 8192 rows.
const ProfileCE = "ce"

// ClickHouseOptions says how to start ClickHouse. The zero value is good for tests.
type ClickHouseOptions struct {
	// Profile is empty for the engine's own settings, or ProfileCE.
	Profile string
	// Dir holds the data and is kept; empty for a temporary folder, which lives until Stop.
	Dir string
	// Port on loopback; 0 chooses a free one, which Restart keeps.
	Port int
	// Log gets what the server prints. Nil drops it, but for the end, which errors quote.
	Log io.Writer
}

// ClickHouse is a running ClickHouse. Its methods may be called concurrently.
//
// It is the real engine behind a part of its HTTP interface; what that leaves
// out stands in the documentation of deploy/devstack/clickhouse. Three
// users exist, without passwords: default; readonly, who has readonly=1 and may neither
// write nor change settings; and readonly2, who has readonly=2 and may not write.
type ClickHouse struct {
	opts     ClickHouseOptions
	external *url.URL // The server of DEVSTACK_CLICKHOUSE_URL; nothing is started then.
	program  string
	library  string
	run      *runDir

	mu      sync.Mutex // Guards what follows.
	port    int
	process *child // Nil while the server is down.
	stopped bool
}

// errExternal is why a server that is not ours cannot be told to suffer.
var errExternal = errors.New("the server of DEVSTACK_CLICKHOUSE_URL is not the devstack's to stop, pause or ask for its queries")

// startTimeout bounds a start. It takes about half a second on a free
// machine; the rest is for a busy one.
const startTimeout = time.Minute

// StartClickHouse starts the engine and waits until it answers. On first use
// it installs the engine and builds the server, which prints progress on
// standard error. With DEVSTACK_CLICKHOUSE_URL set that server is used, and nothing started.
func StartClickHouse(ctx context.Context, opts ClickHouseOptions) (*ClickHouse, error) {
	if own := os.Getenv("DEVSTACK_CLICKHOUSE_URL"); own != "" {
		u, err := url.Parse(own)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" {
			return nil, errors.New("read DEVSTACK_CLICKHOUSE_URL: want http://host:8123, with user and password if it needs them")
		}
		return &ClickHouse{external: u}, nil
	}
	return startClickHouseEngine(ctx, opts)
}

func startClickHouseEngine(ctx context.Context, opts ClickHouseOptions) (*ClickHouse, error) {
	library, err := InstallChDB(ctx)
	if err != nil {
		return nil, err
	}
	program, err := buildClickHouse(ctx)
	if err != nil {
		return nil, err
	}
	run, err := newRunDir("clickhouse")
	if err != nil {
		return nil, fmt.Errorf("start clickhouse: make its folder: %w", err)
	}
	c := &ClickHouse{opts: opts, port: opts.Port, program: program, library: library, run: run}
	if opts.Dir == "" {
		c.opts.Dir = filepath.Join(run.path, "data")
	}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(err, run.remove())
	}
	return c, nil
}

// URL is the address of a database, fit for CLICKHOUSE_DATABASE_URL.
func (c *ClickHouse) URL(database string) string {
	if c.external != nil {
		return c.external.JoinPath(database).String()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("http://127.0.0.1:%d/%s", c.port, database)
}

// PID is the process id of the server, for measurements; 0 while it is down,
// and for a server that is not ours.
func (c *ClickHouse) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process == nil {
		return 0
	}
	return c.process.cmd.Process.Pid
}

// Stop ends the server and removes its data, unless Dir was given. A second
// call does nothing.
func (c *ClickHouse) Stop() error {
	if c.external != nil {
		return nil
	}
	c.shutdown(syscall.SIGTERM)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return nil
	}
	c.stopped = true
	if err := c.run.remove(); err != nil {
		return fmt.Errorf("remove clickhouse's folder: %w", err)
	}
	return nil
}

// Kill ends the server as a crash would, and keeps port and data for Restart.
func (c *ClickHouse) Kill() error {
	if c.external != nil {
		return errExternal
	}
	c.shutdown(syscall.SIGKILL)
	return nil
}

// Restart stops the server if it runs, and starts it again on the same port
// with the same data. It also ends Pause and Fail, and empties the query log.
func (c *ClickHouse) Restart(ctx context.Context) error {
	if c.external != nil {
		return errExternal
	}
	c.shutdown(syscall.SIGTERM)
	return c.start(ctx)
}

// start starts the process and waits for its first answer.
func (c *ClickHouse) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return errors.New("start clickhouse: it was stopped for good; use Kill to end it for a while")
	}
	cmd := exec.Command(c.program, "-port", strconv.Itoa(c.port), "-data", c.opts.Dir, "-profile", c.opts.Profile)
	cmd.Env = append(os.Environ(), "CHDB_LIB_PATH="+c.library, "TZ=UTC") // Plausible's container runs in UTC.
	cmd.ExtraFiles = []*os.File{c.run.lock}                              // The folder counts as used for as long as the server lives.
	listening := &listeningLine{address: make(chan string, 1)}
	complaints := newServerLog(c.opts.Log)
	cmd.Stdout, cmd.Stderr = listening, complaints
	// The end of its standard input tells the server that we are gone, even
	// where the signal at the parent's death is not delivered. The pipe is
	// closed with this process, or once the server was waited for.
	if _, err := cmd.StdinPipe(); err != nil {
		return fmt.Errorf("start clickhouse: %w", err)
	}
	process, err := startChild(cmd, syscall.SIGTERM, nil)
	if err != nil {
		return fmt.Errorf("start clickhouse: %w", err)
	}
	select {
	case address := <-listening.address:
		if err = ping(ctx, address); err != nil {
			break
		}
		_, port, _ := strings.Cut(address, ":")
		if c.port, err = strconv.Atoi(port); err != nil {
			break
		}
		c.process = process
		return nil
	case <-process.exited:
		err = fmt.Errorf("it ended at once: %s", complaints.reason())
	case <-ctx.Done():
		err = fmt.Errorf("wait for it to listen: %w: %s", context.Cause(ctx), complaints.reason())
	}
	process.end(syscall.SIGKILL, 0)
	return fmt.Errorf("start clickhouse: %w", err)
}

// stopGrace bounds an orderly stop; the server allows itself half a second.
const stopGrace = 5 * time.Second

// shutdown ends the process, if there is one.
func (c *ClickHouse) shutdown(signal syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process != nil {
		c.process.end(signal, stopGrace)
		c.process = nil
	}
}

// listeningLine waits for the line in which the server tells its address.
type listeningLine struct {
	address chan string
	text    []byte
}

func (l *listeningLine) Write(p []byte) (int, error) {
	l.text = append(l.text, p...)
	if line, _, whole := bytes.Cut(l.text, []byte("\n")); whole {
		if address, ok := strings.CutPrefix(string(line), "listening "); ok {
			select {
			case l.address <- address:
			default: // It is told once.
			}
		}
	}
	return len(p), nil
}

func ping(ctx context.Context, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/ping", nil)
	if err != nil {
		return err
	}
	response, err := plainHTTP.Do(request)
	if err != nil {
		return fmt.Errorf("wait for its first answer: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("wait for its first answer: got status %s", response.Status)
	}
	return nil
}

// plainHTTP talks to servers of the devstack: no proxy of the environment, and
// no idle connections, which would outlive a server and look like leaks.
var plainHTTP = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
