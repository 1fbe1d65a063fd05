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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the default comes back, so that a second one ends
	// the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(execute(ctx, os.Args[1:], program{
		stdin:  os.Stdin,
		stdout: os.Stdout,
		stderr: os.Stderr,
		source: env.FromOS(),
		now:    time.Now,
		local:  time.Local,
		person: term.IsTerminal(int(os.Stdin.Fd())),
	}))
}
