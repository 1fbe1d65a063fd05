package config_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
)

// large is the configuration that the limit of memory is about: 100,000 sites,
// with two goals and a webhook each, and five triggers on each webhook. Strings
// are rows' own, as they are when they come from a database.
func large() config.Tables {
	const sites = 100_000
	own := strings.Clone
	pick := func(n int64, of ...string) string { return own(of[n%int64(len(of))]) }
	tables := config.Tables{
		Sites: map[int64]config.Site{}, Goals: map[int64]config.Goal{}, Notifications: map[int64]config.Notification{},
		Webhooks: map[int64]config.Webhook{}, Triggers: map[int64]config.Trigger{},
	}
	second := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	micro := func(n int64) time.Time { return second.Add(time.Duration(n*1_234_567) * time.Microsecond) }
	for site := int64(1); site <= sites; site++ {
		tables.Sites[site] = config.Site{
			ID: site, Domain: fmt.Sprintf("site-%06d.example.com", site), TeamID: site/4 + 1,
			Timezone: pick(site, "Etc/UTC", "Europe/Tallinn", "America/New_York"), NativeStatsStartAt: second.Add(time.Duration(site) * time.Minute),
		}
		for n := range int64(2) {
			g := config.Goal{ID: 2*site + n, SiteID: site, ScrollThreshold: config.NoScrollThreshold, InsertedAt: second, UpdatedAt: second.Add(time.Hour)}
			switch site % 4 {
			case 0, 1:
				g.EventName = pick(site+n, "Signup", "Purchase", "Download", "Outbound Link: Click", "404")
				g.DisplayName = own(g.EventName)
			case 2:
				g.PagePath = pick(site+n, "/pricing", "/thanks", "/blog/**")
				g.DisplayName = "Visit " + g.PagePath
			case 3:
				g.PagePath = fmt.Sprintf("/campaign/%d-%d", site, n)
				g.DisplayName = "Visit " + g.PagePath
			}
			tables.Goals[g.ID] = g
		}
		if site%10 == 0 {
			tables.Notifications[site] = config.Notification{ID: site, SiteID: site, Type: config.NotificationType(own("spike")), Threshold: 10}
		}
		tables.Webhooks[site] = config.Webhook{
			ID: site, SiteID: site, Name: fmt.Sprintf("Alerts of team %d", site/4), Format: event.Format(pick(site, "standard", "slack")),
			Enabled: true, ManagedBy: own("settings"), InsertedAt: micro(site),
		}
		for n := range int64(5) {
			t := config.Trigger{
				ID: 5*site + n, WebhookID: site, Type: event.Type(pick(n, "traffic.spike", "traffic.drop", "goal.completed", "goal.completed", "goal.completed")),
				Repeat: true, Enabled: true, InsertedAt: micro(site),
			}
			switch n {
			case 0, 1:
				t.Threshold, t.WindowSeconds = 100, 900
			case 2, 3:
				t.GoalID = 2*site + n - 2
			}
			if n == 1 {
				cooldown := 3600
				t.CooldownSeconds = &cooldown
			}
			tables.Triggers[t.ID] = t
		}
	}
	return tables
}

func liveHeap() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // The first one may have been under way when memory was let go.
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// BenchmarkLiveHeap tells what a view keeps alive.
func BenchmarkLiveHeap(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		before := liveHeap()
		b.StartTimer()
		view := config.NewView(large())
		b.StopTimer()
		b.ReportMetric(float64(liveHeap()-before)/(1<<20), "MiB-live")
		runtime.KeepAlive(view)
		b.StartTimer()
	}
}

// BenchmarkChangeOfOneRow is a transaction that changes one trigger, and one
// that adds and takes away a goal, whose owners have to be found too.
func BenchmarkChangeOfOneRow(b *testing.B) {
	state := large().State()
	b.Run("trigger", func(b *testing.B) {
		b.ReportAllocs()
		view := (*config.View)(nil).Next(state)
		for b.Loop() {
			t, _ := view.Trigger(250_000)
			t.Threshold++
			next := state
			next.Triggers = next.Triggers.With([]config.Change[config.Trigger]{{ID: t.ID, Row: t}})
			state, view = next, view.Next(next)
		}
	})
	b.Run("goal", func(b *testing.B) {
		b.ReportAllocs()
		goal := config.Goal{ID: 1_000_000, SiteID: 500, EventName: "Signup"}
		goals := state.Goals
		for i := 0; b.Loop(); i++ {
			goals = goals.With([]config.Change[config.Goal]{{ID: goal.ID, Row: goal, Gone: i%2 == 1}})
		}
	})
}

// BenchmarkReading is what the readers of a view pay.
func BenchmarkReading(b *testing.B) {
	view := config.NewView(large())
	rows := 0
	b.Run("triggers", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for range view.Triggers() {
				rows++
			}
		}
	})
	b.Run("triggers of each webhook", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for id := range view.Webhooks() {
				rows += len(view.TriggersOf(id))
			}
		}
	})
	b.Run("goals changed since", func(b *testing.B) {
		b.ReportAllocs()
		state := large().State()
		before := view.Next(state)
		goal, _ := before.Goal(100_000)
		goal.DisplayName = "renamed"
		state.Goals = state.Goals.With([]config.Change[config.Goal]{{ID: goal.ID, Row: goal}})
		after := before.Next(state)
		for b.Loop() {
			for range after.GoalsChangedSince(before) {
				rows++
			}
		}
	})
	b.Run("one site", func(b *testing.B) {
		b.ReportAllocs()
		for id := int64(1); b.Loop(); id++ {
			if _, ok := view.Site(id%100_000 + 1); !ok {
				b.Fatal("no such site")
			}
		}
	})
}
