package evaluator

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/config/event/eventtest"
	"plausible-webhooks/config/schema"
	"plausible-webhooks/deploy/devstack/stack"
	"plausible-webhooks/evaluator/stats"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	code := stack.Main(m)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// noon is when worlds begin; they have a clock of their own.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// world is one instance: real engines, a configuration made by hand (how it is
// followed is the business of cdc) and a clock that the test moves.
type world struct {
	t        *testing.T
	db       *pgxpool.Pool
	stats    *stats.Client
	events   string
	now      time.Time
	tables   config.Tables
	view     *config.View
	evaluate *Evaluator
	options  Options
	nextID   int64
	read     map[string]bool // Deliveries seen by fired.
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOn(t, stack.TestEvents(t))
}

func newWorldOn(t *testing.T, events string) *world {
	t.Helper()
	w := &world{t: t, events: events, now: noon, nextID: 100, read: map[string]bool{}}
	address := stack.TestDatabase(t, stack.NoPlausible)
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := schema.Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.db, err = pgxpool.New(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.db.Close)
	w.stats = openStats(t, events)
	w.tables = config.Tables{
		Sites: map[int64]config.Site{}, Goals: map[int64]config.Goal{}, Notifications: map[int64]config.Notification{},
		Webhooks: map[int64]config.Webhook{}, Triggers: map[int64]config.Trigger{},
	}
	w.options = Options{
		Views: func() *config.View { return w.view }, DB: w.db, Stats: w.stats, BaseURL: "https://plausible.example.com",
		Clock: func(context.Context) (time.Time, error) { return w.now, nil },
	}
	w.restart()
	return w
}

func openStats(t *testing.T, events string) *stats.Client {
	t.Helper()
	u, err := url.Parse(events)
	if err != nil {
		t.Fatal(err)
	}
	client, err := stats.Open(stats.Options{Scheme: u.Scheme, Addr: u.Host, Database: strings.TrimPrefix(u.Path, "/")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// restart is what a new process finds.
func (w *world) restart() { w.evaluate = New(w.options) }

// publish makes the tables a new view.
func (w *world) publish() {
	w.view = config.NewView(config.Tables{
		Sites: maps.Clone(w.tables.Sites), Goals: maps.Clone(w.tables.Goals), Notifications: maps.Clone(w.tables.Notifications),
		Webhooks: maps.Clone(w.tables.Webhooks), Triggers: maps.Clone(w.tables.Triggers),
	})
}

func (w *world) id() int64 {
	w.nextID++
	return w.nextID
}

func (w *world) site(id int64) int64 {
	w.tables.Sites[id] = config.Site{ID: id, Domain: fmt.Sprintf("site%d.example", id), Timezone: "Etc/UTC"}
	w.publish()
	return id
}

func (w *world) goal(g config.Goal) int64 {
	g.ID = w.id()
	if g.PagePath == "" || g.ScrollThreshold == 0 {
		g.ScrollThreshold = config.NoScrollThreshold
	}
	if g.DisplayName == "" {
		g.DisplayName = g.EventName + g.PagePath
	}
	if g.InsertedAt.IsZero() {
		g.InsertedAt = w.now.Add(-time.Hour)
	}
	g.UpdatedAt = g.InsertedAt
	w.tables.Goals[g.ID] = g
	w.publish()
	return g.ID
}

// webhook makes one of a site (zero: instance-wide), in PostgreSQL too.
func (w *world) webhook(site int64) int64 {
	w.t.Helper()
	hook := config.Webhook{ID: w.id(), SiteID: site, Name: "Ops", Format: event.Standard, Enabled: true, InsertedAt: w.now.Add(-time.Hour)}
	w.tables.Webhooks[hook.ID] = hook
	w.publish()
	w.exec("insert into plausible_webhooks.webhooks (id, site_id, name, url) values ($1, nullif($2::bigint, 0), 'Ops', 'https://example.com/')", hook.ID, site)
	return hook.ID
}

// trigger makes one that is an hour old unless it says otherwise.
func (w *world) trigger(t config.Trigger) int64 {
	t.ID = w.id()
	t.Enabled = true
	if t.InsertedAt.IsZero() {
		t.InsertedAt = w.now.Add(-time.Hour)
	}
	w.tables.Triggers[t.ID] = t
	w.publish()
	return t.ID
}

func edit[T any](w *world, table map[int64]T, id int64, change func(*T)) {
	row := table[id]
	change(&row)
	table[id] = row
	w.publish()
}

func (w *world) exec(statement string, arguments ...any) {
	w.t.Helper()
	if _, err := w.db.Exec(w.t.Context(), statement, arguments...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) insert(events ...stack.Event) {
	w.t.Helper()
	for i := range events {
		if events[i].Timestamp.IsZero() {
			events[i].Timestamp = w.now
		}
	}
	if err := stack.InsertEvents(w.t.Context(), w.events, events); err != nil {
		w.t.Fatal(err)
	}
}

// visits inserts n visitors at a time.
func (w *world) visits(site uint64, n int, at time.Time) {
	w.t.Helper()
	var events []stack.Event
	for range n {
		events = append(events, stack.Event{SiteID: site, Timestamp: at})
	}
	w.insert(events...)
}

// tick moves the clock and evaluates.
func (w *world) tick(after time.Duration) Report {
	w.t.Helper()
	w.now = w.now.Add(after)
	report, err := w.evaluate.Tick(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, err := range report.Unanswered {
		w.t.Errorf("unanswered: %v", err)
	}
	return report
}

// told is a delivery as a receiver sees it.
type told struct {
	Type      event.Type
	Timestamp time.Time
	Data      struct {
		Site    event.Site
		Webhook event.Webhook
		Trigger event.Trigger
		Episode event.Episode
		Goal    event.Goal

		CurrentVisitors *int          `json:"current_visitors"`
		PeakVisitors    int           `json:"peak_visitors"`
		DurationSeconds int           `json:"duration_seconds"`
		Reason          event.Reason  `json:"reason"`
		TopSources      []event.Count `json:"top_sources"`
		TopPages        []event.Count `json:"top_pages"`
		PeakConversions int           `json:"peak_conversions"`
		Visitors        *int
		Conversions     int
		Period          event.Period
	}
	status string
}

// fired returns the deliveries since the last call, in a stable order, each
// held to the schema of payloads.
func (w *world) fired() []told {
	w.t.Helper()
	rows, err := w.db.Query(w.t.Context(), "select event_key, payload, format, status from plausible_webhooks.webhook_deliveries order by event_key")
	if err != nil {
		w.t.Fatal(err)
	}
	var key, payload, format, status string
	var list []told
	if _, err := pgx.ForEachRow(rows, []any{&key, &payload, &format, &status}, func() error {
		if w.read[key] {
			return nil
		}
		w.read[key] = true
		one := told{status: status}
		if format == "standard" {
			eventtest.Validate(w.t, []byte(payload))
			if err := json.Unmarshal([]byte(payload), &one); err != nil {
				return err
			}
		}
		list = append(list, one)
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	slices.SortStableFunc(list, func(a, b told) int { return strings.Compare(a.String(), b.String()) })
	return list
}

// String is the event in short.
func (d told) String() string {
	s := fmt.Sprintf("%s site %d", d.Type, d.Data.Site.ID)
	switch {
	case d.Data.Reason != "" && d.Type.AboutGoal():
		return s + " " + d.Data.Goal.Name + " " + string(d.Data.Reason)
	case d.Data.Reason != "":
		return s + " " + string(d.Data.Reason)
	case d.Type.AboutGoal():
		return fmt.Sprintf("%s %s %d by %d", s, d.Data.Goal.Name, d.Data.Conversions, *d.Data.Visitors)
	case d.Data.CurrentVisitors != nil:
		return fmt.Sprintf("%s %d", s, *d.Data.CurrentVisitors)
	case d.Data.Visitors != nil:
		return fmt.Sprintf("%s %d", s, *d.Data.Visitors)
	}
	return s
}

// wants compares what has fired since the last look.
func (w *world) wants(want ...string) []told {
	w.t.Helper()
	list := w.fired()
	var got []string
	for _, d := range list {
		got = append(got, d.String())
	}
	slices.Sort(want)
	if !slices.Equal(want, got) {
		w.t.Errorf("at %s fired %q, want %q", w.now.Format(time.TimeOnly), got, want)
	}
	return list
}
