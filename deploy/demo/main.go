// Command demo shows the sidecar at work beside real engines, on one machine
// and without containers:
//
//	go run ./deploy/demo          # stays up for you to play with, until Ctrl-C
//	go run ./deploy/demo -once    # exits when the story is told
//
// It starts PostgreSQL, ClickHouse, a stand-in for Plausible's web side and a
// receiver that verifies each signature, builds the sidecar and runs it as a
// process of its own, and tells what happens as it happens. It asks nothing.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// storyLimit bounds the story itself, after the engines run: the slowest part
// is a write buffer of 5 s followed by a poll of 2 s.
const storyLimit = 60 * time.Second

func main() {
	once := flag.Bool("once", false, "exit when the story is told")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *once); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, once bool) (err error) {
	tell := newNarrator(os.Stdout)
	set, err := build(ctx, tell)
	if err != nil {
		return err
	}
	defer func() {
		if e := set.tearDown(); err == nil {
			err = e
		}
	}()

	storyCtx, cancel := context.WithTimeout(ctx, storyLimit)
	defer cancel()
	if err := set.play(storyCtx); err != nil {
		return err
	}
	if err := set.summary(ctx); err != nil || once {
		return err
	}
	set.invite()
	set.keepVisiting(ctx)
	return nil
}
