package stack

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ClickHouseOptions says how to start ClickHouse. The zero value is good for tests.
type ClickHouseOptions struct {
	// Profile is empty, or "ce" for the settings that Plausible CE mounts for
	// small machines: one thread, blocks of 8192 rows.
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
	scratch  bool // Dir is ours to remove.

	mu      sync.Mutex // Guards what follows.
	port    int
	process *clickhouseProcess
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
	library, err := InstallChDB(ctx)
	if err != nil {
		return nil, err
	}
	program, err := buildClickHouse(ctx)
	if err != nil {
		return nil, err
	}
	c := &ClickHouse{opts: opts, port: opts.Port, program: program, library: library}
	if opts.Dir == "" {
		c.scratch = true
		if c.opts.Dir, err = os.MkdirTemp("", "devstack-clickhouse-"); err != nil {
			return nil, fmt.Errorf("make a data folder for clickhouse: %w", err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.start(ctx); err != nil {
		c.removeData()
		return nil, err
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

// Stop ends the server and removes its data, unless Dir was given. It may be
// called again, and after Kill.
func (c *ClickHouse) Stop() {
	if c.external != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	c.end(syscall.SIGTERM)
	c.removeData()
}

// Kill ends the server as a crash would, and keeps port and data for Restart.
func (c *ClickHouse) Kill() error {
	if c.external != nil {
		return errExternal
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end(syscall.SIGKILL)
	return nil
}

// Restart stops the server if it runs, and starts it again on the same port with the same
// data. It also ends Pause and Fail, and empties the query log.
func (c *ClickHouse) Restart(ctx context.Context) error {
	if c.external != nil {
		return errExternal
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return errors.New("restart clickhouse: it was stopped for good; use Kill to end it for a while")
	}
	c.end(syscall.SIGTERM)
	return c.start(ctx)
}

// PID is the process id of the server, 0 if none of ours runs.
func (c *ClickHouse) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process == nil {
		return 0
	}
	return c.process.cmd.Process.Pid
}

func (c *ClickHouse) removeData() {
	if !c.scratch {
		return
	}
	if err := os.RemoveAll(c.opts.Dir); err != nil {
		fmt.Fprintf(os.Stderr, "devstack: remove clickhouse's data: %v\n", err)
	}
}

// start starts the process and waits for its first answer. The caller holds the lock.
func (c *ClickHouse) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	p := &clickhouseProcess{ended: make(chan struct{}), last: tail{limit: 4 << 10}}
	args := []string{"-port", strconv.Itoa(c.port), "-data", c.opts.Dir, "-profile", c.opts.Profile}
	if c.scratch {
		args = append(args, "-scratch")
	}
	p.cmd = exec.Command(c.program, args...)
	p.cmd.Env = append(os.Environ(), "CHDB_LIB_PATH="+c.library)
	p.cmd.Stderr = &p.last
	if c.opts.Log != nil {
		p.cmd.Stderr = io.MultiWriter(&p.last, c.opts.Log)
	}
	address, err := p.run(ctx)
	if err == nil {
		err = ping(ctx, address)
	}
	if err != nil {
		p.end(syscall.SIGKILL)
		return fmt.Errorf("start clickhouse: %w", err)
	}
	_, port, _ := strings.Cut(address, ":")
	if c.port, err = strconv.Atoi(port); err != nil {
		p.end(syscall.SIGKILL)
		return fmt.Errorf("start clickhouse: read its address %q: %w", address, err)
	}
	c.process = p
	return nil
}

// end ends the process, if there is one, and waits for it. The caller holds the lock.
func (c *ClickHouse) end(how syscall.Signal) {
	if c.process != nil {
		c.process.end(how)
		c.process = nil
	}
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

// clickhouseProcess is one life of the server.
type clickhouseProcess struct {
	cmd   *exec.Cmd
	stdin io.Closer // Its end of file tells the server that we are gone.
	ended chan struct{}
	last  tail
}

// run starts the process and returns the address that it listens on.
func (p *clickhouseProcess) run(ctx context.Context) (address string, err error) {
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := p.cmd.Start(); err != nil {
		close(p.ended)
		return "", err
	}
	p.stdin = stdin
	announced := make(chan string, 1)
	go func() {
		defer close(p.ended)
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if address, ok := strings.CutPrefix(lines.Text(), "listening "); ok {
				announced <- address
			}
		}
		_ = p.cmd.Wait() // Standard error tells more than the status.
	}()
	select {
	case address := <-announced:
		return address, nil
	case <-p.ended:
		return "", fmt.Errorf("the server ended at once: %s", p.last.String())
	case <-ctx.Done():
		return "", fmt.Errorf("the server announced no address: %w: %s", context.Cause(ctx), p.last.String())
	}
}

// end signals the process and waits until it is gone; one that does not obey is killed.
func (p *clickhouseProcess) end(how syscall.Signal) {
	if p.cmd.Process == nil {
		return
	}
	_ = p.cmd.Process.Signal(how) // Already gone is as good.
	select {
	case <-p.ended:
	case <-time.After(5 * time.Second): // It allows itself half a second.
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	_ = p.stdin.Close()
}

// tail keeps the end of what was written.
type tail struct {
	limit int
	mu    sync.Mutex
	text  []byte
}

func (t *tail) Write(data []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, data...)
	if over := len(t.text) - t.limit; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(data), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.text))
}
