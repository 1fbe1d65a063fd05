package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"plausible-webhooks/sender"

	"github.com/jackc/pgx/v5"
)

type showDelivery struct {
	ID   string `arg:"" name:"id" help:"The delivery's id, or as much of its beginning as tells it from others."`
	JSON bool   `name:"json" help:"Print it as JSON."`
}

// Help implements kong.HelpProvider.
func (showDelivery) Help() string {
	return `Prints what was to be sent, and for each attempt when it was, how long it took and what the receiver answered.

Example:

    plausible-webhooks delivery show 0199b2c4`
}

func (c showDelivery) Run(ctx context.Context, p program) error {
	return p.withDatabase(ctx, func(conn *pgx.Conn) error {
		id, err := wholeID(ctx, conn, c.ID)
		if err != nil {
			return err
		}
		d, err := sender.Show(ctx, conn, id)
		if err != nil {
			return err
		}
		if c.JSON {
			return p.printJSON(d)
		}
		p.tell(d)
		return nil
	})
}

// tell prints the story of a delivery.
func (p program) tell(d sender.Detail) {
	rows := [][]string{
		{"Delivery", d.ID}, {"Event", d.EventType}, {"Webhook", strconv.FormatInt(d.WebhookID, 10)}, {"Status", p.statusOf(d.Entry)}, {"Made", p.moment(d.InsertedAt)},
	}
	if d.FinishedAt != nil {
		rows = append(rows, []string{"Finished", p.moment(*d.FinishedAt)})
	}
	table(p.stdout, rows)
	fmt.Fprintf(p.stdout, "\nPayload (%s)\n\n%s\n\n", d.Format, indented(d.Payload))
	if len(d.AttemptLog) == 0 {
		fmt.Fprintln(p.stdout, "No attempt has been made yet.")
		return
	}
	attempts := [][]string{{"ATTEMPT", "STARTED", "TOOK", "STATUS", "RESULT"}}
	for _, a := range d.AttemptLog {
		took, status := "-", "-"
		if a.DurationMS != nil {
			took = fmt.Sprintf("%d ms", *a.DurationMS)
		}
		if a.StatusCode != nil {
			status = strconv.Itoa(*a.StatusCode)
		}
		attempts = append(attempts, []string{strconv.Itoa(a.Attempt), p.clock(a.StartedAt), took, status, attemptResult(a)})
	}
	table(p.stdout, attempts)
}

func (p program) statusOf(e sender.Entry) string {
	if e.Status == sender.StatusPending && e.NextAttemptAt != nil {
		return e.Status + ", next attempt " + p.moment(*e.NextAttemptAt)
	}
	if e.LastError != nil {
		return e.Status + ": " + *e.LastError
	}
	return e.Status
}

func attemptResult(a sender.Attempt) string {
	var parts []string
	if a.Error != nil {
		parts = append(parts, *a.Error)
	}
	if a.ResponseExcerpt != nil && *a.ResponseExcerpt != "" {
		parts = append(parts, "answer: "+*a.ResponseExcerpt)
	}
	if !done(a) {
		parts = append(parts, "on its way")
	}
	return strings.Join(parts, "; ")
}

// indented is JSON made readable; other payloads stay as they are, without what
// a terminal would obey.
func indented(payload string) string {
	var out bytes.Buffer
	if err := json.Indent(&out, []byte(payload), "  ", "  "); err == nil {
		payload = out.String()
	}
	lines := strings.Split(payload, "\n")
	for i, line := range lines {
		lines[i] = oneLine(line)
	}
	return "  " + strings.Join(lines, "\n")
}

const (
	idDigits  = 32 // Of a UUID, without its hyphens.
	lowestID  = "00000000000000000000000000000000"
	highestID = "ffffffffffffffffffffffffffffffff"
)

// wholeID completes the beginning of a delivery's id, where only one begins so.
func wholeID(ctx context.Context, conn *pgx.Conn, entered string) (string, error) {
	digits := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(entered), "-", ""))
	if digits == "" || len(digits) > idDigits || strings.Trim(digits, "0123456789abcdef") != "" {
		return "", mistake("id", "%q is no id of a delivery, nor the beginning of one; delivery list shows them", entered)
	}
	rows, err := conn.Query(ctx, "select id::text from plausible_webhooks.webhook_deliveries where id between $1::uuid and $2::uuid order by id limit 2",
		digits+lowestID[len(digits):], digits+highestID[len(digits):])
	if err != nil {
		return "", fmt.Errorf("look for delivery %s: %w", entered, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	switch {
	case err != nil:
		return "", fmt.Errorf("look for delivery %s: %w", entered, err)
	case len(found) == 0:
		return "", fmt.Errorf("delivery %s: %w", entered, sender.ErrNotFound)
	case len(found) > 1:
		return "", fmt.Errorf("several deliveries begin with %s, such as %s and %s: give more of the id", entered, found[0], found[1])
	}
	return found[0], nil
}
