package evaluator

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/deploy/devstack/stack"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// crowd makes up the visits of one site: a few dozen people who come and go in
// waves, and now and then nobody.
type crowd struct {
	*rand.Rand
	site uint64
	rate float64 // Rows a second.
}

func newCrowd(site int64, seed uint64) *crowd {
	return &crowd{rand.New(rand.NewPCG(seed, uint64(site))), uint64(site), 0.05}
}

// within returns the rows after one moment up to and including another.
func (c *crowd) within(after, through time.Time) (rows []stack.Event) {
	switch c.IntN(12) {
	case 0:
		c.rate = 0
	case 1:
		c.rate = 0.5 * c.Float64()
	case 2:
		c.rate = 0.05
	}
	span := through.Sub(after)
	n := int(c.rate * span.Seconds() * 2 * c.Float64())
	for range n {
		e := stack.Event{SiteID: c.site, UserID: 1 + c.Uint64N(60), Timestamp: after.Add(time.Second + time.Duration(c.Int64N(int64(span/time.Second)))*time.Second)}
		e.ReferrerSource = []string{"", "Google", "Bing", "Hacker News", "X"}[c.IntN(5)]
		e.Pathname = []string{"/", "/docs/a", "/docs/b", "/thanks"}[c.IntN(4)]
		switch c.IntN(6) {
		case 0:
			e.Name, e.Props = "Signup", map[string]string{"plan": []string{"pro", "free"}[c.IntN(2)]}
		case 1, 2:
			e.Name, e.ScrollDepth = "engagement", []uint8{20, 60, 90, stack.ScrollDepthMissing}[c.IntN(4)]
		}
		rows = append(rows, e)
	}
	return rows
}

// A backtest is what a running sidecar has done: the same firings, at the same
// times, with the same values, reasons, sources and pages.
func TestABacktestIsWhatASidecarHasDone(t *testing.T) {
	const interval, length = 30 * time.Second, 80 * time.Minute
	w := newWorld(t)
	w.options.PollInterval = interval
	w.restart()
	type trial struct {
		trigger config.Trigger
		goal    int64
	}
	var trials []trial
	var crowds []*crowd
	cooldown := func(seconds int) *int { return &seconds }
	for site := int64(1); site <= 4; site++ {
		w.site(site)
		hook := w.webhook(site)
		crowds = append(crowds, newCrowd(site, 20261123))
		signup := w.goal(config.Goal{SiteID: site, EventName: "Signup", CustomProps: map[string]string{"plan": "pro"}})
		page := w.goal(config.Goal{SiteID: site, PagePath: "/docs/**"})
		scroll := w.goal(config.Goal{SiteID: site, PagePath: "/docs*", ScrollThreshold: 60})
		for _, trigger := range []config.Trigger{
			{Type: event.TrafficSpike, Threshold: 8, Repeat: true, NotifyRecovery: true, CooldownSeconds: cooldown(600)},
			{Type: event.TrafficSpike, Threshold: 15, WindowSeconds: 900, NotifyRecovery: true, CooldownSeconds: cooldown(0)},
			{Type: event.TrafficDrop, Threshold: 25, WindowSeconds: 900, Repeat: true, NotifyRecovery: true, CooldownSeconds: cooldown(300)},
			{Type: event.TrafficDrop, Threshold: 2, WindowSeconds: 300, CooldownSeconds: cooldown(0)},
			{Type: event.GoalThreshold, GoalID: signup, Threshold: 3, WindowSeconds: 900, Repeat: true, NotifyRecovery: true, CooldownSeconds: cooldown(300)},
			{Type: event.GoalThreshold, GoalID: page, Threshold: 12, WindowSeconds: 300, Repeat: true},
			{Type: event.GoalThreshold, GoalID: scroll, Threshold: 5, WindowSeconds: 900, Repeat: true, NotifyRecovery: true, CooldownSeconds: cooldown(60)},
			{Type: event.GoalCompleted, GoalID: signup, Repeat: true},
			{Type: event.GoalCompleted, GoalID: page, Repeat: true, CooldownSeconds: cooldown(300)},
			{Type: event.GoalCompleted, GoalID: scroll, Repeat: true, CooldownSeconds: cooldown(120)},
			{Type: event.GoalCompleted, GoalID: scroll, Repeat: true},
		} {
			trigger.WebhookID = hook
			if trigger.Type == event.GoalCompleted {
				trigger.InsertedAt = noon
			}
			trials = append(trials, trial{w.tables.Triggers[w.trigger(trigger)], trigger.GoalID})
		}
	}
	// Midnight falls within the time on one site; on another statistics begin
	// within it; one had visitors some days ago, and the first ones none before.
	edit(w, w.tables.Sites, 2, func(s *config.Site) { s.Timezone = "Etc/GMT-11" })
	edit(w, w.tables.Sites, 3, func(s *config.Site) { s.NativeStatsStartAt = noon.Add(30 * time.Minute) })
	w.visits(3, 30, noon.Add(-10*time.Minute))
	w.visits(4, 3, noon.Add(-6*24*time.Hour))
	w.visits(4, 9, noon.Add(-20*time.Minute))
	for w.tick(0); w.now.Before(noon.Add(length)); {
		var rows []stack.Event
		for _, c := range crowds {
			rows = append(rows, c.within(w.now, w.now.Add(interval))...)
		}
		w.insert(rows...)
		w.evaluate.scrollsRest = 0 // It depends on how fast the machine is.
		w.tick(interval)
	}
	payloads := w.payloads()
	total := map[event.Type]int{}
	for _, x := range trials {
		name := fmt.Sprintf("site %d, trigger %d, %s", w.tables.Webhooks[x.trigger.WebhookID].SiteID, x.trigger.ID, x.trigger.Type)
		o := BacktestOptions{
			Site: w.tables.Sites[w.tables.Webhooks[x.trigger.WebhookID].SiteID], Trigger: x.trigger,
			Since: noon, Until: noon.Add(length), PollInterval: interval, BaseURL: w.options.BaseURL,
		}
		if g, ok := w.tables.Goals[x.goal]; ok {
			o.Goal = &g
		}
		h, err := Backtest(t.Context(), w.stats, o)
		if err != nil {
			t.Fatal(err)
		}
		want := payloads[x.trigger.ID]
		got := make([]any, len(h.Firings))
		fired := 0
		for i, f := range h.Firings {
			got[i] = payloadOf(t, f.Event)
			switch _, lists := data(got[i])["top_sources"]; {
			case !lists || f.Listed:
			case len(h.Firings)-i <= mostListed && !f.Ended:
				t.Errorf("%s: firing %d of %d has no lists", name, i, len(h.Firings))
			default:
				for _, key := range []string{"top_sources", "top_pages", "visitors"} {
					delete(data(got[i]), key)
					if i < len(want) {
						delete(data(want[i]), key)
					}
				}
			}
			if !f.Ended {
				fired++
				total[x.trigger.Type]++
			} else {
				total[f.Event.Type]++
			}
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-sidecar +backtest):\n%s", name, diff)
		}
		if h.Fired != fired || h.Omitted != 0 {
			t.Errorf("%s: fired %d, omitted %d; want %d, 0", name, h.Fired, h.Omitted, fired)
		}
	}
	for _, typ := range []event.Type{event.TrafficSpike, event.TrafficDrop, event.GoalThreshold, event.GoalCompleted, event.TrafficSpikeEnded, event.TrafficDropEnded, event.GoalThresholdEnded} {
		if total[typ] < 4 {
			t.Errorf("%d of %s in all; the comparison proves little: %v", total[typ], typ, total)
		}
	}
}

// data is the data of a decoded payload.
func data(payload any) map[string]any {
	return payload.(map[string]any)["data"].(map[string]any)
}

// payloads returns what was told, by trigger and time, without what a webhook
// is called.
func (w *world) payloads() map[int64][]any {
	w.t.Helper()
	rows, err := w.db.Query(w.t.Context(), "select trigger_id, payload from plausible_webhooks.webhook_deliveries order by payload::json ->> 'timestamp', inserted_at, event_key")
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	told := map[int64][]any{}
	for rows.Next() {
		var trigger int64
		var payload string
		if err := rows.Scan(&trigger, &payload); err != nil {
			w.t.Fatal(err)
		}
		told[trigger] = append(told[trigger], nameless(w.t, payload))
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return told
}

func payloadOf(t *testing.T, e event.Event) any {
	t.Helper()
	payload, err := event.Render(e, event.Standard)
	if err != nil {
		t.Fatal(err)
	}
	return nameless(t, payload)
}

// nameless is a payload without the name of its webhook, which a trigger that
// is not stored yet does not have, and without the id of its episode: it stands
// for the beginning of the trigger too.
func nameless(t *testing.T, payload string) any {
	t.Helper()
	var value map[string]any
	if err := json.Unmarshal([]byte(payload), &value); err != nil {
		t.Fatal(err)
	}
	delete(data(value)["webhook"].(map[string]any), "name")
	if episode, ok := data(value)["episode"].(map[string]any); ok {
		delete(episode, "id")
	}
	return value
}
