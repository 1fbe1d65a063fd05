package main

import (
	"context"
	"fmt"

	"plausible-webhooks/config/env"
	"plausible-webhooks/config/schema"
)

type migrateCommand struct {
	JSON bool `name:"json" help:"Print the result as JSON."`
}

// Help implements kong.HelpProvider.
func (migrateCommand) Help() string {
	return `Creates the schema plausible_webhooks in Plausible's PostgreSQL, or brings it up to date. Nothing of Plausible's own is touched. Running it again does no harm, nor does running it while a sidecar runs; a schema newer than this program is left alone.

Example:

    plausible-webhooks migrate`
}

func (c migrateCommand) Run(ctx context.Context, p program) error {
	settings, err := p.settings(env.WithoutBaseURL())
	if err != nil {
		return err
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
