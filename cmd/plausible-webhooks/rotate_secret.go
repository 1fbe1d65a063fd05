package main

import (
	"context"
	"fmt"
	"time"

	"plausible-webhooks/config/store"

	"github.com/jackc/pgx/v5"
)

type rotateSecret struct {
	ID         int64         `arg:"" name:"id" help:"The webhook's id, as webhook list shows it."`
	Overlap    time.Duration `default:"24h" placeholder:"24h" help:"How long the old secret signs beside the new one; 0 stops it at once."`
	SecretFile string        `placeholder:"FILE|-" help:"Take the secret in this file, or on standard input, instead of making one."`
	JSON       bool          `name:"json" help:"Print the webhook and its new secret as JSON."`
}

// Help implements kong.HelpProvider.
func (rotateSecret) Help() string {
	return `Prints the new secret, this once. While both sign, a receiver that knows either accepts: change the receiver within that time. This also mends a webhook whose secret cannot be opened any more.

Examples:

    plausible-webhooks webhook rotate-secret 7
    openssl rand -hex 32 |
      plausible-webhooks webhook rotate-secret 7 --secret-file - --overlap 1h`
}

func (c rotateSecret) Run(ctx context.Context, p program) error {
	given, err := p.readSecret(c.SecretFile)
	if err != nil {
		return err
	}
	return p.withStore(ctx, func(s *store.Store, _ *pgx.Conn) error {
		shown, kept, err := s.RotateSecret(ctx, c.ID, given, c.Overlap)
		if err != nil {
			return err
		}
		w, err := s.Get(ctx, c.ID)
		if err != nil {
			return err
		}
		if c.JSON {
			return p.printJSON(withSecret(w, shown))
		}
		fmt.Fprintf(p.stdout, "Webhook %d has a new secret.\n\n", w.ID)
		table(p.stdout, secretRows(shown))
		fmt.Fprintln(p.stdout, "\nKeep the secret now: it is not shown again.")
		if kept {
			fmt.Fprintf(p.stdout, "The old one signs too until %s.\n", p.moment(w.PreviousSecretExpiresAt))
		} else {
			fmt.Fprintln(p.stdout, "The old one, if there was any, signs no more.")
		}
		return nil
	})
}
