package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"plausible-webhooks/cdc"
	"plausible-webhooks/config/env"
	"plausible-webhooks/config/schema"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

type uninstallCommand struct {
	Yes  bool `name:"yes" help:"Do not ask: for scripts."`
	JSON bool `name:"json" help:"Print what was found and removed as JSON."`
}

// Help implements kong.HelpProvider.
func (uninstallCommand) Help() string {
	return `Removes from Plausible's PostgreSQL everything that the sidecar has put there: the schema plausible_webhooks with all webhooks and their log, the publication, and a replication slot, should one be left. It shows what that is and asks first. Nothing of Plausible's own is touched, and nothing was put anywhere else; ClickHouse is only ever read.

Stop the sidecar before: one that is started again makes everything anew.

Examples:

    docker compose stop plausible_webhooks

    docker compose run --rm plausible_webhooks uninstall`
}

// uninstallLockTimeout is how long what is removed may be in use, and whoever
// comes after us be kept waiting.
const uninstallLockTimeout = 5 * time.Second

func (c uninstallCommand) Run(ctx context.Context, p program) error {
	settings, err := p.settings(env.WithoutBaseURL())
	if err != nil {
		return err
	}
	conn, err := connect(ctx, settings.Database)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	found, err := takeInventory(ctx, conn)
	if err != nil {
		return err
	}
	// With --json, standard output is for that alone.
	narration := p.stdout
	if c.JSON {
		narration = p.stderr
	}
	if found.empty() {
		fmt.Fprintf(narration, "Nothing of plausible-webhooks is in %s.\n", settings.Database)
		return c.report(p, found, false)
	}
	found.describe(narration, settings.Database.String())
	if len(found.running.PIDs) > 0 {
		fmt.Fprintf(p.stderr, "\nwarning: a sidecar is running (%s): stop it first, for it makes everything anew when it is started again.\n",
			counted(len(found.running.PIDs), "session", "sessions"))
	}
	if err := c.confirm(ctx, p); err != nil {
		return err
	}
	if err := remove(ctx, conn, found); err != nil {
		return err
	}
	fmt.Fprintln(narration, "\nRemoved.")
	if found.Role {
		fmt.Fprintf(narration, "The role %s is left. As a superuser, in %s: DROP OWNED BY %[1]s; DROP ROLE %[1]s;\n", defaultRole, settings.Database.Name)
	}
	return c.report(p, found, true)
}

func (c uninstallCommand) report(p program, found inventory, removed bool) error {
	if !c.JSON {
		return nil
	}
	found.Removed = removed
	return p.printJSON(found)
}

// errNoAnswer is what asking nobody comes to.
var errNoAnswer = errors.New("nothing was removed: nobody can be asked here; with --yes it does not ask")

// confirm has the name typed: a wrong answer costs every webhook there is.
func (c uninstallCommand) confirm(ctx context.Context, p program) error {
	if c.Yes {
		return nil
	}
	if !p.person {
		return errNoAnswer
	}
	fmt.Fprintf(p.stderr, "\nThere is no way back. Type %s to remove all of this: ", schema.Name)
	answer, err := readLine(ctx, p.stdin)
	if err != nil {
		return err
	}
	if strings.TrimSpace(answer) != schema.Name {
		return errors.New("nothing was removed")
	}
	return nil
}

// readLine reads one line, or as much as there is. A signal ends the waiting;
// the reader then goes with the process.
func readLine(ctx context.Context, in io.Reader) (string, error) {
	type line struct {
		text string
		err  error
	}
	read := make(chan line, 1)
	go func() {
		text, err := bufio.NewReader(in).ReadString('\n')
		read <- line{text, err}
	}()
	select {
	case l := <-read:
		if l.err != nil && !errors.Is(l.err, io.EOF) {
			return "", fmt.Errorf("read the answer: %w", l.err)
		}
		return l.text, nil
	case <-ctx.Done():
		return "", errors.New("nothing was removed")
	}
}

// remove takes everything away in one transaction but slots, which know none.
// Each step is for what may be there, so that it can be repeated.
func remove(ctx context.Context, conn *pgx.Conn, found inventory) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin to remove: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // After the commit there is nothing to roll back.
	for _, statement := range []string{
		fmt.Sprintf("set local lock_timeout = '%ds'", int(uninstallLockTimeout/time.Second)),
		"drop publication if exists " + cdc.Publication,
		"drop schema if exists " + schema.Name + " cascade",
	} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return cannotRemove(err)
		}
	}
	if err := tx.Commit(ctx); err != nil {
		return cannotRemove(err)
	}
	for _, slot := range found.Slots {
		if _, err := conn.Exec(ctx, "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1 and not temporary", slot); err != nil {
			return fmt.Errorf("drop the replication slot %s: %w", slot, err)
		}
	}
	return nil
}

func cannotRemove(err error) error {
	remedy := ""
	var failed *pgconn.PgError
	if errors.As(err, &failed) {
		switch failed.Code {
		case "42501":
			remedy = fmt.Sprintf(" (as a superuser: DROP PUBLICATION IF EXISTS %s; DROP SCHEMA IF EXISTS %s CASCADE;)", cdc.Publication, schema.Name)
		case "55P03", "40P01":
			remedy = " (another session uses it: stop the sidecar, and a dump if one is running, and try again)"
		}
	}
	return fmt.Errorf("nothing was removed%s: %w", remedy, err)
}
