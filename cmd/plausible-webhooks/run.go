package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"plausible-webhooks/config/env"
	"plausible-webhooks/config/outage"
	"plausible-webhooks/config/schema"
	"plausible-webhooks/config/store"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5"
)

type runCommand struct{}

const keylessWarning = "webhook secrets are stored as they are: set SECRET_KEY_BASE to what Plausible has, or WEBHOOKS_SECRET_KEY to base64 of 32 random bytes"

// Help implements kong.HelpProvider.
func (runCommand) Help() string {
	return `Runs until SIGTERM or SIGINT: follows the settings, evaluates triggers, sends. Databases may be away when it starts; it waits for them and says so. On a signal it claims nothing more and lets attempts in flight finish for at most 8 seconds; a second signal ends it at once.

/healthz, /readyz and /metrics are at WEBHOOKS_ADMIN_LISTEN (:8002).

Example:

    BASE_URL=https://plausible.example.com plausible-webhooks run`
}

func (runCommand) Run(ctx context.Context, p program) error {
	settings, warnings, err := env.Load(p.source)
	if err != nil {
		return err
	}
	log := hclog.New(&hclog.LoggerOptions{
		Level: settings.LogLevel, JSONFormat: settings.LogFormat == env.LogJSON, Output: p.stderr,
	})
	takeStandardLog(log)
	for _, warning := range warnings {
		log.Warn(warning)
	}
	if settings.Keyring().Empty() {
		log.Warn(keylessWarning)
	}
	log.Info("starting", "version", programVersion(), "postgresql", settings.Database.String(), "clickhouse", settings.ClickHouse.String())

	s, err := newSidecar(settings, log)
	if err != nil {
		return err
	}
	if err := s.run(ctx); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}

// prepare brings the tables and the environment's webhook up to date. It goes
// on trying until it succeeds or ctx ends: containers start in any order.
func (s *sidecar) prepare(ctx context.Context) error {
	const slowest = 5 * time.Second
	told, away := "", false
	for wait := 250 * time.Millisecond; ; wait = min(2*wait, slowest) {
		err := s.prepareOnce(ctx)
		if err == nil {
			return nil
		}
		var invalid *store.Invalid
		if ctx.Err() != nil || errors.As(err, &invalid) {
			return err
		}
		s.health.waiting(err.Error())
		// The same trouble is told once, and a server that is away is the same
		// whether it refuses, starts up or keeps silent.
		if now := outage.Away(err); err.Error() != told && !(now && away) {
			told, away = err.Error(), now
			s.log.Error("not ready yet, trying again", "error", err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// prepareLimit bounds one try. Migrations are small; one that needs longer can
// be run by the command `migrate`, which waits for as long as it takes.
const prepareLimit = 5 * time.Minute

func (s *sidecar) prepareOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, prepareLimit)
	defer cancel()
	config, err := s.settings.Database.ConnConfig()
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, lasting(config))
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL at %s (DATABASE_URL): %w", s.settings.Database, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	result, err := schema.Migrate(ctx, conn)
	if err != nil {
		return err
	}
	switch {
	case result.From < result.To:
		s.log.Info("tables are up to date", "schema", schema.Name, "version", result.To)
	case result.To > result.Wanted:
		s.log.Warn("the tables are newer than this program, which goes on with them", "schema", schema.Name, "version", result.To, "known", result.Wanted)
	}
	return s.ensureInstance(ctx, conn)
}

// ensureInstance brings the row of WEBHOOKS_URL in step with the environment.
func (s *sidecar) ensureInstance(ctx context.Context, conn *pgx.Conn) error {
	instance := s.settings.Instance
	wanted := store.Instance{Secret: instance.Secret, Format: instance.Format, Events: instance.Events}
	if instance.Configured() {
		wanted.URL = instance.URL.Reveal()
	}
	id, change, err := openStore(conn, s.settings).EnsureInstance(ctx, wanted)
	if err != nil {
		return fmt.Errorf("bring the webhook of WEBHOOKS_URL in step: %w", err)
	}
	if change != store.InstanceNone && change != store.InstanceUnchanged {
		s.log.Info("webhook of WEBHOOKS_URL "+string(change), "webhook", id)
	}
	return nil
}
