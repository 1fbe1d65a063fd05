package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/stack"
)

// scene is one case of a test of transitions: a site with a webhook of its own
// in an instance that many cases share, so that they wait together.
type scene struct {
	*world
	person *person
	site   int64
	domain string
	path   string // Of the webhook's URL.
	hook   int64
	seen   int // Requests looked at.
}

// sharing runs cases at once against one sidecar.
func sharing(t *testing.T, cases map[string]func(*scene)) {
	w := newWorld(t, stack.TestDatabase(t, stack.V32), stack.TestEvents(t))
	w.environ = append(w.environ, "WEBHOOKS_POLL_INTERVAL=1s")
	p := newPerson(t, w)
	p.addSite(w, "bystander.example") // Never are there no sites at all.
	w.startReady()
	w.following()
	// Not by t.Parallel, which runs as many at once as there are processors:
	// these wait most of the time.
	var playing sync.WaitGroup
	number := 0
	for name, play := range cases {
		number++
		own := *w
		s := &scene{world: &own, person: p, domain: fmt.Sprintf("case%d.example", number), path: fmt.Sprintf("/case%d", number)}
		playing.Go(func() {
			t.Run(name, func(t *testing.T) {
				s.t = t
				s.site = p.addSite(s.world, s.domain)
				s.hook = s.addHook(s.site, s.path, "")
				play(s)
			})
		})
	}
	playing.Wait()
	if t.Failed() {
		return
	}
	if !value[bool](w, "select count(*) = count(distinct (webhook_id, event_key)) and count(*) > 0 from plausible_webhooks.webhook_deliveries") {
		t.Error("deliveries share a key, or there are none")
	}
}

// old is a start long before every row of a scene.
const old = "now() - interval '1 day'"

// trigger makes one that is a day old, with plain SQL: columns beyond type and
// their values are given in SQL.
func (s *scene) trigger(kind, columns, values string) (id int64) {
	s.t.Helper()
	if columns != "" {
		columns, values = ", "+columns, ", "+values
	}
	return value[int64](s.world, "insert into plausible_webhooks.webhook_triggers (webhook_id, type, inserted_at"+columns+") values ($1, $2, "+old+values+") returning id", s.hook, kind)
}

// alter changes a trigger, and returns the first moment that counts after a
// restart of it.
func (s *scene) alter(trigger int64, set string) (from time.Time) {
	s.t.Helper()
	at := value[time.Time](s.world, "update plausible_webhooks.webhook_triggers set "+set+" where id = $1 returning coalesce(restarted_at, inserted_at)", trigger)
	return at.Truncate(time.Second).Add(time.Second)
}

// goal makes one that is a day old.
func (s *scene) goal(name string) (id int64) {
	s.t.Helper()
	return value[int64](s.world, "insert into public.goals (site_id, event_name, display_name, inserted_at, updated_at) values ($1, $2, $2, "+old+", "+old+") returning id", s.site, name)
}

// visitors writes page views of so many visitors.
func (s *scene) visitors(n int, at time.Time) { s.happen("pageview", n, at) }

// happen writes events of so many visitors.
func (s *scene) happen(name string, n int, at time.Time) {
	s.t.Helper()
	events := make([]stack.Event, n)
	for i := range events {
		events[i] = stack.Event{SiteID: uint64(s.site), Name: name, Timestamp: at}
	}
	if err := stack.InsertEvents(s.t.Context(), s.events, events); err != nil {
		s.t.Fatal(err)
	}
}

// forget deletes the site's events, as if time had passed.
func (s *scene) forget() {
	s.t.Helper()
	address, err := url.Parse(s.events)
	if err != nil {
		s.t.Fatal(err)
	}
	query := url.Values{"database": {strings.TrimPrefix(address.Path, "/")}}
	statement := fmt.Sprintf("ALTER TABLE events_v2 DELETE WHERE site_id = %d SETTINGS mutations_sync = 2", s.site)
	answer, err := http.Post("http://"+address.Host+"/?"+query.Encode(), "text/plain", strings.NewReader(statement))
	if err != nil {
		s.t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %s", statement, answer.Status)
	}
}

// heard is what the receiver got, in short and as a whole.
type heard struct {
	Type string
	Data struct {
		Site            struct{ Domain string }
		Trigger         struct{ ID int64 }
		Episode         struct{ ID string }
		Goal            struct{ Name string }
		Reason          string
		Visitors        *int
		Conversions     *int
		CurrentVisitors *int `json:"current_visitors"`
		PeakVisitors    int  `json:"peak_visitors"`
		PeakConversions int  `json:"peak_conversions"`
		DurationSeconds int  `json:"duration_seconds"`
	}
}

// String is the event in short: its type, the goal, the number that decided
// and why it ended.
func (h heard) String() string {
	number := h.Data.CurrentVisitors
	for _, n := range []*int{h.Data.Conversions, h.Data.Visitors} {
		if number == nil {
			number = n
		}
	}
	text := "null"
	if number != nil {
		text = fmt.Sprint(*number)
	}
	return strings.Join(strings.Fields(h.Type+" "+h.Data.Goal.Name+" "+text+" "+h.Data.Reason), " ")
}

// hears waits for the next requests and compares them, in any order.
func (s *scene) hears(want ...string) []heard {
	s.t.Helper()
	var list []heard
	left := append([]string(nil), want...)
	for _, request := range s.received(s.path, s.seen+len(want), patience)[s.seen:] {
		var h heard
		if err := json.Unmarshal(request.Body, &h); err != nil {
			s.t.Fatal(err)
		}
		list = append(list, h)
		found := -1
		for i, text := range left {
			if text == h.String() {
				found = i
			}
		}
		if found < 0 {
			s.t.Fatalf("heard %q; want one of %q", h, left)
		}
		left = append(left[:found], left[found+1:]...)
	}
	s.seen += len(want)
	return list
}

// silence waits until several evaluations have seen what is there now, and
// holds that nothing was told.
func (s *scene) silence(why string) {
	s.t.Helper()
	s.evaluated(3)
	if n := len(s.receiver.Requests(s.path)); n > s.seen {
		s.t.Fatalf("%s: %s; want silence", why, s.receiver.Requests(s.path)[s.seen].Body)
	}
	if n := value[int](s.world, "select count(*) from plausible_webhooks.webhook_deliveries where webhook_id = $1", s.hook); n > s.seen {
		s.t.Fatalf("%s: %d deliveries; want silence after %d", why, n, s.seen)
	}
}

// evaluated waits for evaluations that began after now: one may be under way.
func (s *scene) evaluated(n float64) {
	s.t.Helper()
	before := s.metric("plausible_webhooks_evaluation_ticks_total")
	s.until("evaluations", patience, func() bool { return s.metric("plausible_webhooks_evaluation_ticks_total") > before+n })
}

func (w *world) metric(name string) (n float64) {
	w.t.Helper()
	for line := range strings.Lines(w.metrics()) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			if err := json.Unmarshal([]byte(rest), &n); err == nil {
				return n
			}
		}
	}
	w.t.Fatalf("no metric %s", name)
	return 0
}
