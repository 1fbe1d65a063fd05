package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"plausible-webhooks/cdc"
	"plausible-webhooks/config/env"
	"plausible-webhooks/config/settings/assets"
	"plausible-webhooks/evaluator"
	"plausible-webhooks/evaluator/stats"
	"plausible-webhooks/sender"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5/pgxpool"
)

// poolSize bounds the connections that the sidecar takes of Plausible's
// PostgreSQL, besides those of the follower: claims, records and evaluation
// are batched, so that few do.
const poolSize = 8

// choresAfter is how long the sender's chores leave PostgreSQL and the processor
// to the first read of the settings: with 100,000 webhooks they cost as much as
// that, and being ready would take twice as long.
const choresAfter = 5 * time.Second

// sidecar holds the rooms and wires them: views from the follower to the
// evaluator, wake-ups from there to the sender.
type sidecar struct {
	settings  env.Settings
	log       hclog.Logger
	health    *health
	pool      *pgxpool.Pool
	stats     *stats.Client
	follower  *cdc.Follower
	evaluator *evaluator.Evaluator
	sender    *sender.Sender
	metrics   *instruments
	forget    func() // Ends the evaluator's subscription.
}

// newSidecar makes the rooms without connecting anywhere.
func newSidecar(settings env.Settings, log hclog.Logger) (*sidecar, error) {
	s := &sidecar{settings: settings, log: log, metrics: newInstruments()}
	config, err := settings.Database.ConnConfig()
	if err != nil {
		return nil, err
	}
	pooled, err := pgxpool.ParseConfig("")
	if err != nil {
		return nil, fmt.Errorf("set up connections to PostgreSQL: %w", err)
	}
	pooled.ConnConfig, pooled.MaxConns, pooled.PingTimeout = lasting(config), poolSize, pingTimeout
	if s.pool, err = pgxpool.NewWithConfig(context.Background(), pooled); err != nil {
		return nil, fmt.Errorf("set up connections to PostgreSQL: %w", err)
	}
	if s.stats, err = openStats(settings.ClickHouse); err != nil {
		s.pool.Close()
		return nil, err
	}
	roots, err := sender.Roots(settings.ReceiverRoots)
	if err != nil {
		s.close()
		return nil, err
	}
	s.sender = sender.New(sender.Options{
		DB: s.pool, Keys: settings.Keyring(), Rules: settings.Targets(), Own: settings.OwnServers(),
		Proxy: settings.Proxy.URL(), Roots: roots,
		Retries: settings.Retries, RetryWaitMin: settings.RetryWaitMin, RetryWaitMax: settings.RetryWaitMax,
		Redelivery: settings.Redelivery, DisableAfter: settings.DisableAfter, Retention: settings.Retention, Timeout: settings.Timeout,
		Concurrency: settings.Concurrency, ConcurrencyPerWebhook: settings.ConcurrencyPerWebhook,
		BaseURL: settings.BaseURL.String(), Version: programVersion(), Logger: log.Named("sender"),
		Attempted: s.metrics.attempted, ChoresAfter: choresAfter,
	})
	s.follower = cdc.New(cdc.Options{Connect: config, Source: cdc.Source(settings.ConfigSource), Log: log.Named("cdc")})
	changed, cancel := s.follower.Subscribe()
	s.forget = cancel
	s.evaluator = evaluator.New(evaluator.Options{
		Views: s.follower.View, Changed: changed, DB: s.pool, Stats: s.stats, BaseURL: settings.BaseURL.String(),
		PollInterval: settings.PollInterval, Lookback: settings.Lookback, LateEvents: settings.LateEvents,
		Logger: log.Named("evaluator"), Wake: s.sender.Wake, Ticked: s.metrics.ticked,
	})
	s.health = newHealth(s.follower, s.evaluator, s.sender)
	s.health.keyless = settings.Keyring().Empty()
	return s, nil
}

// run serves health and pages from the first moment, prepares the database and lets the
// rooms work until ctx ends. A room that ends by itself ends the others.
func (s *sidecar) run(ctx context.Context) error {
	defer s.close()
	depth := func(ctx context.Context) (sender.Depth, error) { return sender.ReadDepth(ctx, s.pool) }
	admin, err := serveAdmin(s.settings.AdminListen, s.health, newRegistry(s.health, s.sender, s.metrics, depth), s.log.Named("admin"))
	if err != nil {
		return err
	}
	defer admin.stop()
	log := s.log.Named("settings")
	pages, err := servePages(s.settings, s.pool, settingsPages(s.settings, s.pool, s.stats, s.sender.Wake, log), assets.Open, s.metrics.served, log)
	if err != nil {
		return err
	}
	defer pages.stop()
	s.health.serves(pages.handler)
	if err := s.prepare(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // Stopped before the database was there.
		}
		return err
	}
	s.health.prepared()

	together, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var rooms sync.WaitGroup
	for name, room := range map[string]func(context.Context) error{
		"cdc": s.follower.Run, "evaluator": s.evaluator.Run, "sender": s.sender.Run,
	} {
		rooms.Go(func() {
			err := room(together)
			if together.Err() == nil {
				cancel(fmt.Errorf("%s ended by itself: %v", name, err))
			}
		})
	}
	rooms.Go(func() { s.health.announce(together, s.log) })
	<-together.Done()
	s.log.Info("stopping: nothing more is claimed, attempts in flight may finish")
	if !endsWithin(roomsLimit, rooms.Wait) {
		s.log.Warn("stopping without waiting any longer for connections that do not answer", "waited", roomsLimit)
	}
	if ctx.Err() == nil {
		return context.Cause(together)
	}
	return nil // As asked.
}

func (s *sidecar) close() {
	if s.forget != nil {
		s.forget()
	}
	_ = s.stats.Close() // Only idle connections are left.
	endsWithin(poolLimit, s.pool.Close)
}

// A container runtime kills what has not ended within 15 s. The rooms need up
// to 11 s of them, for attempts in flight and their records; a driver that tries
// to cancel a statement on a connection which a firewall has forgotten takes
// 15 s more, for nothing.
const (
	roomsLimit = 12 * time.Second
	poolLimit  = time.Second
)

// endsWithin waits for the end of something, but not for longer. What has not
// ended goes with the process.
func endsWithin(limit time.Duration, do func()) bool {
	ended := make(chan struct{})
	go func() {
		do()
		close(ended)
	}()
	select {
	case <-ended:
		return true
	case <-time.After(limit):
		return false
	}
}
