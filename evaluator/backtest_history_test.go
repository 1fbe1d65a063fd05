package evaluator

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/deploy/devstack/stack"
	"plausible-webhooks/evaluator/stats"

	"github.com/google/go-cmp/cmp"
)

// backtest tries a trigger on site 1.
func (w *world) backtest(o BacktestOptions) History {
	w.t.Helper()
	o.Site, o.BaseURL = w.tables.Sites[1], w.options.BaseURL
	if o.Goal != nil {
		o.Goal.SiteID = 1
	}
	h, err := Backtest(w.t.Context(), w.stats, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

func TestHistoryOfASpike(t *testing.T) {
	w := newWorld(t)
	w.site(1)
	w.visits(1, 20, noon.Add(-time.Minute)) // Before, but within the first window.
	w.visits(1, 12, noon.Add(time.Hour))
	w.visits(1, 7, noon.Add(90*time.Minute))
	w.visits(1, 3, noon.Add(90*time.Minute+time.Second))
	w.visits(1, 99, noon.Add(2*time.Hour+time.Second)) // After.
	w.visits(2, 99, noon.Add(time.Hour))
	zero := 0
	h := w.backtest(BacktestOptions{
		Trigger: config.Trigger{Type: event.TrafficSpike, Repeat: false, CooldownSeconds: &zero}, Threshold: 10, Others: []int{5, 20, 21},
		Since: noon, Until: noon.Add(2 * time.Hour), Points: 12,
	})
	var at []string
	for _, f := range h.Firings {
		at = append(at, f.At.Format(time.TimeOnly)+" "+event.Headline(f.Event))
	}
	want := []string{
		"12:00:00 20 visitors on site1.example right now (threshold 10 in 5 minutes)",
		"13:00:00 12 visitors on site1.example right now (threshold 10 in 5 minutes)",
		"13:30:05 10 visitors on site1.example right now (threshold 10 in 5 minutes)",
	}
	if diff := cmp.Diff(want, at); diff != "" {
		t.Errorf("firings (-want +got):\n%s", diff)
	}
	if h.Fired != 3 || h.Rows != 42 || h.Evaluations != 1441 || h.Interval != 5*time.Second || h.Threshold != 10 || h.WindowSeconds != 300 || h.CooldownSeconds != 0 {
		t.Errorf("history %+v; want 3 firings of 42 rows and 1,441 evaluations, with the threshold of the options", h)
	}
	if diff := cmp.Diff([]Outcome{{5, 3}, {20, 1}, {21, 0}}, h.Others); diff != "" {
		t.Errorf("other thresholds (-want +got):\n%s", diff)
	}
	var values []int
	for _, p := range h.Series {
		values = append(values, p.Value)
	}
	if diff := cmp.Diff([]int{20, 0, 0, 0, 0, 0, 12, 0, 0, 10, 0, 0}, values); diff != "" || h.SeriesStep != 10*time.Minute || !h.Series[1].At.Equal(noon.Add(10*time.Minute)) {
		t.Errorf("series of %s (-want +got):\n%s", h.SeriesStep, diff)
	}
	if diff := cmp.Diff(Point{noon, 20}, h.Extreme); diff != "" {
		t.Errorf("extreme (-want +got):\n%s", diff)
	}
}

func TestHistoryOfADropBeginsWhereStatisticsDo(t *testing.T) {
	w := newWorld(t)
	w.site(1)
	edit(w, w.tables.Sites, 1, func(s *config.Site) { s.NativeStatsStartAt = noon.Add(time.Minute) })
	w.visits(1, 5, noon)
	w.visits(1, 5, noon.Add(time.Hour))
	h := w.backtest(BacktestOptions{
		Trigger: config.Trigger{Type: event.TrafficDrop, Threshold: 3, WindowSeconds: 3600, Repeat: true, NotifyRecovery: true},
		Since:   noon, Until: noon.Add(4 * time.Hour),
	})
	// There is nothing to lose before 13:00, and an hour later it is lost: at
	// the first evaluation that no longer sees it, the next within 36 seconds.
	if len(h.Firings) != 1 || h.Firings[0].Value != 0 || h.Firings[0].At.Sub(noon.Add(2*time.Hour)) > 36*time.Second || h.Firings[0].At.Before(noon.Add(2*time.Hour)) {
		t.Errorf("firings %+v; want one soon after 14:00", h.Firings)
	}
	if !h.Since.Equal(noon.Add(time.Minute)) || h.Interval != 36*time.Second || h.Extreme.Value != 0 || h.Rows != 5 {
		t.Errorf("since %s every %s, extreme %v, %d rows; want 12:01, 36s, 0, 5", h.Since, h.Interval, h.Extreme, h.Rows)
	}
}

// Who has reached a scroll goal earlier on the first day does not reach it
// again, and each completion of a day is told once.
func TestHistoryOfCompletions(t *testing.T) {
	w := newWorld(t)
	w.site(1)
	read := func(user uint64, at time.Time) stack.Event {
		return stack.Event{SiteID: 1, UserID: user, Name: "engagement", Pathname: "/docs", ScrollDepth: 70, Timestamp: at}
	}
	midnight := noon.Add(12 * time.Hour)
	w.insert(
		read(1, noon.Add(-time.Hour)), read(1, noon.Add(time.Hour)), read(2, noon.Add(time.Hour)), read(2, noon.Add(2*time.Hour)),
		read(2, midnight.Add(-time.Second)), read(1, midnight.Add(time.Second)), read(2, midnight.Add(2*time.Second)),
	)
	o := BacktestOptions{
		Goal:    &config.Goal{ID: 9, DisplayName: "Docs", PagePath: "/docs", ScrollThreshold: 60},
		Trigger: config.Trigger{Type: event.GoalCompleted}, Since: noon, Until: noon.Add(24 * time.Hour), Points: 24,
	}
	h := w.backtest(o)
	var told []string
	for _, f := range h.Firings {
		told = append(told, f.At.Format(time.TimeOnly)+" "+event.Headline(f.Event))
	}
	want := []string{`13:00:00 Goal "Docs" reached by 1 visitor on site1.example`, `00:00:05 Goal "Docs" reached by 2 visitors on site1.example`}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("firings (-want +got):\n%s", diff)
	}
	if h.Extreme.Value != 2 || h.Series[1].Value != 1 || h.Threshold != 0 {
		t.Errorf("extreme %v, series %v", h.Extreme, h.Series)
	}
	o.Format = event.Slack
	if h = w.backtest(o); h.CooldownSeconds != defaultChatCooldown {
		t.Errorf("cooldown of a chat webhook %d, want %d", h.CooldownSeconds, defaultChatCooldown)
	}
}

func TestBacktestsThatCannotBe(t *testing.T) {
	w := newWorld(t)
	w.site(1)
	for name, test := range map[string]struct {
		change func(*BacktestOptions)
		want   string
	}{
		"of no firing type":   {func(o *BacktestOptions) { o.Trigger.Type = event.TrafficSpikeEnded }, "type"},
		"without a threshold": {func(o *BacktestOptions) { o.Trigger.Threshold = 0 }, "threshold"},
		"without a goal":      {func(o *BacktestOptions) { o.Trigger.Type = event.GoalThreshold }, "goal"},
		"of the future":       {func(o *BacktestOptions) { o.Since = noon.Add(2 * time.Hour) }, "begin"},
		"before statistics":   {func(o *BacktestOptions) { o.Site.NativeStatsStartAt = noon.Add(2 * time.Hour) }, "begin"},
	} {
		o := BacktestOptions{Site: w.tables.Sites[1], Trigger: config.Trigger{Type: event.TrafficSpike, Threshold: 1}, Since: noon, Until: noon.Add(time.Hour)}
		test.change(&o)
		if _, err := Backtest(t.Context(), w.stats, o); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want an error that names the %s", name, err, test.want)
		}
	}
}

func TestABacktestEndsWithItsContext(t *testing.T) {
	w := newWorld(t)
	w.site(1)
	ctx, cancel := context.WithCancel(t.Context())
	told := 0
	_, err := Backtest(ctx, w.stats, BacktestOptions{
		Site: w.tables.Sites[1], Trigger: config.Trigger{Type: event.TrafficSpike, Threshold: 1}, Since: noon.Add(-90 * 24 * time.Hour), Until: noon,
		Progress: func(done, total int64) {
			if told++; done < 1 || done > total {
				t.Errorf("%d of %d done", done, total)
			}
			cancel()
		},
	})
	if !errors.Is(err, context.Canceled) || told != 1 {
		t.Errorf("%v after %d tellings; want it cancelled after the first", err, told)
	}
}

// What the windows say is what counting afresh says, however often the same
// few come.
func TestWindowsCountWhatIsInside(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		const window = 300
		visitors, rows := newVisitorsWithin(window), &rowsWithin{window: window}
		live := &liveVisitors{visitorsWithin: *newVisitorsWithin(window)}
		var all []stats.Visit
		for now := int64(1000); now < 40_000; now += 1 + random.Int64N(60) {
			for range random.IntN(60) * random.IntN(2) {
				v := stats.Visit{Second: now, User: random.Uint64N(1 + seed*10), Rows: 1 + random.IntN(3)}
				all = append(all, v)
				for _, m := range []meter{visitors, rows, live} {
					m.add(v)
				}
			}
			different, sum, before := map[uint64]bool{}, 0, false
			for _, v := range all {
				if v.Second >= now-window {
					different[v.User], sum = true, sum+v.Rows
				} else {
					before = true
				}
			}
			if got := visitors.at(now).value; got != len(different) {
				t.Fatalf("seed %d at %d: %d visitors, want %d", seed, now, got, len(different))
			}
			if got := rows.at(now).value; got != sum {
				t.Fatalf("seed %d at %d: %d rows, want %d", seed, now, got, sum)
			}
			if got := live.at(now); got.mayFire != before || got.value != len(different) {
				t.Fatalf("seed %d at %d: %+v, want %v", seed, now, got, before)
			}
			if len(visitors.queue) > 2*int(1+seed*10)+compactFrom {
				t.Fatalf("seed %d at %d: %d sightings of %d visitors are kept", seed, now, len(visitors.queue), len(different))
			}
		}
	}
}

func TestARecordKeepsTheNewest(t *testing.T) {
	var r record
	for at := range int64(2*mostFirings + 5) {
		r.add(replayed{at: at, firing: firing{ended: at%2 == 1}})
	}
	r.trim()
	if len(r.list) != mostFirings || r.list[0].at != mostFirings+5 || r.omitted != mostFirings+5 || r.fired != mostFirings+3 {
		t.Errorf("%d kept from %d on, %d omitted, %d fired", len(r.list), r.list[0].at, r.omitted, r.fired)
	}
}

// Lists are asked for the newest firings, never for ends, and for few where
// many visitors are to be sorted.
func TestFiringsWorthLists(t *testing.T) {
	for _, test := range []struct{ firings, value, want int }{{5, 10, 5}, {300, 10, mostListed}, {300, 40_000, 25}, {3, 2 * mostListedValue, 1}} {
		b := &backtest{rule: rule{kind: event.TrafficSpike, window: 300}, told: &record{}}
		for i := range test.firings {
			b.told.add(replayed{at: int64(1000 * i), firing: firing{value: test.value}})
			b.told.add(replayed{at: int64(1000*i + 500), firing: firing{value: 1, ended: true}})
		}
		listed, stretches := b.worthLists()
		newest := int64(1000 * (test.firings - 1))
		if len(stretches) != test.want || stretches[0] != (stats.Stretch{From: newest - 300, To: newest}) || listed[2*test.firings-2] != 0 || len(listed) != test.want {
			t.Errorf("%+v: %d stretches, the first %v", test, len(stretches), stretches[0])
		}
	}
}
