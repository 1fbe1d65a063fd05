// Package sidecar builds plausible-webhooks and runs it as a process of its
// own, for the demo and the benchmarks. It knows the program from outside
// only: its commands, its environment, its health port and its signals.
package sidecar

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// stopLimit is how long Stop waits: the program promises 8 s for attempts in
// flight, and a container runtime is told to wait 15 s.
const stopLimit = 15 * time.Second

// Build compiles the program into dir and returns its path.
func Build(ctx context.Context, dir string) (binary string, err error) {
	binary = filepath.Join(dir, "plausible-webhooks")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, "plausible-webhooks/cmd/plausible-webhooks")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build plausible-webhooks: %w\n%s", err, out)
	}
	return binary, nil
}

// Process is one running sidecar.
type Process struct {
	Binary string
	Env    []string // Complete, as for exec.Cmd.
	Admin  string   // host:port of WEBHOOKS_ADMIN_LISTEN.
	Pages  string   // host:port of WEBHOOKS_LISTEN.

	cmd    *exec.Cmd
	exited chan struct{} // Closed when the process has ended.
	result error         // Set before exited is closed.
}

// Start runs the program with its log going to log. The admin port and the
// port of the settings page are chosen here and added to env.
func Start(binary string, env []string, log io.Writer) (*Process, error) {
	admin, err := freeAddress()
	if err != nil {
		return nil, err
	}
	pages, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p := &Process{
		Binary: binary,
		Admin:  admin,
		Pages:  pages,
		Env:    append(append([]string(nil), env...), "WEBHOOKS_ADMIN_LISTEN="+admin, "WEBHOOKS_LISTEN="+pages),
		exited: make(chan struct{}),
	}
	p.cmd = exec.Command(binary, "run")
	p.cmd.Env = p.Env
	p.cmd.Stdout, p.cmd.Stderr = log, log
	// A process group of its own: Ctrl-C reaches the caller alone, which then
	// stops the sidecar in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start plausible-webhooks: %w", err)
	}
	go func() {
		p.result = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// Exited is closed when the process has ended, for whatever reason.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ready returns when /readyz answers 200, or with its last answer when ctx
// ends.
func (p *Process) Ready(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	reason := "no answer yet"
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Admin+"/readyz", nil)
		if err != nil {
			return fmt.Errorf("ask whether plausible-webhooks is ready: %w", err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			body, _ := io.ReadAll(resp.Body) // Only for the error's text.
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			reason = string(body)
		}
		select {
		case <-p.exited:
			return fmt.Errorf("plausible-webhooks ended before it was ready: %v", p.result)
		case <-ctx.Done():
			return fmt.Errorf("wait until plausible-webhooks is ready, it said %s: %w", reason, ctx.Err())
		case <-tick.C:
		}
	}
}

// Command runs another command of the program in the same environment and
// returns what it printed.
func (p *Process) Command(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, p.Binary, args...)
	cmd.Env = p.Env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("plausible-webhooks %s: %w\n%s", args[0], err, errs.Bytes())
	}
	return out.String(), nil
}

// Stop asks the process to end, as a container runtime does, and waits for it.
func (p *Process) Stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop plausible-webhooks: %w", err)
	}
	select {
	case <-p.exited:
	case <-time.After(stopLimit):
		_ = p.cmd.Process.Kill() // It may have ended this moment.
		<-p.exited
		return fmt.Errorf("plausible-webhooks did not end within %s of SIGTERM", stopLimit)
	}
	if p.result != nil {
		return fmt.Errorf("plausible-webhooks did not end well: %w", p.result)
	}
	return nil
}

// freeAddress is a loopback address that nobody listens on at the moment.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("look for a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}
