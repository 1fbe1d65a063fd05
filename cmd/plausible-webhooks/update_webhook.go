package main

import (
	"context"
	"fmt"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/store"

	"github.com/jackc/pgx/v5"
)

type updateWebhook struct {
	ID            int64         `arg:"" name:"id" help:"The webhook's id, as webhook list shows it."`
	URL           *string       `name:"url" placeholder:"URL" help:"Send to this URL from now on; what waits goes there too."`
	Name          *string       `placeholder:"N" help:"A new name; an empty one takes it away."`
	Format        *string       `placeholder:"F" help:"The format of events to come."`
	Enable        bool          `xor:"state" help:"Switch it on, whoever switched it off. What happened meanwhile is not caught up."`
	Disable       bool          `xor:"state" help:"Pause it: nothing is evaluated, and what waits is sent if it is switched on within 24 hours."`
	Trigger       []triggerFlag `sep:"none" placeholder:"TRIGGER" help:"Add a trigger, or give the one of the same type and goal these settings; may be given several times."`
	RemoveTrigger []triggerFlag `sep:"none" placeholder:"TYPE[,goal=NAME]" help:"Remove a trigger; may be given several times."`
	headerFlags
	RemoveHeader []string `sep:"none" placeholder:"NAME" help:"Send this header no more; may be given several times."`
	JSON         bool     `name:"json" help:"Print the webhook as JSON."`
}

// Help implements kong.HelpProvider.
func (updateWebhook) Help() string {
	return `Changes what is named and leaves the rest. A trigger that only gets another threshold, window, cooldown or recovery keeps its state. A header replaces the one of the same name.

` + triggerHelp + `

` + headerHelp + `

Examples:

    plausible-webhooks webhook update 7 --trigger traffic.spike,threshold=200
    plausible-webhooks webhook update 7 --remove-trigger goal.completed,goal=Signup
    plausible-webhooks webhook update 7 --header-file - --timeout 20s < headers
    plausible-webhooks webhook update 7 --remove-header X-Api-Key --timeout default
    plausible-webhooks webhook update 7 --disable`
}

func (c updateWebhook) Run(ctx context.Context, p program) error {
	headers, err := p.readHeaders(c.HeaderFile, "")
	if err != nil {
		return err
	}
	changes := store.Changes{
		Name: c.Name, URL: c.URL, Put: specs(c.Trigger), Drop: specs(c.RemoveTrigger),
		PutHeaders: headers, DropHeaders: c.RemoveHeader, TimeoutSeconds: c.Timeout.change(),
	}
	if c.Format != nil {
		format := event.Format(*c.Format)
		changes.Format = &format
	}
	if c.Enable || c.Disable {
		changes.Enabled = &c.Enable
	}
	return p.withStore(ctx, func(s *store.Store, _ *pgx.Conn) error {
		if err := s.Update(ctx, c.ID, changes); err != nil {
			return err
		}
		w, err := s.Get(ctx, c.ID)
		if err != nil {
			return err
		}
		if c.URL != nil && c.Format == nil {
			p.suggestFormat(w)
		}
		if c.JSON {
			return p.printJSON(toJSON(w))
		}
		fmt.Fprintf(p.stdout, "Webhook %d is now:\n\n", c.ID)
		table(p.stdout, webhookRows([]store.Webhook{w}))
		if w.Format.Signed() && !w.HasSecret {
			fmt.Fprintf(p.stdout, "\nIt has no secret to sign with yet: plausible-webhooks webhook rotate-secret %d\n", c.ID)
		}
		return nil
	})
}
