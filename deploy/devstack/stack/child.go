package stack

import (
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// outputGrace bounds the wait for output of grandchildren that outlive a child.
const outputGrace = 5 * time.Second

// child is a process that cannot outlive this one.
type child struct {
	cmd    *exec.Cmd
	exited chan struct{} // Closed once the process was waited for.
	err    error         // How it ended; read it only after exited.
}

// startChild starts cmd, as another user when as is not nil. The child gets
// onParentDeath when this process ends, however it ends.
//
// The kernel sends that signal when the starting thread ends, and the Go runtime
// ends threads as it likes: so the goroutine that starts the child stays locked
// to its thread until the child is gone.
func startChild(cmd *exec.Cmd, onParentDeath syscall.Signal, as *account) (*child, error) {
	bindToParent(cmd, onParentDeath, as)
	cmd.WaitDelay = outputGrace
	c := &child{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		c.err = cmd.Wait()
		close(c.exited)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return c, nil
}

// end sends signal and, when the child is still there after grace, kills it. It
// returns when the child is gone.
func (c *child) end(signal syscall.Signal, grace time.Duration) {
	select {
	case <-c.exited:
		return
	default:
	}
	// A child that ended meanwhile is what was asked for.
	_ = c.cmd.Process.Signal(signal)
	select {
	case <-c.exited:
	case <-time.After(grace):
		_ = c.cmd.Process.Kill()
		<-c.exited
	}
}
