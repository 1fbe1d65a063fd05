package main

import (
	"context"
	"fmt"
	"strings"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/store"
	"plausible-webhooks/config/target"

	"github.com/jackc/pgx/v5"
)

type addWebhook struct {
	URL        string        `name:"url" required:"" placeholder:"URL" help:"Where requests go: https:// and a public host, or what WEBHOOKS_ALLOWED_TARGETS lists."`
	Site       string        `placeholder:"DOMAIN" help:"The site, by its domain in Plausible. Without it the webhook is for every site."`
	Name       string        `placeholder:"N" help:"A name to tell it by; payloads carry it."`
	Format     string        `placeholder:"F" help:"standard (the default, signed JSON), slack, discord, teams, googlechat, telegram or ntfy."`
	SecretFile string        `placeholder:"FILE|-" help:"Sign with the secret in this file, or on standard input, instead of making one."`
	Trigger    []triggerFlag `sep:"none" placeholder:"TRIGGER" help:"When it fires; may be given several times."`
	headerFlags
	JSON bool `name:"json" help:"Print the webhook and its secret as JSON."`
}

// Help implements kong.HelpProvider.
func (addWebhook) Help() string {
	return `Prints the new webhook's id and its secret, which is shown this once.

` + triggerHelp + `

` + headerHelp + `

Examples:

    plausible-webhooks webhook add --site example.com \
      --url https://hooks.example.com/plausible \
      --trigger traffic.spike,threshold=100,recovery \
      --trigger 'goal.completed,goal="Paid, yearly"' \
      --trigger goal.threshold,goal=Signup,threshold=100,window=1h

    plausible-webhooks webhook add --format slack \
      --url https://hooks.slack.com/services/T0/B0/X \
      --trigger traffic.spike

    plausible-webhooks webhook add --url https://api.example.com/events \
      --header-file /run/secrets/api_headers --timeout 20s \
      --trigger goal.completed`
}

func (c addWebhook) Run(ctx context.Context, p program) error {
	given, err := p.readSecret(c.SecretFile)
	if err != nil {
		return err
	}
	headers, err := p.readHeaders(c.HeaderFile, c.SecretFile)
	if err != nil {
		return err
	}
	return p.withStore(ctx, func(s *store.Store, _ *pgx.Conn) error {
		id, shown, err := s.Add(ctx, store.NewWebhook{
			Site: c.Site, Name: c.Name, URL: c.URL, Format: event.Format(c.Format), Secret: given, Triggers: specs(c.Trigger),
			Headers: headers, TimeoutSeconds: c.Timeout.seconds,
		})
		if err != nil {
			return err
		}
		w, err := s.Get(ctx, id)
		if err != nil {
			return err
		}
		if c.Format == "" {
			p.suggestFormat(w)
		}
		if c.JSON {
			return p.printJSON(withSecret(w, shown))
		}
		p.printAdded(w, shown)
		return nil
	})
}

func (p program) printAdded(w store.Webhook, shown secret.Text) {
	fmt.Fprintf(p.stdout, "Webhook %d added.\n\n", w.ID)
	rows := [][]string{{"  Site", siteOf(w)}, {"  URL", target.Display(w.URL.Reveal())}, {"  Format", string(w.Format)}}
	if len(w.HeaderNames) > 0 {
		rows = append(rows, []string{"  Headers", headerNames(w)})
	}
	if w.TimeoutSeconds > 0 {
		rows = append(rows, []string{"  Timeout", timeoutOf(w)})
	}
	for i, trigger := range w.Triggers {
		label := "  Triggers"
		if i > 0 {
			label = ""
		}
		rows = append(rows, []string{label, describeTrigger(trigger)})
	}
	table(p.stdout, append(rows, secretRows(shown)...))
	fmt.Fprintln(p.stdout)
	if !shown.Empty() {
		fmt.Fprintln(p.stdout, "Keep the secret now: it is not shown again.")
	}
	if len(w.Triggers) == 0 {
		fmt.Fprintf(p.stdout, "It has no triggers yet and never fires: plausible-webhooks webhook update %d --trigger traffic.spike\n", w.ID)
	}
	fmt.Fprintf(p.stdout, "Try it: plausible-webhooks webhook test %d\n", w.ID)
}

// secretRows show a secret, and the form that Standard Webhooks libraries take
// where that is another.
func secretRows(shown secret.Text) [][]string {
	if shown.Empty() {
		return nil
	}
	rows := [][]string{{"  Secret", shown.Reveal()}}
	if shown.Whsec() != shown.Reveal() {
		rows = append(rows, []string{"", shown.Whsec() + "  (the same, for Standard Webhooks libraries)"})
	}
	return rows
}

func withSecret(w store.Webhook, shown secret.Text) webhookJSON {
	out := toJSON(w)
	if !shown.Empty() {
		out.Secret, out.SecretWhsec = optional(shown.Reveal()), optional(shown.Whsec())
	}
	return out
}

// maxSecretFile is more than any secret needs: what is larger is another file.
const maxSecretFile = 4096

// readSecret reads a secret from a file, or from stdin for "-"; no name is no
// secret. The line break that editors and echo add is no part of it.
func (p program) readSecret(name string) (secret.Text, error) {
	if name == "" {
		return secret.Text{}, nil
	}
	content, err := p.readWhole(name, maxSecretFile)
	if err != nil {
		return secret.Text{}, fmt.Errorf("read the secret: %w", err)
	}
	text := strings.TrimRight(content, "\r\n")
	if text == "" {
		return secret.Text{}, &store.Invalid{Fields: []store.FieldError{{Field: store.FieldSecret, Message: "there is no secret in " + fileName(name)}}}
	}
	return secret.New(text), nil
}

func fileName(name string) string {
	if name == "-" {
		return "standard input"
	}
	return name
}
