package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"plausible-webhooks/config/env"
	"plausible-webhooks/config/store"
	"plausible-webhooks/sender"

	"github.com/jackc/pgx/v5"
)

type listDeliveries struct {
	Webhook int64    `placeholder:"ID" help:"Only those to this webhook."`
	Status  []string `placeholder:"STATUS" help:"Only those that are pending, delivered, failed or cancelled; several with commas."`
	Since   string   `placeholder:"TIME" help:"Only those made since: 2h, 2026-11-23, \"2026-11-23 19:10\" or RFC 3339."`
	Before  string   `placeholder:"ID" help:"Only those older than this delivery: the next page."`
	Limit   int      `default:"50" placeholder:"50" help:"How many at most, up to 1000."`
	JSON    bool     `name:"json" help:"Print them as JSON."`
}

// Help implements kong.HelpProvider.
func (listDeliveries) Help() string {
	return `A delivery is one event on its way to one webhook. It is pending until it is delivered, failed after its last attempt, or cancelled.

Examples:

    plausible-webhooks delivery list --webhook 7
    plausible-webhooks delivery list --status failed,cancelled --since 24h`
}

func (c listDeliveries) Run(ctx context.Context, p program) error {
	filter, err := c.filter(p)
	if err != nil {
		return err
	}
	return p.withDatabase(ctx, func(conn *pgx.Conn) error {
		if c.Before != "" {
			if filter.Before, err = wholeID(ctx, conn, c.Before); err != nil {
				return err
			}
		}
		entries, err := sender.List(ctx, conn, filter)
		if err != nil {
			return err
		}
		if c.JSON {
			return p.printJSON(entries)
		}
		if len(entries) == 0 {
			fmt.Fprintln(p.stdout, c.nothing())
			return nil
		}
		table(p.stdout, p.deliveryRows(entries))
		if len(entries) == c.Limit {
			fmt.Fprintf(p.stdout, "\nOlder ones: --before %s\n", entries[len(entries)-1].ID)
		}
		return nil
	})
}

func (c listDeliveries) filter(p program) (sender.Filter, error) {
	filter := sender.Filter{WebhookID: c.Webhook, Statuses: c.Status, Limit: c.Limit}
	if err := checkStatuses(c.Status, sender.Statuses()); err != nil {
		return filter, err
	}
	if c.Limit < 1 || c.Limit > 1000 {
		return filter, mistake("limit", "%d is not a number from 1 to 1000", c.Limit)
	}
	if c.Since != "" {
		var err error
		if filter.Since, err = p.since(c.Since); err != nil {
			return filter, err
		}
	}
	return filter, nil
}

func (c listDeliveries) nothing() string {
	if c.Webhook == 0 && len(c.Status) == 0 && c.Since == "" && c.Before == "" {
		return "No deliveries yet: nothing has fired. Try a webhook: plausible-webhooks webhook test ID (webhook list shows ids)"
	}
	return "No deliveries like that. All of them: plausible-webhooks delivery list"
}

func (p program) deliveryRows(entries []sender.Entry) [][]string {
	rows := [][]string{{"ID", "TIME", "WEBHOOK", "EVENT", "STATUS", "ATTEMPTS", "LAST RESULT"}}
	for _, e := range entries {
		rows = append(rows, []string{e.ID, p.clock(e.InsertedAt), strconv.FormatInt(e.WebhookID, 10), e.EventType, e.Status, strconv.Itoa(e.Attempts), lastResult(e)})
	}
	return rows
}

// resultWidth keeps a line of the list on a wide terminal; delivery show has
// all of it.
const resultWidth = 60

func lastResult(e sender.Entry) string {
	text := "-"
	switch {
	case e.LastError != nil:
		text = *e.LastError
	case e.LastStatusCode != nil:
		text = strconv.Itoa(*e.LastStatusCode)
	}
	if runes := []rune(text); len(runes) > resultWidth {
		return string(runes[:resultWidth-1]) + "…"
	}
	return text
}

func checkStatuses(given, known []string) error {
	for _, status := range given {
		if !slices.Contains(known, status) {
			return mistake("status", "%q is none of %s", status, strings.Join(known, ", "))
		}
	}
	return nil
}

// mistake is a wrong value of a flag.
func mistake(flag, format string, args ...any) error {
	return &store.Invalid{Fields: []store.FieldError{{Field: flag, Message: fmt.Sprintf(format, args...)}}}
}

// since reads a time as people write it: how long ago, a day or a minute in
// their own zone, or RFC 3339.
func (p program) since(text string) (time.Time, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return p.now().Add(-time.Duration(n) * 24 * time.Hour), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return p.now().Add(-d), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", time.DateTime} {
		if t, err := time.ParseInLocation(layout, text, p.local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, mistake("since", "%q is no time: write 2h, 30d, 2026-11-23, \"2026-11-23 19:10\" or 2026-11-23T19:10:00Z", text)
}

// withDatabase gives a command a connection to a migrated database.
func (p program) withDatabase(ctx context.Context, do func(*pgx.Conn) error) error {
	settings, err := p.settings(env.WithoutBaseURL())
	if err != nil {
		return err
	}
	conn, err := connectMigrated(ctx, settings.Database)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return do(conn)
}
