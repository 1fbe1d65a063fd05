package sender_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plausible-webhooks/config/event"
	"plausible-webhooks/sender"
)

// siteBed has a webhook of site 1 and one each of site 2, of the instance and
// of the environment, with a delivery each.
func siteBed(t *testing.T) (b *bed, log sender.SiteLog, own int64, others map[string]int64) {
	t.Helper()
	b = newBed(t)
	own = b.webhook("https://example.com/1", whsec)
	others = map[string]int64{"another site's": b.webhook("https://example.com/2", whsec), "the instance's": b.webhook("https://example.com/3", whsec), "the environment's": b.webhook("https://example.com/4", whsec)}
	b.exec("update plausible_webhooks.webhooks set site_id = 1 where id = any ($1)", []int64{own, others["the environment's"]})
	b.exec("update plausible_webhooks.webhooks set site_id = 2 where id = $1", others["another site's"])
	b.exec("update plausible_webhooks.webhooks set site_id = null where id = $1", others["the instance's"])
	b.exec("update plausible_webhooks.webhooks set managed_by = 'environment' where id = $1", others["the environment's"])
	return b, sender.SiteLog{DB: b.db, Site: 1}, own, others
}

// deliveries inserts so many of a webhook, a second apart, the newest last.
func (b *bed) deliveries(hook int64, n int, typ event.Type, status string) {
	b.t.Helper()
	b.exec(`insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload, status, inserted_at)
		select $1, $2, '{}', $3, now() - interval '1 day' + i * interval '1 second' from generate_series(1, $4::int) i`, hook, string(typ), status, n)
}

func TestSiteLogKnowsNoOtherSite(t *testing.T) {
	b, log, own, others := siteBed(t)
	mine := b.enqueue(own, "{}")
	for whose, hook := range others {
		theirs := b.enqueue(hook, "{}")
		for _, at := range []struct {
			hook int64
			id   string
			want error
		}{{hook, theirs, sender.ErrNoWebhook}, {own, theirs, sender.ErrNotFound}, {hook, mine, sender.ErrNoWebhook}} {
			if _, err := log.Show(t.Context(), at.hook, at.id); !errors.Is(err, at.want) {
				t.Errorf("%s: Show(%d) = %v; want %v", whose, at.hook, err, at.want)
			}
			if err := log.Resend(t.Context(), at.hook, at.id); !errors.Is(err, at.want) {
				t.Errorf("%s: Resend(%d) = %v; want %v", whose, at.hook, err, at.want)
			}
		}
		if _, err := log.ResendSince(t.Context(), hook, time.Time{}, nil); !errors.Is(err, sender.ErrNoWebhook) {
			t.Errorf("%s: ResendSince = %v", whose, err)
		}
		if _, err := log.EnqueueTest(t.Context(), hook, event.Standard, "{}"); !errors.Is(err, sender.ErrNoWebhook) {
			t.Errorf("%s: EnqueueTest = %v", whose, err)
		}
		if page, err := log.Page(t.Context(), sender.PageFilter{WebhookID: hook}); err != nil || len(page.Entries) != 0 {
			t.Errorf("%s: Page = %+v, %v", whose, page, err)
		}
		if latest, err := log.Latest(t.Context(), []int64{hook}, 20); err != nil || len(latest) != 0 {
			t.Errorf("%s: Latest = %+v, %v", whose, latest, err)
		}
	}
	if d, err := log.Show(t.Context(), own, mine); err != nil || d.ID != mine {
		t.Errorf("Show = %+v, %v", d, err)
	}
	if id, err := log.EnqueueTest(t.Context(), own, event.Standard, "{}"); err != nil || id == "" {
		t.Errorf("EnqueueTest = %q, %v", id, err)
	}
	b.exec("update plausible_webhooks.webhook_deliveries set status = 'failed' where id = $1", mine)
	if n, err := log.ResendSince(t.Context(), own, time.Time{}, nil); err != nil || n != 1 {
		t.Errorf("ResendSince = %d, %v; want 1", n, err)
	}
}

func TestLatestOfSeveral(t *testing.T) {
	b, log, own, _ := siteBed(t)
	second := b.webhook("https://example.com/5", whsec)
	b.exec("update plausible_webhooks.webhooks set site_id = 1 where id = $1", second)
	b.deliveries(own, 30, event.GoalCompleted, "delivered")
	b.deliveries(second, 2, event.TrafficSpike, "failed")
	latest, err := log.Latest(t.Context(), []int64{own, second}, 20)
	if err != nil || len(latest[own]) != 20 || len(latest[second]) != 2 {
		t.Fatalf("Latest = %d and %d, %v; want 20 and 2", len(latest[own]), len(latest[second]), err)
	}
	for hook, list := range latest {
		if !slices.IsSortedFunc(list, func(a, b sender.Entry) int { return b.InsertedAt.Compare(a.InsertedAt) }) || list[0].WebhookID != hook {
			t.Errorf("deliveries of webhook %d are not the newest first", hook)
		}
	}
}

// Pages must neither leave out nor repeat anything, also where many rows have
// the same time.
func TestPagesHoldEverythingOnce(t *testing.T) {
	b, log, own, _ := siteBed(t)
	b.deliveries(own, 40, event.GoalCompleted, "delivered")
	b.exec(`insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload, status, inserted_at)
		select $1, 'traffic.spike', '{}', (array['failed', 'cancelled', 'delivered'])[1 + i % 3], now() - interval '1 hour' from generate_series(1, 31) i`, own)
	for name, test := range map[string]struct {
		filter sender.PageFilter
		want   int
	}{
		"all":                  {sender.PageFilter{}, 71},
		"failed":               {sender.PageFilter{Status: "failed"}, 10},
		"cancelled":            {sender.PageFilter{Status: "cancelled"}, 11},
		"delivered":            {sender.PageFilter{Status: "delivered"}, 50},
		"pending":              {sender.PageFilter{Status: "pending"}, 0},
		"spikes":               {sender.PageFilter{EventType: event.TrafficSpike}, 31},
		"goals":                {sender.PageFilter{EventType: event.GoalCompleted}, 40},
		"delivered spikes":     {sender.PageFilter{EventType: event.TrafficSpike, Status: "delivered"}, 10},
		"failed goals":         {sender.PageFilter{EventType: event.GoalCompleted, Status: "failed"}, 0},
		"the last two hours":   {sender.PageFilter{From: time.Now().Add(-2 * time.Hour)}, 31},
		"before two hours ago": {sender.PageFilter{Until: time.Now().Add(-2 * time.Hour)}, 40},
	} {
		seen := map[string]bool{}
		test.filter.WebhookID, test.filter.Limit = own, 7
		for pages := 0; ; pages++ {
			page, err := log.Page(t.Context(), test.filter)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, e := range page.Entries {
				if seen[e.ID] {
					t.Errorf("%s: delivery %s comes twice", name, e.ID)
				}
				seen[e.ID] = true
			}
			if page.Next == "" {
				break
			}
			if len(page.Entries) != 7 || page.Partial || pages > 20 {
				t.Fatalf("%s: a page of %d that is not the last", name, len(page.Entries))
			}
			test.filter.After = page.Next
		}
		if len(seen) != test.want {
			t.Errorf("%s: %d deliveries in all; want %d", name, len(seen), test.want)
		}
	}
}

// Where next to nothing fits, a page is given up after so many rows, and the
// next one goes on from there.
func TestPageGivesUpAndGoesOn(t *testing.T) {
	b, log, own, _ := siteBed(t)
	b.deliveries(own, 1, event.TrafficSpike, "delivered")
	b.exec("update plausible_webhooks.webhook_deliveries set inserted_at = now() - interval '2 days'")
	b.deliveries(own, 6_000, event.GoalCompleted, "delivered")
	filter := sender.PageFilter{WebhookID: own, EventType: event.TrafficSpike}
	for pages := 1; ; pages++ {
		page, err := log.Page(t.Context(), filter)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Entries) == 1 && !page.Partial && page.Next == "" && pages == 3 {
			return
		}
		if len(page.Entries) != 0 || !page.Partial || page.Next == "" || page.Oldest.IsZero() || pages == 3 {
			t.Fatalf("page %d: %d deliveries, partial %v, next %q; want two pages of nothing, then the spike", pages, len(page.Entries), page.Partial, page.Next)
		}
		filter.After = page.Next
	}
}

func TestPlacesInTheLogThatAreNone(t *testing.T) {
	_, log, own, _ := siteBed(t)
	for _, after := range []string{"x", "1.", ".", "99999999999999999999.01990000-0000-7000-8000-000000000000", "9223372036854775807.01990000-0000-7000-8000-000000000000", "1.nonsense"} {
		if _, err := log.Page(t.Context(), sender.PageFilter{WebhookID: own, After: after}); !errors.Is(err, sender.ErrNotFound) {
			t.Errorf("after %q: %v; want ErrNotFound", after, err)
		}
	}
	if diff := cmp.Diff(fmt.Sprint([]sender.Entry{}), fmt.Sprint(mustPage(t, log, own).Entries)); diff != "" {
		t.Error(diff)
	}
}

func mustPage(t *testing.T, log sender.SiteLog, hook int64) sender.EntryPage {
	t.Helper()
	page, err := log.Page(t.Context(), sender.PageFilter{WebhookID: hook})
	if err != nil || page.Entries == nil {
		t.Fatalf("Page = %v, %v; want a list, if an empty one", page.Entries, err)
	}
	return page
}
