package main

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"plausible-webhooks/config/env"
	"plausible-webhooks/config/schema"
	"plausible-webhooks/config/settings"

	"github.com/jackc/pgx/v5/pgxpool"
)

// The pages on the real log and the real statistics: a webhook is added, a
// threshold is looked at, a test is sent and found in the log.
func TestSettingsPagesMeetTheOtherRooms(t *testing.T) {
	s := backtestShell(t)
	if _, err := schema.Migrate(t.Context(), s.db); err != nil {
		t.Fatal(err)
	}
	s = s.with("BASE_URL=https://plausible.example.com")
	of, _, err := env.Load(env.Source{Environ: s.environ})
	if err != nil {
		t.Fatal(err)
	}
	pooled, err := pgxpool.ParseConfig("")
	if err != nil {
		t.Fatal(err)
	}
	if pooled.ConnConfig, err = of.Database.ConnConfig(); err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), pooled)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	client, err := openStats(of.ClickHouse)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	woken := 0
	pages := settingsPages(of, pool, client, func() { woken++ }, nil)
	const base = "/example.com/settings/webhooks"
	visit := func(path, query string, form url.Values) settings.Page {
		t.Helper()
		v := settings.Visit{Site: settings.Site{ID: 1, Domain: "example.com", Timezone: "Etc/UTC"}, Base: base, Form: form}
		v.Query, _ = url.ParseQuery(query)
		if path = strings.Trim(path, "/"); path != "" {
			v.Rest = strings.Split(path, "/")
		}
		method := http.MethodGet
		if form != nil {
			method = http.MethodPost
		}
		page, err := pages.Serve(t.Context(), v, method)
		if err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		return page
	}
	wants := func(page settings.Page, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(string(page.Body), w) {
				t.Errorf("%s lacks %q:\n%s", page.Title, w, page.Body)
			}
		}
	}
	added := visit("new", "", url.Values{"form": {"1"}, "url": {"https://hooks.example.com/x"}, "format": {"auto"}, "when": {"existing"}})
	wants(added, "whsec_")
	var hook int64
	s.scan(&hook, "select id from plausible_webhooks.webhooks where site_id = 1")
	at := strconv.FormatInt(hook, 10)

	wants(visit(at+"/triggers/new", "type=traffic.spike&threshold=20&show=1", nil), "would have fired once in the last 30 days", "30 visitors", "With 40 it would never have fired", "<svg")
	wants(visit(at+"/triggers/new", "type=goal.completed&goal=10&show=1", nil), "would have fired", "4 completions", "<svg")

	sent := visit(at+"/test", "", url.Values{"event": {"goal.completed"}})
	delivery, ok := strings.CutPrefix(sent.GoTo, base+"/"+at+"/deliveries/")
	if !ok || woken != 1 {
		t.Fatalf("a test goes to %q, and woke the sender %d times", sent.GoTo, woken)
	}
	page := visit(at+"/deliveries/"+delivery, "", nil)
	wants(page, "Waiting to be sent", "webhook.test", "goal.completed")
	if page.Refresh == 0 {
		t.Error("a page of a test that is under way does not look again")
	}
	s.exec("update plausible_webhooks.webhook_deliveries set status = 'failed', attempts = 1, last_error = 'answered 500 Internal Server Error'")
	s.exec("insert into plausible_webhooks.webhook_delivery_attempts (delivery_id, attempt, duration_ms, status_code, response_excerpt) values ($1, 1, 21, 500, 'oh no')", delivery)
	wants(visit("", "", nil), "Last 1 delivery: 1 failed")
	wants(visit(at+"/deliveries", "status=failed", nil), "Failed after 1 attempt")
	wants(visit(at+"/deliveries/"+delivery, "", nil), "oh no", "21 ms", "Answered 500")
	if again := visit(at+"/deliveries/resend", "", url.Values{"what": {"failed"}, "since": {"1h"}}); !strings.HasSuffix(again.GoTo, "?done=resent-all&count=1") || woken != 2 {
		t.Errorf("sending again goes to %q, and woke the sender %d times in all", again.GoTo, woken)
	}
	s.exec("update plausible_webhooks.webhooks set enabled = false, disabled_reason = 'gone'")
	wants(visit(at+"/test", "", url.Values{"event": {"goal.completed"}}), "The webhook is disabled")
	log := deliveryLog{pool, func() {}}
	if _, err := log.Delivery(t.Context(), 2, hook, delivery); !errors.Is(err, settings.ErrNotFound) {
		t.Errorf("another site's delivery: %v; want ErrNotFound", err)
	}
	if err := log.Resend(t.Context(), 1, hook, delivery); !errors.Is(err, settings.ErrDisabled) {
		t.Errorf("resending to a disabled webhook: %v; want ErrDisabled", err)
	}
}
