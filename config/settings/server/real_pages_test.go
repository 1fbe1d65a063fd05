package server_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/schema"
	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/settings"
	"plausible-webhooks/config/store"
	"plausible-webhooks/config/target"
	"plausible-webhooks/deploy/devstack/plausible"
	"plausible-webhooks/deploy/devstack/stack"
	"plausible-webhooks/sender"

	"github.com/jackc/pgx/v5/pgxpool"
)

// owned is a site's webhook with everything that it can have.
type owned struct {
	webhook, trigger int64
	delivery         string
}

// withRealPages puts the real pages on the real log behind the gate.
func withRealPages(w *world) {
	w.t.Helper()
	if err := w.db.AcquireFunc(w.t.Context(), func(c *pgxpool.Conn) error {
		_, err := schema.Migrate(w.t.Context(), c.Conn())
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	keys, err := secret.NewKeyring(secret.Text{}, secret.New(strings.Repeat("0123456789abcdef", 4)))
	if err != nil {
		w.t.Fatal(err)
	}
	log := siteLog{w.db}
	w.real = settings.New(settings.Options{
		Store:   store.New(w.db, store.Options{Keys: keys, Targets: target.Rules{AllowedPorts: target.DefaultPorts()}}),
		History: log, Resender: log, Tester: log, BaseURL: "https://plausible.example.com", Version: "1.2.3", Timeout: 5 * time.Second,
	})
}

// siteLog is the sender's log with as much of it as tells whose it is.
type siteLog struct{ pool *pgxpool.Pool }

func (l siteLog) of(site int64) sender.SiteLog { return sender.SiteLog{DB: l.pool, Site: site} }

func (l siteLog) Latest(context.Context, int64, []int64, int) (map[int64][]settings.Delivery, error) {
	return nil, nil
}

func (l siteLog) Log(context.Context, settings.LogQuery) (settings.LogPage, error) {
	return settings.LogPage{}, nil
}

func (l siteLog) Delivery(ctx context.Context, site, webhook int64, id string) (settings.DeliveryDetail, error) {
	d, err := l.of(site).Show(ctx, webhook, id)
	if err != nil {
		return settings.DeliveryDetail{}, settings.ErrNotFound
	}
	return settings.DeliveryDetail{Delivery: settings.Delivery{ID: id, WebhookID: webhook, Event: event.Type(d.EventType), Format: event.Format(d.Format), Status: d.Status}, Payload: d.Payload}, nil
}

func (l siteLog) Resend(ctx context.Context, site, webhook int64, id string) error {
	if err := l.of(site).Resend(ctx, webhook, id); err != nil {
		return settings.ErrNotFound
	}
	return nil
}

func (l siteLog) ResendSince(ctx context.Context, site, webhook int64, since time.Time, statuses []string) (int64, error) {
	return l.of(site).ResendSince(ctx, webhook, since, statuses)
}

func (l siteLog) Test(ctx context.Context, site, webhook int64, format event.Format, payload string) (string, error) {
	return l.of(site).EnqueueTest(ctx, webhook, format, payload)
}

// owns gives a site a webhook, every field of which holds its name.
func (w *world) owns(site int64, name string) (o owned) {
	w.t.Helper()
	for _, step := range []struct {
		into any
		sql  string
		args []any
	}{
		{&o.webhook, "insert into plausible_webhooks.webhooks (site_id, name, url, secret) values ($1, $2, 'https://' || $2 || '.example.net/in', 'the secret of ' || $2) returning id", []any{site, name}},
		{&o.trigger, "insert into plausible_webhooks.webhook_triggers (webhook_id, type, threshold) values ($1, 'traffic.spike', 77777) returning id", []any{&o.webhook}},
		{&o.delivery, `insert into plausible_webhooks.webhook_deliveries (webhook_id, site_id, event_type, payload, status) values ($1, $2, 'traffic.spike', '{"of":"' || $3 || '"}', 'failed') returning id::text`, []any{&o.webhook, site, name}},
	} {
		for i, arg := range step.args {
			if p, ok := arg.(*int64); ok {
				step.args[i] = *p
			}
		}
		if err := w.db.QueryRow(w.t.Context(), step.sql, step.args...).Scan(step.into); err != nil {
			w.t.Fatal(err)
		}
	}
	return o
}

// everything is all that the sidecar stores, as text.
func (w *world) everything() (text string) {
	w.t.Helper()
	if err := w.db.QueryRow(w.t.Context(), `select coalesce((select string_agg(h::text, E'\n' order by id) from plausible_webhooks.webhooks h), '')
		|| coalesce((select string_agg(t::text, E'\n' order by id) from plausible_webhooks.webhook_triggers t), '')
		|| coalesce((select string_agg(d::text, E'\n' order by id) from plausible_webhooks.webhook_deliveries d), '')`).Scan(&text); err != nil {
		w.t.Fatal(err)
	}
	return text
}

// hostile is a form with a field of every page that changes something.
func hostile(goal string) url.Values {
	return url.Values{
		"form": {"1"}, "url": {"https://evil.example.net/"}, "name": {"Taken over"}, "format": {"standard"}, "when": {"later"}, "overlap": {"0s"}, "own": {"a secret of somebody else"},
		"event": {"traffic.spike"}, "type": {"goal.completed"}, "goal": {goal}, "enabled": {"1"}, "threshold": {"1"}, "what": {"both"}, "since": {"30d"}, "from": {"overview"},
	}
}

// The real pages: everybody who may open the site's settings finds a page at
// each route, everybody else Plausible's own answer, and changes nothing.
func TestRealPagesForEveryRole(t *testing.T) {
	for _, who := range people {
		t.Run(who.name, func(t *testing.T) {
			w := newWorld(t, withRealPages)
			w.exec(`update sites set public = true`)
			o := w.owns(w.site, "warehouse")
			b := w.person(who.role)
			theirs := b.do(b.request(http.MethodGet, w.web.URL()+encoded+"/settings/email-reports", nil))
			before := w.everything()
			for _, route := range routes {
				what := route.method + " " + route.path
				var form url.Values
				if route.method == http.MethodPost {
					form = hostile("")
				}
				got := b.do(b.request(route.method, w.address+page+filled(route.path, o.webhook, o.trigger, o.delivery), form))
				led := got.status == http.StatusSeeOther && strings.HasPrefix(got.header.Get("Location"), page)
				switch {
				case !who.allowed:
					if got.status != http.StatusNotFound || route.method != http.MethodHead && got.body != theirs.body {
						t.Errorf("%s = %d; want Plausible's own 404:\n%.500s", what, got.status, got.body)
					}
					if strings.Contains(got.body, "warehouse") || strings.Contains(got.body, "77777") {
						t.Errorf("%s shows data of the site", what)
					}
				case strings.HasPrefix(route.path, "/{webhook}") && !strings.Contains(route.path, "%2F") || route.path == "/new" || route.path == "" && route.method != http.MethodPost:
					if got.status != http.StatusOK && !led {
						t.Errorf("%s = %d to %q; want a page, or to be led to one:\n%.1500s", what, got.status, got.header.Get("Location"), got.body)
					}
				case got.status != http.StatusNotFound && got.status != http.StatusMethodNotAllowed:
					t.Errorf("%s = %d; want nothing there", what, got.status)
				}
			}
			if after := w.everything(); !who.allowed && after != before {
				t.Errorf("something was changed from\n%s\nto\n%s", before, after)
			}
		})
	}
}

// An owner puts the ids of another site into every route and field.
func TestRealPagesKnowNoOtherSite(t *testing.T) {
	w := newWorld(t, withRealPages)
	victim, err := plausible.AddAccount(t.Context(), w.db, "victim@example.com", password)
	if err != nil {
		t.Fatal(err)
	}
	site, err := victim.AddSite(t.Context(), w.db, stack.Site{Domain: "victim.example", Public: true})
	if err != nil {
		t.Fatal(err)
	}
	goal, err := stack.AddGoal(t.Context(), w.db, site, stack.Goal{EventName: "warehouse-goal"})
	if err != nil {
		t.Fatal(err)
	}
	theirs := w.owns(site, "warehouse")
	b := w.ownerBrowser()
	before := w.everything()
	ofGoal := hostile(filled("{webhook}", goal, 0, ""))
	for _, route := range routes {
		if !strings.HasPrefix(route.path, "/{webhook}") {
			continue
		}
		var form url.Values
		if route.method == http.MethodPost {
			form = ofGoal
		}
		got := b.do(b.request(route.method, w.address+page+filled(route.path, theirs.webhook, theirs.trigger, theirs.delivery), form))
		if got.status != http.StatusNotFound || strings.Contains(got.body, "warehouse") {
			t.Errorf("%s %s of another site = %d; want 404 without a word of it:\n%.1500s", route.method, route.path, got.status, got.body)
		}
	}
	if after := w.everything(); after != before {
		t.Errorf("something was changed from\n%s\nto\n%s", before, after)
	}

	// The other site's trigger, delivery and goal by way of a webhook of one's own.
	own := w.owns(w.site, "own")
	before = w.everything()
	for _, route := range routes {
		if !strings.Contains(route.path, "{trigger}") && !strings.Contains(route.path, "{delivery}") {
			continue
		}
		var form url.Values
		if route.method == http.MethodPost {
			form = ofGoal
		}
		got := b.do(b.request(route.method, w.address+page+filled(route.path, own.webhook, theirs.trigger, theirs.delivery), form))
		if got.status != http.StatusNotFound || strings.Contains(got.body, "warehouse") {
			t.Errorf("%s %s = %d; want 404:\n%.1500s", route.method, route.path, got.status, got.body)
		}
	}
	got := b.post(page+filled("/{webhook}/triggers/new", own.webhook, 0, ""), ofGoal)
	if got.status != http.StatusUnprocessableEntity || strings.Contains(got.body, "warehouse") {
		t.Errorf("a trigger on another site's goal = %d; want 422 without its name", got.status)
	}
	if after := w.everything(); after != before {
		t.Errorf("something was changed from\n%s\nto\n%s", before, after)
	}
}
