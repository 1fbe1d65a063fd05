package settings

import (
	"context"
	"fmt"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/store"
)

// latestShown is how many deliveries the webhook's own page shows.
const latestShown = 10

type webhookPage struct {
	view
	summary
	W        store.Webhook
	Timeout  string
	Latest   []row
	Tests    []option
	Problems []string
}

// Bad reports whether a test was refused.
func (p webhookPage) Bad() bool { return len(p.Problems) > 0 }

// webhook is a webhook's own page.
func (r *request) webhook(ctx context.Context, w store.Webhook) (Page, error) {
	return r.webhookWith(ctx, w, nil)
}

func (r *request) webhookWith(ctx context.Context, w store.Webhook, problems []string) (Page, error) {
	about, err := r.store.About(ctx)
	if err != nil {
		return Page{}, err
	}
	latest, err := r.pages.options.History.Latest(ctx, r.visit.Site.ID, []int64{w.ID}, stripLength)
	if err != nil {
		return Page{}, err
	}
	page := webhookPage{view: r.view(crumb{Text: nameOf(w)}), W: w, Timeout: r.timeoutOf(w), Tests: testTypes(w), Problems: problems}
	page.summary = r.summarise(page.view, w, about, latest[w.ID])
	for i, d := range latest[w.ID] {
		if i < latestShown {
			page.Latest = append(page.Latest, r.row(page.view, d))
		}
	}
	return r.show(nameOf(w), "webhook", page)
}

func (r *request) timeoutOf(w store.Webhook) string {
	if w.TimeoutSeconds != 0 {
		return plural(w.TimeoutSeconds, "second", "seconds")
	}
	if d := r.pages.options.Timeout; d > 0 {
		return plural(int(d.Seconds()), "second", "seconds") + " (the usual)"
	}
	return "the usual"
}

// testTypes are the events that a test can look like, that of the first
// trigger chosen.
func testTypes(w store.Webhook) []option {
	var options []option
	for _, t := range event.Types() {
		if t != event.WebhookTest {
			options = append(options, option{Value: string(t), Label: eventName(t), Selected: len(w.Triggers) > 0 && w.Triggers[0].Type == t})
		}
	}
	return options
}

// test queues a test and goes to its page, which tells the outcome.
func (r *request) test(ctx context.Context, w store.Webhook) (Page, error) {
	like := event.Type(r.visit.Form.Get("event"))
	if _, err := event.ParseType(string(like)); err != nil || like == event.WebhookTest {
		return r.webhookWith(ctx, w, []string{"Choose what the test should look like."})
	}
	site := event.Site{ID: r.visit.Site.ID, Domain: r.visit.Site.Domain}
	payload, err := event.Render(event.Example(r.now, like, site, event.Webhook{ID: w.ID, Name: w.Name}, r.pages.options.BaseURL), w.Format)
	if err != nil {
		return Page{}, err
	}
	id, err := r.pages.options.Tester.Test(ctx, r.visit.Site.ID, w.ID, w.Format, payload)
	if problem := refusal(err); problem != "" {
		return r.webhookWith(ctx, w, []string{problem})
	}
	if err != nil {
		return Page{}, fmt.Errorf("queue a test: %w", err)
	}
	return Page{GoTo: r.path(w.ID, "deliveries", id)}, nil
}
