package main

import (
	"context"
	"fmt"

	"plausible-webhooks/config/env"
	"plausible-webhooks/config/schema"
)

// defaultRole is the role that --print-role makes unless another name is given.
const defaultRole = "plausible_webhooks"

type migrateCommand struct {
	JSON      bool   `name:"json" xor:"print" help:"Print the result as JSON."`
	PrintRole bool   `name:"print-role" xor:"print" help:"Print the SQL for a role that can do just what the sidecar needs, and change nothing."`
	Role      string `name:"role" default:"plausible_webhooks" placeholder:"NAME" help:"The name of that role (${default})."`
}

// Help implements kong.HelpProvider.
func (migrateCommand) Help() string {
	return `Creates the schema plausible_webhooks in Plausible's PostgreSQL, or brings it up to date. Nothing of Plausible's own is touched. Running it again does no harm, nor does running it while a sidecar runs; a schema newer than this program is left alone.

With --print-role nothing is connected to. The SQL is for a superuser of PostgreSQL to run, once, before or after the schema is there: it makes the role with a new password, lets it read sites, goals and spike_notifications, gives it the schema, and makes the publication. Under that role the sidecar brings its schema up to date by itself. What DATABASE_URL has to be from then on is printed on standard error. With WEBHOOKS_CONFIG_SOURCE=poll the role may not replicate.

Examples:

    plausible-webhooks migrate

    docker compose run --rm -T plausible_webhooks migrate --print-role | docker compose exec -T plausible_db psql -U postgres plausible_db`
}

func (c migrateCommand) Run(ctx context.Context, p program) error {
	settings, err := p.settings(env.WithoutBaseURL())
	if err != nil {
		return err
	}
	if c.PrintRole {
		return c.printRole(p, settings)
	}
	conn, err := connect(ctx, settings.Database)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	result, err := schema.Migrate(ctx, conn)
	if err != nil {
		return err
	}
	if c.JSON {
		return p.printJSON(map[string]int32{"from": result.From, "to": result.To, "wanted": result.Wanted})
	}
	fmt.Fprintln(p.stdout, describeMigration(result))
	return nil
}

func describeMigration(result schema.Result) string {
	switch {
	case result.To > result.Wanted:
		return fmt.Sprintf("Schema %s is at version %d, newer than this program's %d, and was left alone.", schema.Name, result.To, result.Wanted)
	case result.From == result.To:
		return fmt.Sprintf("Schema %s is up to date (version %d).", schema.Name, result.To)
	case result.From == 0:
		return fmt.Sprintf("Schema %s created (version %d).", schema.Name, result.To)
	default:
		return fmt.Sprintf("Schema %s upgraded from version %d to %d.", schema.Name, result.From, result.To)
	}
}
