package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"plausible-webhooks/config/env"

	"golang.org/x/term"
)

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	os.Exit(execute(untilSignalled(signals, os.Exit), os.Args[1:], program{
		stdin:  os.Stdin,
		stdout: os.Stdout,
		stderr: os.Stderr,
		source: env.FromOS(),
		now:    time.Now,
		local:  time.Local,
		person: term.IsTerminal(int(os.Stdin.Fd())),
	}))
}

// untilSignalled returns a context that the first signal ends; the second one
// ends the process at once, with a shell's exit code for it. Both are taken from
// one channel: giving the default back after the first, as signal.NotifyContext
// would, loses a second that comes meanwhile.
func untilSignalled(signals <-chan os.Signal, exit func(code int)) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-signals
		cancel()
		if second, ok := (<-signals).(syscall.Signal); ok {
			exit(128 + int(second))
		}
	}()
	return ctx
}
