package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"plausible-webhooks/deploy/devstack/stack"
)

// engines are the databases of one measurement.
type engines struct {
	postgres   *stack.Postgres
	clickhouse *stack.ClickHouse
	database   string // URL.
	events     string // URL.
}

// startEngines starts fresh ones; profile is that of ClickHouse.
func startEngines(ctx context.Context, profile string) (_ *engines, err error) {
	e := &engines{}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.stop())
		}
	}()
	if e.postgres, err = stack.StartPostgres(ctx, stack.PostgresOptions{}); err != nil {
		return nil, err
	}
	if e.database, err = e.postgres.CreateDatabase(ctx, "plausible_db", stack.V32); err != nil {
		return nil, err
	}
	if e.clickhouse, err = stack.StartClickHouse(ctx, stack.ClickHouseOptions{Profile: profile}); err != nil {
		return nil, err
	}
	// A server of somebody else tells nothing of its queries; better to know
	// before it is filled.
	if _, err = e.clickhouse.LastQueries(1); err != nil {
		return nil, err
	}
	if e.events, err = e.clickhouse.CreateDatabase(ctx, "plausible_events_db"); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *engines) stop() error {
	var errs []error
	if e.clickhouse != nil {
		errs = append(errs, e.clickhouse.Stop())
	}
	if e.postgres != nil {
		errs = append(errs, e.postgres.Stop())
	}
	return errors.Join(errs...)
}

// phase tells on standard error what takes its time, and how long it took.
func phase(format string, values ...any) (done func(format string, values ...any)) {
	what, began := fmt.Sprintf(format, values...), time.Now()
	fmt.Fprintf(os.Stderr, "%s …\n", what)
	return func(format string, values ...any) {
		fmt.Fprintf(os.Stderr, "  %s, %s\n", time.Since(began).Round(100*time.Millisecond), fmt.Sprintf(format, values...))
	}
}
