package sender_test

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plausible-webhooks/config/event/eventtest"
	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/sender"
)

func (b *bed) site(id int64, domain string) {
	b.t.Helper()
	b.exec(`insert into public.sites (id, domain, timezone, inserted_at, updated_at, native_stats_start_at)
		values ($1, $2, 'Etc/UTC', now(), now(), '2020-01-01')`, id, domain)
}

// hook makes a webhook of a site, zero for the whole instance.
func (b *bed) hook(site int64, name, url, format string) int64 {
	b.t.Helper()
	return value[int64](b, `insert into plausible_webhooks.webhooks (site_id, name, url, secret, format) values (nullif($1::bigint, 0), $2, $3, $4, $5) returning id`,
		site, name, url, whsec, format)
}

func (b *bed) failing(webhook int64) {
	b.t.Helper()
	for i := range 3 {
		b.tried(webhook, "traffic.spike", 6*day-time.Duration(i)*time.Hour, 500, 503, noAnswer, 502)
	}
}

// told returns the ids of the webhooks that were told of a disabling, once
// for each time.
func (b *bed) told() (ids []int64) {
	b.t.Helper()
	return value[[]int64](b, `select coalesce(array_agg(webhook_id order by webhook_id, id), '{}')
		from plausible_webhooks.webhook_deliveries where event_type = 'webhook.disabled'`)
}

const secretPath = "/services/T000/B000/path-is-a-secret"

func TestOthersAreToldOfADisabledWebhook(t *testing.T) {
	b := newBed(t)
	b.site(1, "example.com")
	b.site(2, "other.example")
	bad := b.hook(1, "CRM", "https://crm.example.com:8443"+secretPath, "standard")
	b.failing(bad)
	ops := b.hook(1, "Ops", b.receiver.URL("/ops"), "standard")
	chat := b.hook(1, "", b.receiver.URL("/chat"), "slack")
	all := b.hook(0, "All", b.receiver.URL("/all"), "ntfy")
	paused := b.hook(1, "Paused", b.receiver.URL("/paused"), "standard")
	b.exec("update plausible_webhooks.webhooks set enabled = false where id = $1", paused)
	b.hook(2, "Another site's", b.receiver.URL("/other"), "standard")
	o := b.options()
	o.BaseURL = "https://plausible.example.com"
	b.start(o)
	body := b.requests("/ops", 1)[0]
	chatted, noted := string(b.requests("/chat", 1)[0].Body), string(b.requests("/all", 1)[0].Body)
	if diff := cmp.Diff([]int64{ops, chat, all}, b.told()); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}

	eventtest.Validate(t, body.Body)
	var got struct {
		Type string
		Data map[string]any
	}
	if err := json.Unmarshal(body.Body, &got); err != nil {
		t.Fatal(err)
	}
	since := value[time.Time](b, "select min(started_at) from plausible_webhooks.webhook_delivery_attempts")
	want := map[string]any{
		"site": map[string]any{"id": 1.0, "domain": "example.com"}, "webhook": map[string]any{"id": float64(ops), "name": "Ops"}, "trigger": nil,
		"disabled": map[string]any{
			"id": float64(bad), "name": "CRM", "host": "crm.example.com:8443", "reason": "failing",
			"since": since.UTC().Format(time.RFC3339), "last_status_code": 502.0, "last_error": nil,
		},
		"dashboard_url": "https://plausible.example.com/example.com",
	}
	if diff := cmp.Diff(want, got.Data); diff != "" || got.Type != "webhook.disabled" || body.Header.Get("X-Webhook-Event") != "webhook.disabled" {
		t.Errorf("type %s, data (-want +got):\n%s", got.Type, diff)
	}
	for _, text := range []string{chatted, noted} {
		if !strings.Contains(text, "was disabled") || !strings.Contains(text, "Failing since") || !strings.Contains(text, "enable the webhook again") {
			t.Errorf("a message that does not say what happened and what to do: %s", text)
		}
	}
	row := b.row("select site_id, status from plausible_webhooks.webhook_deliveries where webhook_id = $1", ops)
	if row["site_id"] != int64(1) {
		t.Errorf("site_id %v, want that of the disabled webhook", row["site_id"])
	}
	for _, text := range []string{string(body.Body), chatted, noted, b.log.String()} {
		if strings.Contains(text, "path-is-a-secret") {
			t.Errorf("the path of the URL shows in %s", text)
		}
	}
	if n := strings.Count(b.log.String(), "webhook disabled"); n != 1 || !strings.Contains(b.log.String(), "crm.example.com:8443") {
		t.Errorf("%d log lines of it, want one with the host:\n%s", n, b.log)
	}
}

func TestWhoIsToldOfAnInstanceWideWebhookThatIsGone(t *testing.T) {
	b := newBed(t)
	b.site(1, "example.com")
	b.receiver.Behave("/gone", receiver.Must("410"))
	gone := b.hook(0, "", b.receiver.URL("/gone"), "standard")
	b.hook(1, "Ops", b.receiver.URL("/ops"), "standard")
	all := b.hook(0, "All", b.receiver.URL("/all"), "standard")
	s := b.start(b.options())
	id := b.enqueue(gone, "{}")
	body := b.requests("/all", 1)[0].Body
	b.untilStatus(id, sender.StatusFailed)
	eventtest.Validate(t, body)
	for _, part := range []string{`"site":null`, `"reason":"gone","since":null,"last_status_code":410,"last_error":"answered 410 Gone"`, `"dashboard_url":null`} {
		if !strings.Contains(string(body), part) {
			t.Errorf("%s lacks %s", body, part)
		}
	}
	if diff := cmp.Diff([]int64{all}, b.told()); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	b.until("one that is gone to be counted", func() bool { return s.Counters().DisabledGone == 1 })
	if got := s.Counters(); got.DisabledGone != 1 || got.DisabledFailing != 0 {
		t.Errorf("counters %+v, want one that is gone", got)
	}
}

// A webhook that is enabled again and disabled again is told of twice, and
// several senders that find the same tell it once.
func TestToldOnceForEachDisabling(t *testing.T) {
	b := newBed(t)
	b.site(1, "example.com")
	bad, ops := b.hook(1, "CRM", "https://crm.example.com/", "standard"), b.hook(1, "Ops", "https://ops.example.com/", "standard")
	b.failing(bad)
	senders := []*sender.Sender{sender.New(b.options()), sender.New(b.options()), sender.New(b.options())}
	var together sync.WaitGroup
	for _, s := range senders {
		together.Go(func() {
			if err := s.DisableFailing(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	together.Wait()
	if diff := cmp.Diff([]int64{ops}, b.told()); diff != "" {
		t.Fatalf("told (-want +got):\n%s", diff)
	}
	var disabled int64
	for _, s := range senders {
		disabled += s.Counters().DisabledFailing
	}
	if disabled != 1 {
		t.Errorf("counted %d disablings, want 1", disabled)
	}

	// Enabled again, long ago.
	b.exec("update plausible_webhooks.webhooks set enabled = true where id = $1", bad)
	b.exec("update plausible_webhooks.webhooks set restarted_at = now() - interval '30 days', updated_at = now() - interval '30 days' where id = $1", bad)
	b.look(b.options())
	if diff := cmp.Diff([]int64{ops, ops}, b.told()); diff != "" {
		t.Errorf("told after the second time (-want +got):\n%s", diff)
	}
}

// Two webhooks of one site that fail together do not hold each other up.
func TestTwoThatFailTogether(t *testing.T) {
	b := newBed(t)
	b.site(1, "example.com")
	one, two := b.hook(1, "One", "https://one.example.com/", "standard"), b.hook(1, "Two", "https://two.example.com/", "standard")
	b.failing(one)
	b.failing(two)
	b.look(b.options())
	if b.reason(one) != "failing" || b.reason(two) != "failing" {
		t.Errorf("disabled as %q and %q, want both failing", b.reason(one), b.reason(two))
	}
	if told := b.told(); len(told) != 1 || !slices.Contains([]int64{one, two}, told[0]) {
		t.Errorf("told %v, want the one that was still on", told)
	}
}

// The site may be gone, and whoever wrote the row may have put anything there.
func TestToldOfAWebhookWithoutASiteOrURL(t *testing.T) {
	b := newBed(t)
	b.site(1, "example.com")
	bad := b.hook(9, "Lost", "nonsense", "standard")
	b.failing(bad)
	all := b.hook(0, "All", b.receiver.URL("/all"), "standard")
	b.look(b.options())
	if diff := cmp.Diff([]int64{all}, b.told()); diff != "" {
		t.Fatalf("told (-want +got):\n%s", diff)
	}
	payload := value[string](b, "select payload from plausible_webhooks.webhook_deliveries where webhook_id = $1", all)
	eventtest.Validate(t, []byte(payload))
	for _, part := range []string{`"site":null`, `"host":"(not a URL)"`, `"dashboard_url":null`} {
		if !strings.Contains(payload, part) {
			t.Errorf("%s lacks %s", payload, part)
		}
	}
}

// Whoever edits the webhook at the same time holds up its disabling, which reads
// Plausible's sites: a migration of Plausible is not held up with it.
func TestWaitForAWebhookToDisableHoldsUpNoMigration(t *testing.T) {
	b := newBed(t)
	b.site(1, "example.com")
	bad := b.hook(1, "CRM", b.receiver.URL("/bad"), "standard")
	b.failing(bad)
	tx, err := b.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if _, err := tx.Exec(t.Context(), "select from plausible_webhooks.webhooks where id = $1 for update", bad); err != nil {
		t.Fatal(err)
	}
	b.start(b.options())
	b.until("the disabling waits with a lock on sites", func() bool {
		return value[bool](b, "select exists (select from pg_locks l join pg_locks s using (pid) where not l.granted and s.relation = 'public.sites'::regclass)")
	})
	// Without a limit of ours it would take until the test's end.
	b.exec("begin; set local lock_timeout = '5s'; lock table sites in access exclusive mode; commit")
}
