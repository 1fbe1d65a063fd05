package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"plausible-webhooks/config/settings/gate"
	"plausible-webhooks/config/settings/server"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5"
)

// However many people ask while Plausible is away, the log says so once, and
// once when it is back. Every answer is told of, by route.
func TestPlausibleAwayIsToldOnceAndAnswersAreCounted(t *testing.T) {
	var away atomic.Bool
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if away.Load() {
			panic(http.ErrAbortHandler)
		}
		fmt.Fprint(w, "hello")
	}))
	t.Cleanup(upstream.Close)
	plausible, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	var told []string
	handler, err := server.New(server.Options{
		Plausible: *plausible, Base: url.URL{Scheme: "https", Host: "plausible.example.com"}, Pages: &fakePages{},
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Info, Output: &log}),
		Served: func(s server.Served) { told = append(told, fmt.Sprint(s.Route, " ", s.Status)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(handler.Close)
	get := func(path string) {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
	}

	get("/example.com/settings/general")
	for range 2 {
		away.Store(true)
		for range 3 {
			get("/example.com/settings/general")
		}
		if trouble, database := handler.Troubles(); trouble == nil || trouble.Since.IsZero() || database != nil {
			t.Errorf("troubles %+v, %+v; want Plausible's", trouble, database)
		}
		away.Store(false)
		get("/example.com/settings/general")
		get("/example.com/settings/general")
		if trouble, _ := handler.Troubles(); trouble != nil {
			t.Errorf("trouble %+v after it is over", trouble)
		}
	}
	if begun, over := strings.Count(log.String(), "[WARN]"), strings.Count(log.String(), "Plausible answers the settings page again"); begun != 2 || over != 2 {
		t.Errorf("%d beginnings and %d ends, want 2 of each:\n%s", begun, over, log.String())
	}
	if strings.Contains(log.String(), "general") || strings.Contains(log.String(), "example.com/") {
		t.Errorf("the log holds a path:\n%s", log.String())
	}
	get("/api/event")
	get("/example.com/settings/webhooks/assets/none-0123456789ab.css")
	want := []string{
		"passthrough 200", "passthrough 502", "passthrough 502", "passthrough 502", "passthrough 200", "passthrough 200", "other 421", "asset 404",
	}
	if !slices.Equal(told[len(told)-len(want):], want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

// absent is a PostgreSQL that is away at times.
type absent struct {
	gate.Database
	away atomic.Bool
}

func (a *absent) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if a.away.Load() {
		closed, cancel := context.WithCancel(ctx)
		cancel()
		return a.Database.QueryRow(closed, sql, args...)
	}
	return a.Database.QueryRow(ctx, sql, args...)
}

func TestPostgresAwayIsToldOnce(t *testing.T) {
	db := &absent{}
	w := newWorld(t, func(w *world) {
		db.Database = w.db
		w.database = db
	})
	b := w.ownerBrowser()
	for range 2 {
		db.away.Store(true)
		for range 3 {
			b.get(page)
		}
		db.away.Store(false)
		b.get(page)
		b.get(page)
	}
	if begun, over := strings.Count(w.log.String(), "[ERROR]"), strings.Count(w.log.String(), "served again: PostgreSQL answers"); begun != 2 || over != 2 {
		t.Errorf("%d beginnings and %d ends, want 2 of each:\n%s", begun, over, w.log)
	}
}
