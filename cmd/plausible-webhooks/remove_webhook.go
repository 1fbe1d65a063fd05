package main

import (
	"context"
	"fmt"

	"plausible-webhooks/config/store"
	"plausible-webhooks/config/target"

	"github.com/jackc/pgx/v5"
)

type removeWebhook struct {
	ID   int64 `arg:"" name:"id" help:"The webhook's id, as webhook list shows it."`
	JSON bool  `name:"json" help:"Print the removed webhook as JSON."`
}

// Help implements kong.HelpProvider.
func (removeWebhook) Help() string {
	return `Its triggers, what waits to be sent and the log of its deliveries go with it. To stop it and keep the log, pause it: webhook update ID --disable.

Example:

    plausible-webhooks webhook remove 7`
}

func (c removeWebhook) Run(ctx context.Context, p program) error {
	return p.withStore(ctx, func(s *store.Store, _ *pgx.Conn) error {
		w, err := s.Get(ctx, c.ID)
		if err != nil {
			return err
		}
		if err := s.Remove(ctx, c.ID); err != nil {
			return err
		}
		if c.JSON {
			return p.printJSON(toJSON(w))
		}
		fmt.Fprintf(p.stdout, "Webhook %d of %s to %s removed, with its log.\n", w.ID, oneLine(siteOf(w)), target.Display(w.URL.Reveal()))
		return nil
	})
}
