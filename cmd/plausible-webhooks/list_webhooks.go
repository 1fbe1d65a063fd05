package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"plausible-webhooks/config/store"
	"plausible-webhooks/config/target"

	"github.com/jackc/pgx/v5"
)

type listWebhooks struct {
	Site string `placeholder:"DOMAIN" help:"Only the webhooks of this site."`
	JSON bool   `name:"json" help:"Print them as JSON."`
}

// Help implements kong.HelpProvider.
func (listWebhooks) Help() string {
	return `URLs are shown as scheme and host, since the path of a chat webhook is a secret; of headers the names are shown, if any webhook has some.

Examples:

    plausible-webhooks webhook list
    plausible-webhooks webhook list --site example.com --json`
}

func (c listWebhooks) Run(ctx context.Context, p program) error {
	return p.withStore(ctx, func(s *store.Store, _ *pgx.Conn) error {
		all, err := s.List(ctx, store.Filter{Site: c.Site})
		if err != nil {
			return err
		}
		if c.JSON {
			out := make([]webhookJSON, len(all))
			for i, w := range all {
				out[i] = toJSON(w)
			}
			return p.printJSON(out)
		}
		if len(all) == 0 {
			site := c.Site
			if site == "" {
				site = "example.com"
			}
			fmt.Fprintf(p.stdout, "No webhooks yet. Add one:\n\n    plausible-webhooks webhook add --site %s --url https://… --trigger traffic.spike\n", site)
			return nil
		}
		table(p.stdout, webhookRows(all))
		return nil
	})
}

// webhookRows has a line for each trigger, the webhook's own cells on the first.
// What few webhooks have is a column only if one of these has it.
func webhookRows(all []store.Webhook) [][]string {
	heading := []string{"ID", "SITE", "NAME", "URL", "FORMAT", "STATE"}
	timeouts := slices.ContainsFunc(all, func(w store.Webhook) bool { return w.TimeoutSeconds > 0 })
	headers := slices.ContainsFunc(all, func(w store.Webhook) bool { return len(w.HeaderNames) > 0 })
	if timeouts {
		heading = append(heading, "TIMEOUT")
	}
	if headers {
		heading = append(heading, "HEADERS")
	}
	rows := [][]string{append(heading, "TRIGGERS")}
	for _, w := range all {
		first := []string{strconv.FormatInt(w.ID, 10), siteOf(w), nameOf(w), target.Display(w.URL.Reveal()), string(w.Format), stateOf(w)}
		if timeouts {
			first = append(first, timeoutOf(w))
		}
		if headers {
			first = append(first, headerNames(w))
		}
		if len(w.Triggers) == 0 {
			rows = append(rows, append(first, "none: it never fires"))
			continue
		}
		for i, t := range w.Triggers {
			cells := first
			if i > 0 {
				cells = make([]string, len(first))
			}
			rows = append(rows, append(cells[:len(cells):len(cells)], describeTrigger(t)))
		}
	}
	return rows
}
