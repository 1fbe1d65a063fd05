package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const (
	// tickLimit is how long one tick may take, that of a day's catching up
	// among them.
	tickLimit = 5 * time.Minute
	// readyLimit is for reading the configuration and following it.
	readyLimit = followLimit + 30*time.Second
	// tickerStopLimit is how long the child may take to end by itself.
	tickerStopLimit = 10 * time.Second
)

// ticker is the child process that evaluates when it is told.
type ticker struct {
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	answers chan ticked   // Closed at the end of its output.
	exited  chan struct{} // Closed when it was waited for.
	result  error         // Set before exited is closed.
}

// startTicker starts the child and returns when it follows the configuration.
func startTicker(ctx context.Context, database, events string) (_ *ticker, err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program to start it again: %w", err)
	}
	// One answer may come late, after nobody waits for it any more.
	t := &ticker{cmd: exec.Command(program, childCommand), answers: make(chan ticked, 1), exited: make(chan struct{})}
	t.cmd.Env = append(os.Environ(), "DATABASE_URL="+database, "CLICKHOUSE_DATABASE_URL="+events)
	t.cmd.Stderr = os.Stderr
	// A process group of its own: Ctrl-C reaches us alone, and we end it.
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if t.stdin, err = t.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start the evaluating process: %w", err)
	}
	stdout, err := t.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the evaluating process: %w", err)
	}
	if err := t.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the evaluating process: %w", err)
	}
	go func() {
		lines := json.NewDecoder(stdout)
		var one ticked
		for lines.Decode(&one) == nil {
			t.answers <- one
			one = ticked{}
		}
		close(t.answers)
		t.result = t.cmd.Wait()
		close(t.exited)
	}()
	if _, err := t.answer(ctx, readyLimit); err != nil {
		return nil, errors.Join(err, t.stop())
	}
	return t, nil
}

// tick has the child evaluate at a time.
func (t *ticker) tick(ctx context.Context, at int64) (ticked, error) {
	if _, err := fmt.Fprintf(t.stdin, "tick %d\n", at); err != nil {
		return ticked{}, fmt.Errorf("ask for a tick: %w", err)
	}
	return t.answer(ctx, tickLimit)
}

func (t *ticker) answer(ctx context.Context, limit time.Duration) (ticked, error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case one, ok := <-t.answers:
		if !ok {
			<-t.exited
			return one, fmt.Errorf("the evaluating process has ended: %v", t.result)
		}
		return one, nil
	case <-timer.C:
		return ticked{}, fmt.Errorf("the evaluating process did not answer within %s", limit)
	case <-ctx.Done():
		return ticked{}, context.Cause(ctx)
	}
}

// pid is the process id of the child.
func (t *ticker) pid() int { return t.cmd.Process.Pid }

// stop ends the child. A second call does nothing.
func (t *ticker) stop() error {
	_ = t.stdin.Close() // It may be closed already, or the child gone.
	select {
	case <-t.exited:
	case <-time.After(tickerStopLimit):
		_ = t.cmd.Process.Kill() // It may have ended this moment.
		<-t.exited
		return fmt.Errorf("the evaluating process did not end within %s", tickerStopLimit)
	}
	return nil
}
