package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"plausible-webhooks/cdc"
	"plausible-webhooks/evaluator"
	"plausible-webhooks/evaluator/stats"
)

// childCommand is how the benchmark starts itself for a process whose memory
// is that of evaluation alone. It has no place in the usage.
const childCommand = "evaluate-child"

// followLimit bounds the wait until the configuration is followed by
// replication.
const followLimit = 2 * time.Minute

// poolSize is what the sidecar takes of connections.
const poolSize = 8

// ticked is what the child tells of one tick, and, with nothing of a tick in
// it, that it is ready.
type ticked struct {
	Took       time.Duration
	Queries    int
	Classes    int
	States     int
	Firings    int
	Unanswered []string `json:",omitempty"`
	Failed     string   `json:",omitempty"` // PostgreSQL did not take the results.
	Memory     memoryUse
}

// evaluateChild follows the configuration as the sidecar does and evaluates
// whenever a line "tick <unix seconds>" comes in, at that time. The end of its
// input ends it, also amid a tick.
func evaluateChild(ctx context.Context, _ []string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	times := make(chan time.Time)
	// Its input ends with the parent, which may have been killed. A read of a
	// pipe cannot be interrupted, so this is not waited for: it goes with the process.
	go func() {
		defer cancel()
		defer close(times)
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			at, err := parseTick(lines.Text())
			if err != nil {
				fmt.Fprintln(os.Stderr, "bench:", err)
				return
			}
			select {
			case times <- at:
			case <-ctx.Done():
				return
			}
		}
	}()

	log := hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr})
	connect, err := pgx.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		return fmt.Errorf("read DATABASE_URL: %w", err)
	}
	pooled, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		return fmt.Errorf("read DATABASE_URL: %w", err)
	}
	pooled.MaxConns = poolSize
	db, err := pgxpool.NewWithConfig(ctx, pooled)
	if err != nil {
		return fmt.Errorf("set up connections to PostgreSQL: %w", err)
	}
	defer db.Close()
	clickhouse, err := openStats(os.Getenv("CLICKHOUSE_DATABASE_URL"))
	if err != nil {
		return err
	}
	defer func() { _ = clickhouse.Close() }() // Only idle connections are left.

	follower := cdc.New(cdc.Options{Connect: connect, Source: cdc.SourceAuto, Log: log.Named("cdc")})
	var following sync.WaitGroup
	defer following.Wait()
	defer cancel()
	following.Go(func() { _ = follower.Run(ctx) }) // It returns when ctx ends.
	if err := replicating(ctx, follower); err != nil {
		return err
	}
	var now time.Time
	e := evaluator.New(evaluator.Options{
		Views: follower.View, DB: db, Stats: clickhouse,
		BaseURL: "https://plausible.example.com", Logger: log.Named("evaluator"),
		Clock: func(context.Context) (time.Time, error) { return now, nil },
	})
	answers := json.NewEncoder(os.Stdout)
	if err := answer(answers, ticked{}); err != nil {
		return err
	}
	for at := range times {
		now = at
		report, err := e.Tick(ctx)
		one := ticked{Took: report.Took, Queries: report.Queries, Classes: report.Classes, States: report.States, Firings: report.Firings}
		for _, unanswered := range report.Unanswered {
			one.Unanswered = append(one.Unanswered, unanswered.Error())
		}
		if err != nil {
			one.Failed = err.Error()
		}
		if err := answer(answers, one); err != nil {
			return err
		}
	}
	return nil
}

func answer(answers *json.Encoder, one ticked) (err error) {
	if one.Memory, err = memoryOf(os.Getpid()); err != nil {
		return err
	}
	if err := answers.Encode(one); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return nil
}

func parseTick(line string) (time.Time, error) {
	seconds, ok := strings.CutPrefix(line, "tick ")
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if !ok || err != nil {
		return time.Time{}, fmt.Errorf("read %q: want tick and a time in Unix seconds", line)
	}
	return time.Unix(unix, 0), nil
}

// replicating waits until the view follows by replication.
func replicating(ctx context.Context, follower *cdc.Follower) error {
	ctx, cancel := context.WithTimeout(ctx, followLimit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		status := follower.Status()
		if status.Healthy && status.Mode == cdc.ModeReplication && follower.View() != nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("follow the configuration: it is still by %s: %s", status.Mode, status.Reason), context.Cause(ctx))
		}
	}
}

func openStats(address string) (*stats.Client, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("read CLICKHOUSE_DATABASE_URL: %w", err)
	}
	return stats.Open(stats.Options{Scheme: u.Scheme, Addr: u.Host, Database: strings.TrimPrefix(u.Path, "/")})
}
