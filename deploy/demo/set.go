package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"plausible-webhooks/deploy/devstack/plausible"
	"plausible-webhooks/deploy/devstack/proxy"
	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/deploy/devstack/sidecar"
	"plausible-webhooks/deploy/devstack/stack"
)

// set is the stage: the engines, the stand-ins, and the sidecar.
type set struct {
	tell       *narrator
	dir        string
	postgres   *stack.Postgres
	clickhouse *stack.ClickHouse
	database   string // URL of Plausible's PostgreSQL database.
	events     string // URL of Plausible's ClickHouse database.
	db         *pgxpool.Pool
	web        *plausible.Server
	front      *proxy.Proxy // What a browser talks to.
	receiver   *receiver.Receiver
	receipts   *receipts
	sidecar    *sidecar.Process
	log        *io.PipeWriter // Ends the retelling of the sidecar's log.
	retelling  sync.WaitGroup
	sites      map[string]int64
}

// The secrets of the two webhooks whose secrets the demo chooses itself.
const (
	everythingSecret = "whsec_ZGVtby1vbmx5LW5vdC1hLXJlYWwtc2VjcmV0LTAwMDE="
	quietSecret      = "whsec_ZGVtby1vbmx5LW5vdC1hLXJlYWwtc2VjcmV0LTAwMDI="
)

// build puts everything up and returns when the sidecar is ready. On an error
// it takes down what it had put up.
func build(ctx context.Context, tell *narrator) (_ *set, err error) {
	s := &set{tell: tell, receipts: newReceipts(tell), sites: map[string]int64{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.tearDown())
		}
	}()
	if s.dir, err = os.MkdirTemp("", "plausible-webhooks-demo-"); err != nil {
		return nil, fmt.Errorf("make a folder for the demo: %w", err)
	}
	for _, step := range []func(context.Context) error{s.startEngines, s.startStandIns, s.addSites, s.startSidecar} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *set) startEngines(ctx context.Context) (err error) {
	s.tell.say("stack", "starting PostgreSQL and ClickHouse (the first time they are installed, about a minute)")
	if s.postgres, err = stack.StartPostgres(ctx, stack.PostgresOptions{}); err != nil {
		return err
	}
	if s.database, err = s.postgres.CreateDatabase(ctx, "plausible_db", stack.V32); err != nil {
		return err
	}
	if s.clickhouse, err = stack.StartClickHouse(ctx, stack.ClickHouseOptions{Profile: stack.ProfileCE}); err != nil {
		return err
	}
	if s.events, err = s.clickhouse.CreateDatabase(ctx, "plausible_events_db"); err != nil {
		return err
	}
	s.tell.say("stack", "PostgreSQL 16 with wal_level=logical and the ClickHouse engine run")
	return nil
}

func (s *set) startStandIns(ctx context.Context) (err error) {
	if s.db, err = pgxpool.New(ctx, s.database); err != nil {
		return fmt.Errorf("connect to the demo's PostgreSQL: %w", err)
	}
	if s.web, err = plausible.Start(ctx, plausible.Options{DatabaseURL: s.database, ClickHouseURL: s.events}); err != nil {
		return err
	}
	if s.front, err = proxy.Start(""); err != nil {
		return err
	}
	if err := s.front.Plausible(s.web.URL()); err != nil {
		return err
	}
	s.receiver, err = receiver.Start(receiver.Options{OnRequest: s.receipts.take})
	return err
}

// addSites makes what a Plausible with two sites looks like: goals, and the
// traffic notifications that its owner has switched on long ago.
func (s *set) addSites(ctx context.Context) error {
	account, err := plausible.AddAccount(ctx, s.db, plausible.DemoEmail, plausible.DemoPassword)
	if err != nil {
		return err
	}
	for domain, rows := range map[string]struct {
		goals         []stack.Goal
		notifications []stack.Notification
	}{
		"shop.example": {
			[]stack.Goal{{EventName: "Signup"}, {PagePath: "/blog/*"}},
			[]stack.Notification{{Type: "spike", Threshold: 20}},
		},
		"quiet.example": {nil, []stack.Notification{{Type: "drop", Threshold: 5}}},
	} {
		id, err := account.AddSite(ctx, s.db, stack.Site{
			Domain: domain, NativeStatsStartAt: time.Now().AddDate(0, -1, 0), // Yesterday counts.
		})
		if err != nil {
			return err
		}
		s.sites[domain] = id
		for _, goal := range rows.goals {
			if _, err := stack.AddGoal(ctx, s.db, id, goal); err != nil {
				return err
			}
		}
		for _, notification := range rows.notifications {
			if _, err := stack.AddNotification(ctx, s.db, id, notification); err != nil {
				return err
			}
		}
	}
	// quiet.example had a good day yesterday and has fallen silent since.
	var yesterday []stack.Event
	for i := range 60 {
		yesterday = append(yesterday, stack.Event{
			SiteID: uint64(s.sites["quiet.example"]), UserID: uint64(i + 1), Name: "pageview", Hostname: "quiet.example", Pathname: "/",
			Timestamp: time.Now().Add(-14*time.Hour - time.Duration(i)*10*time.Minute),
		})
	}
	if err := stack.InsertEvents(ctx, s.events, yesterday); err != nil {
		return err
	}
	s.tell.say("plausible", "two sites: shop.example (goals Signup and /blog/*, spike notification at 20), quiet.example (drop notification below 5)")
	return nil
}

func (s *set) startSidecar(ctx context.Context) error {
	binary, err := sidecar.Build(ctx, s.dir)
	if err != nil {
		return err
	}
	caFile, err := s.receiver.CAFile(s.dir)
	if err != nil {
		return err
	}
	s.receipts.know("/everything", everythingSecret)
	s.tell.say("demo", "starting the sidecar, with one webhook for every site from WEBHOOKS_URL")
	read, write := io.Pipe()
	s.log = write
	s.retelling.Go(func() { s.tell.retell(read) })
	s.sidecar, err = sidecar.Start(binary, append(os.Environ(),
		"DATABASE_URL="+s.database,
		"CLICKHOUSE_DATABASE_URL="+s.events,
		"BASE_URL="+s.front.URL(),
		"SECRET_KEY_BASE=demo-only-demo-only-demo-only-demo-only-demo-only-demo-only-demo-only",
		"WEBHOOKS_PLAUSIBLE_URL="+s.web.URL(),
		"WEBHOOKS_POLL_INTERVAL=2s",
		"WEBHOOKS_URL="+s.receiver.URL("/everything"),
		"WEBHOOKS_SECRET="+everythingSecret,
		"WEBHOOKS_CA_FILE="+caFile,
		"WEBHOOKS_ALLOWED_TARGETS=127.0.0.0/8",
		"WEBHOOKS_LOG_FORMAT=json",
		"WEBHOOKS_LOG_LEVEL=debug", // Deliveries that arrive are told at this level.
	), write)
	if err != nil {
		return err
	}
	if err := s.front.Sidecar("http://" + s.sidecar.Pages); err != nil {
		return err
	}
	readyCtx, cancel := context.WithTimeout(ctx, 20*time.Second) // It takes about a second.
	defer cancel()
	if err := s.sidecar.Ready(readyCtx); err != nil {
		return err
	}
	s.tell.say("demo", "the sidecar is ready")
	return nil
}

// tearDown ends everything in reverse order; what was never started is left.
func (s *set) tearDown() error {
	var errs []error
	if s.sidecar != nil {
		errs = append(errs, s.sidecar.Stop())
	}
	if s.log != nil {
		_ = s.log.Close()
		s.retelling.Wait()
	}
	if s.receiver != nil {
		s.receiver.Stop()
	}
	if s.front != nil {
		s.front.Stop()
	}
	if s.web != nil {
		s.web.Stop()
	}
	if s.db != nil {
		s.db.Close()
	}
	if s.clickhouse != nil {
		errs = append(errs, s.clickhouse.Stop())
	}
	if s.postgres != nil {
		errs = append(errs, s.postgres.Stop())
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}
