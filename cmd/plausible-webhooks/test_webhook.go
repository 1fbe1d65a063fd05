package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"plausible-webhooks/config/env"
	"plausible-webhooks/config/event"
	"plausible-webhooks/config/target"
	"plausible-webhooks/sender"

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
// a due delivery goes out within a second (deploy/REFERENCE.md section 3).
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
			return mistake("event", "%v", err)
		}
	}
	conn, err := connectMigrated(ctx, settings.Database)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	delivery, err := c.enqueue(ctx, p, conn, settings)
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
		fmt.Fprintln(p.stdout, verdict(outcome, c.Wait))
	}
	if outcome.Status != sender.StatusDelivered && c.Wait > 0 {
		return quietly{}
	}
	return nil
}

// enqueue queues an invented event of the type that was asked for, or that the
// webhook will meet first.
func (c testWebhook) enqueue(ctx context.Context, p program, conn *pgx.Conn, settings env.Settings) (delivery string, err error) {
	w, err := openStore(conn, settings).Get(ctx, c.ID)
	if err != nil {
		return "", err
	}
	like := event.Type(c.Event)
	if like == "" && len(w.Triggers) > 0 {
		like = w.Triggers[0].Type
	}
	var of event.Site
	if w.Domain != "" {
		of = event.Site{ID: w.SiteID, Domain: w.Domain}
	}
	payload, err := event.Render(event.Example(p.now(), like, of, event.Webhook{ID: w.ID, Name: w.Name}, settings.BaseURL.String()), w.Format)
	if err != nil {
		return "", err
	}
	delivery, err = sender.EnqueueTest(ctx, conn, sender.Test{WebhookID: w.ID, SiteID: w.SiteID, Format: w.Format, Payload: payload})
	if errors.Is(err, sender.ErrPaused) || errors.Is(err, sender.ErrDisabled) {
		return "", fmt.Errorf("%w: `plausible-webhooks webhook update %d --enable`", err, c.ID)
	}
	if err == nil && !c.JSON {
		fmt.Fprintf(p.stdout, "Test %s is on its way to %s.\n", delivery, target.Display(w.URL.Reveal()))
	}
	return delivery, err
}

// watch reads the delivery until it is finished, the patience is over or
// nobody seems to take it, and tells each attempt when it is done.
func watch(ctx context.Context, conn *pgx.Conn, delivery string, patience time.Duration, narration io.Writer) (outcome sender.Detail, err error) {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	unclaimed := time.NewTimer(unclaimedPatience)
	defer unclaimed.Stop()
	again := time.NewTicker(outcomeInterval)
	defer again.Stop()
	told := 0
	for {
		if outcome, err = sender.Show(ctx, conn, delivery); err != nil {
			return outcome, err
		}
		for ; told < len(outcome.AttemptLog) && done(outcome.AttemptLog[told]); told++ {
			fmt.Fprintln(narration, "  "+attemptLine(outcome.AttemptLog[told]))
		}
		if outcome.Status != sender.StatusPending || patience == 0 {
			return outcome, nil
		}
		select {
		case <-again.C:
		case <-unclaimed.C:
			if len(outcome.AttemptLog) == 0 {
				return outcome, nil
			}
		case <-deadline.C:
			return outcome, nil
		case <-ctx.Done():
			return outcome, ctx.Err()
		}
	}
}

// done tells a finished attempt from one that is under way.
func done(a sender.Attempt) bool { return a.DurationMS != nil || a.StatusCode != nil || a.Error != nil }

func attemptLine(a sender.Attempt) string {
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

func verdict(o sender.Detail, waited time.Duration) string {
	switch {
	case o.Status == sender.StatusDelivered:
		return "Delivered."
	case o.Status != sender.StatusPending:
		return "Not delivered: " + o.Status + ". Look at the attempts: plausible-webhooks delivery show " + o.ID
	case waited == 0:
		return "See what came of it: plausible-webhooks delivery show " + o.ID
	case len(o.AttemptLog) == 0:
		return "Nobody has taken it yet: is `plausible-webhooks run` running? It waits in the queue."
	default:
		return "Not delivered yet; it is tried again. See: plausible-webhooks delivery show " + o.ID
	}
}
