package evaluator

import (
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/deploy/devstack/stack"

	"github.com/google/go-cmp/cmp"
)

const poll = DefaultPollInterval

func TestSpikeFiresOnceTellsItsSourcesAndRecovers(t *testing.T) {
	w := newWorld(t)
	w.site(1)
	w.trigger(config.Trigger{WebhookID: w.webhook(1), Type: event.TrafficSpike, Threshold: 3, Repeat: true, NotifyRecovery: true})
	w.visits(1, 2, w.now)
	w.tick(0)
	w.wants()
	w.insert(
		stack.Event{SiteID: 1, UserID: 7, Pathname: "/launch", ReferrerSource: "Hacker News"},
		stack.Event{SiteID: 1, UserID: 7, Pathname: "/launch", ReferrerSource: "Hacker News"},
		stack.Event{SiteID: 1, UserID: 8, Pathname: "/launch", ReferrerSource: "Google"},
		stack.Event{SiteID: 1, UserID: 9, Name: "engagement"},
	)
	w.tick(poll)
	first := w.wants("traffic.spike site 1 4")[0]
	if diff := cmp.Diff([]event.Count{{Name: "Google", Visitors: 1}, {Name: "Hacker News", Visitors: 1}}, first.Data.TopSources); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]event.Count{{Name: "/", Visitors: 2}, {Name: "/launch", Visitors: 2}}, first.Data.TopPages); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	w.visits(1, 5, w.now)
	w.tick(poll)
	w.restart() // The state survives the process.
	w.tick(poll)
	w.wants()
	w.tick(6 * time.Minute)
	w.wants()
	w.tick(poll)
	ended := w.wants("traffic.spike.ended site 1 recovered")[0]
	if got := ended.Data; got.PeakVisitors != 9 || got.DurationSeconds != 375 || got.Episode.ID != first.Data.Episode.ID {
		t.Errorf("end: peak %d, %d s, episode %s; want 9, 375, %s", got.PeakVisitors, got.DurationSeconds, got.Episode.ID, first.Data.Episode.ID)
	}
	w.tick(poll)
	w.wants()
}

func TestNothingFiresForWhatHappenedBeforeATrigger(t *testing.T) {
	w := newWorld(t)
	w.site(1)
	w.site(2)
	w.site(3)
	hook := w.webhook(1)
	w.visits(1, 5, w.now.Add(-time.Second))
	w.visits(1, 5, w.now)
	w.trigger(config.Trigger{WebhookID: hook, Type: event.TrafficSpike, Threshold: 5, Repeat: true, InsertedAt: w.now.Add(700 * time.Millisecond)})
	w.trigger(config.Trigger{WebhookID: w.webhook(0), Type: event.TrafficSpike, Threshold: 5, Repeat: true, InsertedAt: w.now})
	edit(w, w.tables.Sites, 3, func(s *config.Site) { s.NativeStatsStartAt = w.now.Add(20 * time.Second) })
	w.tick(2 * time.Second)
	w.wants()
	w.visits(1, 4, w.now)
	w.visits(2, 6, w.now)
	w.visits(3, 6, w.now)
	w.tick(poll)
	w.wants("traffic.spike site 2 6")
	w.visits(1, 1, w.now)
	w.tick(poll)
	w.wants("traffic.spike site 1 5", "traffic.spike site 1 5")
	w.visits(3, 7, noon.Add(20*time.Second)) // On the second from which Plausible counts.
	w.tick(10 * time.Second)
	w.wants("traffic.spike site 3 7")
}

func TestThresholdOfTheSitesOwnNotification(t *testing.T) {
	w := newWorld(t)
	w.site(1)
	w.site(2)
	w.trigger(config.Trigger{WebhookID: w.webhook(1), Type: event.TrafficSpike, Repeat: true, NotifyRecovery: true})
	w.trigger(config.Trigger{WebhookID: w.webhook(0), Type: event.TrafficSpike, Repeat: true})
	w.visits(1, 5, w.now)
	w.visits(2, 5, w.now)
	w.tick(0)
	w.wants() // No notification, no threshold.
	w.tables.Notifications[1] = config.Notification{ID: 1, SiteID: 1, Type: config.NotifySpike, Threshold: 5}
	w.tables.Notifications[2] = config.Notification{ID: 2, SiteID: 2, Type: config.NotifyDrop, Threshold: 5}
	w.publish()
	w.tick(0) // A new rule does not wait for its turn.
	list := w.wants("traffic.spike site 1 5", "traffic.spike site 1 5")
	if got := *list[0].Data.Trigger.Threshold; got != 5 {
		t.Errorf("threshold told: %d, want the notification's 5", got)
	}
	delete(w.tables.Notifications, 1)
	w.publish()
	w.tick(poll)
	w.wants("traffic.spike.ended site 1 changed")
}

func TestDropNeedsTrafficBefore(t *testing.T) {
	w := newWorld(t)
	for site := range int64(6) {
		w.site(site + 1)
		w.trigger(config.Trigger{WebhookID: w.webhook(site + 1), Type: event.TrafficDrop, Threshold: 2, Repeat: true, NotifyRecovery: true, InsertedAt: w.now})
	}
	const window = defaultDropWindow * time.Second
	w.visits(1, 3, w.now.Add(-window-time.Hour))      // Had traffic, has none.
	w.visits(2, 3, w.now.Add(-window-8*24*time.Hour)) // Too long ago.
	w.visits(3, 3, w.now.Add(-window-time.Hour))      // Had traffic,
	w.visits(3, 2, w.now.Add(-time.Hour))             // and has enough.
	w.visits(4, 1, w.now.Add(-time.Hour))             // Young: one visitor, none before.
	w.visits(5, 3, w.now.Add(-window-time.Hour))      // Statistics were reset since.
	w.insert(stack.Event{SiteID: 6, Name: "engagement", Timestamp: w.now.Add(-window - time.Hour)})
	edit(w, w.tables.Sites, 5, func(s *config.Site) { s.NativeStatsStartAt = w.now.Add(-window - time.Minute) })
	report := w.tick(0)
	w.wants("traffic.drop site 1 0")
	if report.Queries > 2 {
		t.Errorf("%d queries, want at most 2 whatever the number of sites", report.Queries)
	}
	// What is known of the past is not asked again.
	if report := w.tick(10 * time.Minute); report.Queries > 1 {
		t.Errorf("%d queries the second time, want 1", report.Queries)
	}
	w.wants()
	// Site 4's only visitor leaves the window: now it has lost something.
	w.tick(window)
	w.wants("traffic.drop site 1 0", "traffic.drop site 3 0", "traffic.drop site 4 0")
	w.visits(1, 2, w.now)
	w.tick(10 * time.Minute)
	w.tick(10 * time.Minute)
	w.wants("traffic.drop.ended site 1 recovered")
}

func TestClassesAreEvaluatedAsOftenAsTheirWindowAsks(t *testing.T) {
	w := newWorld(t)
	w.site(1)
	hook := w.webhook(1)
	w.trigger(config.Trigger{WebhookID: hook, Type: event.TrafficSpike, Threshold: 1000, Repeat: true})
	w.trigger(config.Trigger{WebhookID: hook, Type: event.TrafficDrop, Threshold: 1000, Repeat: true})
	classes := []int{}
	for range 90 {
		classes = append(classes, w.tick(poll).Classes)
	}
	both := 0
	for _, n := range classes {
		if n == 2 {
			both++
		} else if n != 1 {
			t.Fatalf("classes per tick: %v; want 1 or 2", classes)
		}
	}
	if both != 2 { // At the start, and 432 s later.
		t.Errorf("the drop class was evaluated %d times in 450 s, want 2", both)
	}
}

func TestEndsThatPeopleCause(t *testing.T) {
	for name, test := range map[string]struct {
		change func(w *world, hook, trigger int64)
		want   []string
	}{
		"trigger disabled": {func(w *world, _, trigger int64) {
			edit(w, w.tables.Triggers, trigger, func(t *config.Trigger) { t.Enabled = false })
		}, []string{"traffic.spike.ended site 1 changed"}},
		"trigger deleted": {func(w *world, _, trigger int64) {
			delete(w.tables.Triggers, trigger)
			w.publish()
		}, []string{"traffic.spike.ended site 1 removed"}},
		"webhook paused": {func(w *world, hook, _ int64) {
			edit(w, w.tables.Webhooks, hook, func(h *config.Webhook) { h.Enabled = false })
		}, []string{"traffic.spike.ended site 1 changed"}},
		"webhook deleted": {func(w *world, hook, trigger int64) {
			delete(w.tables.Webhooks, hook)
			delete(w.tables.Triggers, trigger)
			w.publish()
			w.exec("delete from plausible_webhooks.webhooks")
		}, nil},
		"site deleted": {func(w *world, _, _ int64) {
			delete(w.tables.Sites, 1)
			w.publish()
		}, []string{"traffic.spike.ended site 1 removed"}},
		"threshold raised": {func(w *world, _, trigger int64) {
			edit(w, w.tables.Triggers, trigger, func(t *config.Trigger) { t.Threshold = 100 })
		}, []string{"traffic.spike.ended site 1 changed"}},
		"enabled again unseen": {func(w *world, _, trigger int64) {
			edit(w, w.tables.Triggers, trigger, func(t *config.Trigger) { t.RestartedAt = w.now })
		}, []string{"traffic.spike.ended site 1 changed"}},
		"no sites at all, as during a restore": {func(w *world, _, _ int64) {
			clear(w.tables.Sites)
			w.publish()
		}, nil},
		"renamed": {func(w *world, hook, _ int64) {
			edit(w, w.tables.Webhooks, hook, func(h *config.Webhook) { h.Name = "Other" })
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.site(1)
			w.site(2)
			hook := w.webhook(1)
			trigger := w.trigger(config.Trigger{WebhookID: hook, Type: event.TrafficSpike, Threshold: 3, Repeat: true, NotifyRecovery: true})
			w.visits(1, 3, w.now)
			w.tick(0)
			w.wants("traffic.spike site 1 3")
			test.change(w, hook, trigger)
			w.tick(poll)
			w.tick(poll)
			w.wants(test.want...)
		})
	}
}

func TestDisabledWebhookHasItsFiringsRecordedAsCancelled(t *testing.T) {
	w := newWorld(t)
	w.site(1)
	hook := w.webhook(1)
	w.trigger(config.Trigger{WebhookID: hook, Type: event.TrafficSpike, Threshold: 3, Repeat: true})
	edit(w, w.tables.Webhooks, hook, func(h *config.Webhook) { h.Enabled, h.DisabledReason = false, "failing" })
	w.exec("update plausible_webhooks.webhooks set enabled = false, disabled_reason = 'failing'")
	w.visits(1, 3, w.now)
	w.tick(0)
	if got := w.wants("traffic.spike site 1 3")[0].status; got != "cancelled" {
		t.Errorf("status %s, want cancelled", got)
	}
	var unfinished int
	if err := w.db.QueryRow(t.Context(), "select count(*) from plausible_webhooks.webhook_deliveries where finished_at is null or next_attempt_at is not null").Scan(&unfinished); err != nil || unfinished != 0 {
		t.Errorf("%d of the cancelled deliveries are not finished (%v)", unfinished, err)
	}
}
