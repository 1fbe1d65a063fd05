package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"plausible-webhooks/config/env"
	"plausible-webhooks/config/event"
	"plausible-webhooks/config/store"
	"plausible-webhooks/config/target"

	"github.com/jackc/pgx/v5"
)

type testWebhook struct {
	ID    int64         `arg:"" name:"id" help:"The webhook's id, as webhook list shows it."`
	Event string        `placeholder:"TYPE" help:"The type of the invented event inside; that of its first trigger without it."`
	Wait  time.Duration `default:"15s" placeholder:"15s" help:"How long to wait for the outcome; 0 does not wait."`
	JSON  bool          `name:"json" help:"Print the delivery and its attempts as JSON."`
}

// Help implements kong.HelpProvider.
func (testWebhook) Help() string {
	return `Puts a webhook.test event into the queue, which the running sidecar sends like any other, with retries; then waits and tells each attempt. The exit code is 0 if it was delivered. Tests do not count towards a webhook's being disabled.

Examples:

    plausible-webhooks webhook test 7
    plausible-webhooks webhook test 7 --event goal.completed`
}

// unclaimedPatience is after how long it looks as if no sidecar were running:
// a due delivery goes out within a second (CONTRACT section 3).
const unclaimedPatience = 4 * time.Second

// outcomeInterval is how often the delivery's row is read while waiting.
const outcomeInterval = 100 * time.Millisecond

func (c testWebhook) Run(ctx context.Context, p program) error {
	settings, err := p.settings()
	if err != nil {
		return err
	}
	if c.Event != "" {
		if _, err := event.ParseType(c.Event); err != nil {
			return &store.Invalid{Fields: []store.FieldError{{Field: "event", Message: err.Error()}}}
		}
	}
	conn, err := connectMigrated(ctx, settings.Database)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	delivery, err := c.enqueue(ctx, p, openStore(conn, settings), settings)
	if err != nil {
		return err
	}
	narration := p.stdout
	if c.JSON {
		narration = io.Discard
	}
	outcome, err := watch(ctx, conn, delivery, c.Wait, narration)
	if err != nil {
		return err
	}
	if c.JSON {
		if err := p.printJSON(outcome); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(p.stdout, outcome.verdict(c.Wait))
	}
	if outcome.Status != "delivered" && c.Wait > 0 {
		return quietly{}
	}
	return nil
}

func (c testWebhook) enqueue(ctx context.Context, p program, s *store.Store, settings env.Settings) (delivery string, err error) {
	w, err := s.Get(ctx, c.ID)
	if err != nil {
		return "", err
	}
	like := event.Type(c.Event)
	if like == "" && len(w.Triggers) > 0 {
		like = w.Triggers[0].Type
	}
	delivery, err = s.EnqueueTest(ctx, c.ID, like, settings.BaseURL.String(), p.now())
	if errors.Is(err, store.ErrNotEnabled) {
		return "", fmt.Errorf("%w: switch it on first with `plausible-webhooks webhook update %d --enable`", err, c.ID)
	}
	if err == nil && !c.JSON {
		fmt.Fprintf(p.stdout, "Test %s is on its way to %s.\n", delivery, target.Display(w.URL.Reveal()))
	}
	return delivery, err
}

// testOutcome has the columns of section 3 as keys.
type testOutcome struct {
	ID             string        `json:"id"`
	WebhookID      int64         `json:"webhook_id"`
	Status         string        `json:"status"`
	Attempts       int           `json:"attempts"`
	LastStatusCode *int          `json:"last_status_code"`
	LastError      *string       `json:"last_error"`
	Log            []testAttempt `json:"log"`
}

type testAttempt struct {
	Attempt         int       `json:"attempt"`
	StartedAt       time.Time `json:"started_at"`
	DurationMS      *int      `json:"duration_ms"`
	StatusCode      *int      `json:"status_code"`
	Error           *string   `json:"error"`
	ResponseExcerpt *string   `json:"response_excerpt"`
}

// watch reads the delivery until it is finished, the patience is over or
// nobody seems to take it, and tells each attempt when it is done.
func watch(ctx context.Context, conn *pgx.Conn, delivery string, patience time.Duration, narration io.Writer) (outcome testOutcome, err error) {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	unclaimed := time.NewTimer(unclaimedPatience)
	defer unclaimed.Stop()
	again := time.NewTicker(outcomeInterval)
	defer again.Stop()
	told := 0
	for {
		if outcome, err = readOutcome(ctx, conn, delivery); err != nil {
			return outcome, err
		}
		for ; told < len(outcome.Log) && outcome.Log[told].done(); told++ {
			fmt.Fprintln(narration, "  "+outcome.Log[told].line())
		}
		if outcome.Status != "pending" || patience == 0 {
			return outcome, nil
		}
		select {
		case <-again.C:
		case <-unclaimed.C:
			if len(outcome.Log) == 0 {
				return outcome, nil
			}
		case <-deadline.C:
			return outcome, nil
		case <-ctx.Done():
			return outcome, ctx.Err()
		}
	}
}

func readOutcome(ctx context.Context, conn *pgx.Conn, delivery string) (o testOutcome, err error) {
	err = conn.QueryRow(ctx, `select id::text, webhook_id, status, attempts, last_status_code, last_error
		from plausible_webhooks.webhook_deliveries where id = $1::uuid`, delivery).
		Scan(&o.ID, &o.WebhookID, &o.Status, &o.Attempts, &o.LastStatusCode, &o.LastError)
	if errors.Is(err, pgx.ErrNoRows) {
		return o, fmt.Errorf("delivery %s is gone: its webhook was removed meanwhile", delivery)
	}
	if err != nil {
		return o, fmt.Errorf("read delivery %s: %w", delivery, err)
	}
	rows, err := conn.Query(ctx, `select attempt, started_at, duration_ms, status_code, error, response_excerpt
		from plausible_webhooks.webhook_delivery_attempts where delivery_id = $1::uuid order by attempt`, delivery)
	if err != nil {
		return o, fmt.Errorf("read the attempts of %s: %w", delivery, err)
	}
	if o.Log, err = pgx.CollectRows(rows, pgx.RowToStructByPos[testAttempt]); err != nil {
		return o, fmt.Errorf("read the attempts of %s: %w", delivery, err)
	}
	return o, nil
}

// done tells a finished attempt from one that is under way.
func (a testAttempt) done() bool { return a.DurationMS != nil || a.StatusCode != nil || a.Error != nil }

func (a testAttempt) line() string {
	text := fmt.Sprintf("attempt %d: ", a.Attempt)
	switch {
	case a.StatusCode != nil:
		text += fmt.Sprint(*a.StatusCode)
	default:
		text += "no answer"
	}
	if a.DurationMS != nil {
		text += fmt.Sprintf(" after %d ms", *a.DurationMS)
	}
	if a.Error != nil {
		text += ", " + oneLine(*a.Error)
	}
	return text
}

func (o testOutcome) verdict(waited time.Duration) string {
	switch {
	case o.Status == "delivered":
		return "Delivered."
	case o.Status != "pending":
		return "Not delivered: " + o.Status + ". Look at the attempts: plausible-webhooks delivery show " + o.ID
	case waited == 0:
		return "See what came of it: plausible-webhooks delivery show " + o.ID
	case len(o.Log) == 0:
		return "Nobody has taken it yet: is `plausible-webhooks run` running? It waits in the queue."
	default:
		return "Not delivered yet; it is tried again. See: plausible-webhooks delivery show " + o.ID
	}
}
