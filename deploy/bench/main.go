// Command bench measures the sidecar on this machine, beside real engines and
// loopback receivers, and prints what it saw beside what was promised.
//
//	go run ./deploy/bench send        # rate, latency, slow and failing neighbours, a backlog, 10,000 webhooks; -h for flags
//	go run ./deploy/bench evaluate    # ticks of a small installation and of grown ones; -h for flags
//	go run ./deploy/bench page        # the Webhooks page with a million deliveries in the log; -h for flags
//	go run ./deploy/bench idle        # what it takes with nothing to do, and its start with 100,000 webhooks; -h for flags
//
// Everything a measurement needs runs on the same cores as what is measured:
// read the numbers as a floor.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

var benchmarks = map[string]func(ctx context.Context, args []string) error{
	"send":       benchSend,
	"evaluate":   benchEvaluate,
	"page":       benchPage,
	"idle":       benchIdle,
	childCommand: evaluateChild,
}

func main() {
	if len(os.Args) < 2 || benchmarks[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: go run ./deploy/bench send | evaluate | page | idle [flags]")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := benchmarks[os.Args[1]](ctx, os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
