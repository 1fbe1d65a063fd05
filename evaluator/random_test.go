package evaluator

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/deploy/devstack/stack"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the one randomised history to run; 0: the fixed ones and a new one")

// Rows come late and out of order while people edit everything that can be
// edited, the evaluator dies, restarts, pauses and overlaps with another, and
// ClickHouse leaves questions unanswered. At each tick the ledger, which
// counts from the rows and the edits alone, says what is to be told.
//
// A failing history is repeated with -seed.
func TestRandomHistoriesAreCountedExactly(t *testing.T) {
	seeds := []uint64{4, 10, rand.Uint64()} // The fixed ones meet midnights and resets to the second.
	if *seedFlag != 0 {
		seeds = []uint64{*seedFlag}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			t.Logf("repeat with: go test ./evaluator -run %s -seed %d", "TestRandomHistoriesAreCountedExactly", seed)
			h := newHistory(t, seed)
			for range historySteps {
				h.step()
				if t.Failed() {
					return
				}
			}
			h.end()
		})
	}
}

const (
	historySteps = 120
	toldStory    = 400 // Lines of what happened before a failure.
)

// mornings are when histories begin: days of 23, 24 and 25 hours follow in
// some time zones of the sites.
var mornings = []time.Time{
	time.Date(2026, 3, 7, 20, 0, 0, 0, time.UTC), time.Date(2026, 4, 4, 9, 0, 0, 0, time.UTC), time.Date(2026, 6, 1, 23, 50, 0, 0, time.UTC),
}

var errDied = errors.New("died")

// history is a random one.
type history struct {
	*world
	random    *rand.Rand
	ledger    *ledger
	episodes  *episodes
	questions *questions
	other     *Evaluator // Another process.
	story     []string   // What happened, told when it went wrong.
	rowID     uint64
	through   int64 // Progress.
	edited    int64 // The second of the last edit.
}

func newHistory(t *testing.T, seed uint64) *history {
	t.Helper()
	w := newWorld(t)
	h := &history{world: w, random: rand.New(rand.NewPCG(seed, 0)), questions: newQuestions(t, w.events)}
	h.ledger = newLedger(int64(DefaultLateEvents/time.Second), int64(DefaultLookback/time.Second))
	h.episodes = newEpisodes(h.ledger)
	h.now = mornings[h.random.IntN(len(mornings))]
	h.questions.among(w)
	h.other = New(h.options)
	for site, zone := range []string{"Etc/UTC", "America/St_Johns", "Pacific/Auckland"} {
		id := h.site(int64(site + 1))
		edit(w, h.tables.Sites, id, func(s *config.Site) { s.Timezone = zone })
		for range 4 {
			h.addGoal(id)
		}
	}
	for _, site := range []int64{1, 2, 3, 1, 0} {
		hook := h.webhook(site)
		h.addTrigger(config.Trigger{WebhookID: hook, Type: event.GoalCompleted, CooldownSeconds: new(h.pick(0, 0, 20, 300))})
		switch site {
		case 1:
			h.addTrigger(config.Trigger{WebhookID: hook, Type: event.TrafficSpike, Threshold: 1 + h.random.IntN(6), WindowSeconds: 60, CooldownSeconds: new(h.pick(0, 30, 300))})
		case 2:
			h.addTrigger(config.Trigger{WebhookID: hook, Type: event.GoalThreshold, Threshold: 1 + h.random.IntN(3), WindowSeconds: 60, CooldownSeconds: new(h.pick(0, 30, 300))})
		case 0:
			h.addTrigger(config.Trigger{WebhookID: hook, Type: event.TrafficSpike, Threshold: 4, CooldownSeconds: new(60)})
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, line := range h.story[max(0, len(h.story)-toldStory):] {
				t.Log(line)
			}
		}
	})
	return h
}

func (h *history) tell(format string, arguments ...any) {
	h.story = append(h.story, h.now.Format(time.DateTime)+" "+fmt.Sprintf(format, arguments...))
}

func (h *history) pick(of ...int) int { return of[h.random.IntN(len(of))] }

// step lets time pass, something happen and, mostly, an evaluator tick.
func (h *history) step() {
	h.pass()
	for range h.random.IntN(3) {
		h.edit()
	}
	if h.random.IntN(10) == 0 {
		h.deleteRows()
	}
	h.arrive(h.random.IntN(8), 0)
	h.evaluateSomehow()
	h.arrive(h.random.IntN(3), 0) // In the same second, after the tick.
}

// pass lets time pass. Rows arrive meanwhile.
func (h *history) pass() {
	pause := time.Duration(h.random.IntN(9)) * time.Second
	switch h.random.IntN(20) {
	case 3: // To the last moments of a site's day.
		zone := zoneOf(h.tables.Sites[int64(1+h.random.IntN(3))])
		year, month, day := h.now.In(zone).Date()
		before := time.Date(year, month, day+1, 0, 0, 0, 0, zone).Add(-time.Duration(h.random.IntN(20)) * time.Second)
		pause = max(before.Sub(h.now), 0)
	case 0:
		pause = time.Duration(h.random.IntN(60)) * time.Minute
	case 1:
		pause = time.Duration(h.pick(110, 119, 120, 121, 130)) * time.Second
	case 2:
		pause = time.Duration(h.random.IntN(25)) * time.Hour
	}
	h.now = h.now.Add(pause)
	h.arrive(h.random.IntN(10), int64(pause/time.Second))
}

// arrive inserts rows that reach ClickHouse in the last seconds.
func (h *history) arrive(n int, within int64) {
	h.t.Helper()
	var events []stack.Event
	for range n {
		r := &ledgerRow{Event: h.event(), arrived: h.now.Unix() - h.random.Int64N(within+1)}
		switch h.random.IntN(10) {
		case 0: // As late as permitted.
			r.at = r.arrived - h.ledger.late
		case 1: // Later.
			r.at = r.arrived - h.ledger.late - 1 - h.random.Int64N(2000)
		case 2: // Of a Plausible whose clock is ahead.
			r.at = r.arrived + h.random.Int64N(4)
		case 3, 4:
			r.at = r.arrived - h.random.Int64N(h.ledger.late+1)
		case 5, 6: // In the second of the last edit, or beside it.
			if at := h.edited + h.random.Int64N(3) - 1; at <= r.arrived && at >= r.arrived-h.ledger.late {
				r.at = at
			} else {
				r.at = r.arrived
			}
		default:
			r.at = r.arrived - h.random.Int64N(6)
		}
		r.Timestamp = time.Unix(r.at, 0)
		h.rowID++
		r.SessionID = h.rowID
		h.ledger.rows = append(h.ledger.rows, r)
		events = append(events, r.Event)
		h.tell("row %d of site %d: %s %s %d%% %v by %d at %s, arrived %s", r.SessionID, r.SiteID, r.Name, r.Pathname, r.ScrollDepth, r.Props, r.UserID, r.Timestamp.UTC().Format(time.DateTime), time.Unix(r.arrived, 0).UTC().Format(time.TimeOnly))
	}
	h.insert(events...)
}

func (h *history) event() stack.Event {
	e := stack.Event{SiteID: uint64(1 + h.random.IntN(3)), UserID: uint64(1 + h.random.IntN(40)), Name: "pageview", Pathname: paths[h.random.IntN(len(paths))]}
	switch h.random.IntN(3) {
	case 0:
		e.Name = names[h.random.IntN(len(names))]
	case 1:
		e.Name, e.ScrollDepth = "engagement", uint8(h.pick(10, 50, 60, 90, stack.ScrollDepthMissing))
	}
	if h.random.IntN(2) == 0 {
		e.Props = map[string]string{"plan": plans[h.random.IntN(len(plans))]}
	}
	return e
}

// evaluateSomehow evaluates in one of the ways in which things go right or wrong.
func (h *history) evaluateSomehow() {
	h.t.Helper()
	switch way := h.random.IntN(16); {
	case way == 0:
		h.tell("no tick")
	case way <= 3:
		h.die()
	case way == 4:
		h.tickTogether()
	case way <= 6:
		h.tickUnanswered()
	case way == 7:
		h.restart()
		h.tell("restart")
		h.tickOn(h.evaluate)
	case way == 8:
		// The other process has led for a while.
		h.evaluate, h.other = h.other, h.evaluate
		h.tell("the other evaluates")
		h.tickOn(h.evaluate)
	default:
		h.tickOn(h.evaluate)
	}
}

func (h *history) tickOn(e *Evaluator) {
	h.t.Helper()
	// Scroll goals rest after a tick that was slow, which is this machine's
	// doing: so they are asked for, and asked for again.
	for range 2 {
		e.scrollsRest = 0
		report, err := e.Tick(h.t.Context())
		if err != nil {
			h.t.Fatal(err)
		}
		for _, err := range report.Unanswered {
			h.t.Errorf("unanswered: %v", err)
		}
		if e.scrollsRest <= h.now.Unix() {
			break
		}
	}
	h.tell("tick")
	h.settle(true, true)
}

// die lets the evaluator die between two statements, and another start.
func (h *history) die() {
	h.t.Helper()
	countdown, committed := h.random.IntN(5), false
	e := New(h.options)
	if h.random.IntN(2) == 0 {
		e = h.evaluate
	}
	e.options.interrupt = func(point string) error {
		if countdown--; countdown < 0 {
			committed = point == "committed"
			h.tell("dies at %s", point)
			return errDied
		}
		return nil
	}
	_, err := e.Tick(h.t.Context())
	if err != nil && !errors.Is(err, errDied) {
		h.t.Fatal(err)
	}
	e.options.interrupt = nil
	if h.random.IntN(3) > 0 {
		h.restart() // Otherwise only its connection was lost.
		h.tell("restart")
	}
	if err == nil || committed {
		h.settle(true, false)
	} else if list := h.fired(); len(list) > 0 {
		h.t.Errorf("told %v in a transaction that was not committed", list)
	}
}

// tickTogether lets two processes evaluate at once.
func (h *history) tickTogether() {
	h.t.Helper()
	h.tell("two evaluate at once")
	failures := make(chan error, 2)
	for _, e := range []*Evaluator{h.evaluate, h.other} {
		go func() {
			_, err := e.Tick(h.t.Context())
			failures <- err
		}()
	}
	for range 2 {
		if err := <-failures; err != nil && !errors.Is(err, errOvertaken) {
			h.t.Error(err)
		}
	}
	h.settle(true, false)
}

// tickUnanswered lets one question of a tick, or all, go unanswered.
func (h *history) tickUnanswered() {
	h.t.Helper()
	h.now = h.now.Add(time.Second) // Progress tells what was counted only if it moves.
	number := 1 + h.random.IntN(5)
	h.questions.fail(number, h.random.IntN(2) == 0)
	report, err := h.evaluate.Tick(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	asked := h.questions.count()
	h.questions.fail(0, false)
	h.tell("question %d of %d unanswered: %v", number, asked, report.Unanswered)
	if number > asked && len(report.Unanswered) > 0 {
		h.t.Errorf("all of %d questions were answered, and the report tells of %v", asked, report.Unanswered)
	}
	h.settle(len(report.Unanswered) == 0, false)
}

// settle compares what was told with the ledger. Answered: the goals were
// counted. Scrolled: so were the visitors of scroll goals.
func (h *history) settle(answered, scrolled bool) {
	h.t.Helper()
	now := h.now.Unix()
	var through int64
	if err := h.db.QueryRow(h.t.Context(), "select extract(epoch from counted_through)::bigint from plausible_webhooks.evaluation_progress").Scan(&through); err != nil {
		h.t.Fatal(err)
	}
	list := h.fired()
	slices.SortStableFunc(list, func(a, b told) int { return cmp.Compare(a.Data.Episode.Firing, b.Data.Episode.Firing) })
	for _, d := range list {
		h.tell("told by %d: %s, period %s to %s", d.Data.Trigger.ID, d, d.Data.Period.From.Format(time.TimeOnly), d.Data.Period.To.Format(time.TimeOnly))
		if !d.Timestamp.Equal(h.now) {
			h.t.Errorf("told at %s with the timestamp %s", h.now, d.Timestamp)
		}
	}
	tables := h.copy()
	if counted := answered || through > h.through; counted {
		h.through = through
		for _, mistake := range h.ledger.count(now, tables, list, scrolled) {
			h.t.Errorf("at %s: %s", h.now.Format(time.DateTime), mistake)
		}
	} else {
		for _, mistake := range h.ledger.scrolledAlone(now, list) {
			h.t.Errorf("at %s: %s", h.now.Format(time.DateTime), mistake)
		}
		// Definitions are not remembered, but looked at.
		defer h.ledger.keepDefinitions()()
		h.ledger.look(now, tables)
	}
	for _, d := range list {
		if d.Type == event.GoalCompleted {
			continue
		}
		if why := h.episodes.tell(now, tables, d); why != "" {
			h.t.Errorf("trigger %d: %s: %s", d.Data.Trigger.ID, d, why)
		}
	}
}

func (h *history) copy() config.Tables {
	return config.Tables{
		Sites: maps.Clone(h.tables.Sites), Goals: maps.Clone(h.tables.Goals),
		Webhooks: maps.Clone(h.tables.Webhooks), Triggers: maps.Clone(h.tables.Triggers),
	}
}

// end lets every cooldown and window pass; then nothing may be left to tell.
func (h *history) end() {
	h.t.Helper()
	h.restart()
	for _, pause := range []time.Duration{0, 6 * time.Minute, poll, poll, poll} {
		h.now = h.now.Add(pause)
		h.tickOn(h.evaluate)
	}
	for _, e := range h.episodes.open() {
		h.t.Errorf("the end of episode %s was never told", e)
	}
	var all, different int
	if err := h.db.QueryRow(context.WithoutCancel(h.t.Context()), "select count(*), count(distinct event_key) from plausible_webhooks.webhook_deliveries").Scan(&all, &different); err != nil || all != different || all == 0 {
		h.t.Errorf("%d deliveries with %d different keys (%v)", all, different, err)
	}
	h.t.Logf("%d rows, %d deliveries, %d episodes", len(h.ledger.rows), all, len(h.episodes.known))
}
