package main

import (
	"context"
	"errors"
	"fmt"

	"plausible-webhooks/sender"

	"github.com/jackc/pgx/v5"
)

type resendDelivery struct {
	ID      string   `arg:"" optional:"" name:"id" help:"One delivery, by its id or as much of its beginning as tells it from others."`
	Webhook int64    `placeholder:"ID" help:"Instead: the deliveries to this webhook …"`
	Since   string   `placeholder:"TIME" help:"… that were made since: 2h, 2026-11-23, \"2026-11-23 19:10\" or RFC 3339 …"`
	Status  []string `placeholder:"STATUS" help:"… and are failed, cancelled or delivered; failed,cancelled without it."`
	JSON    bool     `name:"json" help:"Print how many as JSON."`
}

// Help implements kong.HelpProvider.
func (resendDelivery) Help() string {
	return `The payload and the webhook-id header stay the same, so that a receiver can tell what it had already; the URL and the secret are the webhook's present ones. The running sidecar sends them within a second, with a fresh round of retries.

Examples:

    plausible-webhooks delivery resend 0199b2c4
    plausible-webhooks delivery resend --webhook 7 --since 24h`
}

// Validate implements kong.Validatable.
func (c resendDelivery) Validate() error {
	switch {
	case c.ID == "" && c.Webhook == 0:
		return errors.New("which? Give the id of a delivery, or --webhook and --since")
	case c.ID != "" && (c.Webhook != 0 || c.Since != "" || len(c.Status) > 0):
		return errors.New("give the id of a delivery, or --webhook and --since, not both")
	case c.ID == "" && c.Since == "":
		return errors.New("--webhook needs --since, as in --since 24h")
	}
	return nil
}

func (c resendDelivery) Run(ctx context.Context, p program) error {
	if err := checkStatuses(c.Status, []string{sender.StatusFailed, sender.StatusCancelled, sender.StatusDelivered}); err != nil {
		return err
	}
	return p.withDatabase(ctx, func(conn *pgx.Conn) error {
		count, err := c.resend(ctx, p, conn)
		if errors.Is(err, sender.ErrDisabled) {
			return fmt.Errorf("%w: `plausible-webhooks webhook update ID --enable`", err)
		}
		if err != nil {
			return err
		}
		if c.JSON {
			return p.printJSON(map[string]int64{"resent": count})
		}
		if count == 0 {
			fmt.Fprintln(p.stdout, "No deliveries like that. See: plausible-webhooks delivery list --webhook", c.Webhook)
			return nil
		}
		fmt.Fprintf(p.stdout, "%s on the way again. See: plausible-webhooks delivery list\n", counted(int(count), "delivery is", "deliveries are"))
		return nil
	})
}

func (c resendDelivery) resend(ctx context.Context, p program, conn *pgx.Conn) (int64, error) {
	if c.ID == "" {
		since, err := p.since(c.Since)
		if err != nil {
			return 0, err
		}
		return sender.ResendSince(ctx, conn, c.Webhook, since, c.Status)
	}
	id, err := wholeID(ctx, conn, c.ID)
	if err != nil {
		return 0, err
	}
	return 1, sender.Resend(ctx, conn, id)
}
