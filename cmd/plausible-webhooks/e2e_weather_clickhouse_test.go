package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"plausible-webhooks/deploy/devstack/stack"
)

// moody stands before ClickHouse and answers in its stead when it is told to:
// as a server that is overloaded, or as something that is no ClickHouse at all.
type moody struct {
	*httptest.Server
	mood atomic.Pointer[mood]
	met  atomic.Int64 // Questions that a mood has answered.
}

// mood answers a question, or leaves it to the engine.
type mood func(w http.ResponseWriter, r *http.Request) (answered bool)

func newMoody(t *testing.T, events string) (m *moody, address string) {
	t.Helper()
	engine, err := url.Parse(events)
	check(t, err)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: engine.Scheme, Host: engine.Host})
	m = &moody{}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if mood := m.mood.Load(); mood != nil && (*mood)(w, r) {
			m.met.Add(1)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		m.CloseClientConnections()
		m.Close()
	})
	return m, m.URL + engine.Path
}

// becomes is the beginning of a mood.
func (m *moody) becomes(mood mood) func() {
	return func() {
		m.met.Store(0)
		m.mood.Store(&mood)
	}
}

func (m *moody) recovers() { m.mood.Store(nil) }

// exception is ClickHouse's own way to fail.
func exception(code int, text string) mood {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("X-ClickHouse-Exception-Code", fmt.Sprint(code))
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, "Code: %d. DB::Exception: %s (version 24.12.1.1)\n", code, text)
		return true
	}
}

// body answers 200 with something that no driver can make sense of.
func body(text string) mood {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = io.WriteString(w, text)
		return true
	}
}

// readonly is a user who may change no setting (readonly = 1).
func readonly(w http.ResponseWriter, r *http.Request) bool {
	for name := range r.URL.Query() {
		if strings.HasPrefix(name, "max_") || name == "log_queries" || strings.HasPrefix(name, "cancel_") {
			return exception(164, "Cannot modify '"+name+"' setting in readonly mode. (READONLY)")(w, r)
		}
	}
	return false
}

// silent takes the question and never answers, until the client gives up.
func silent(_ http.ResponseWriter, r *http.Request) bool {
	_, _ = io.Copy(io.Discard, r.Body) // Or the server would not notice that the client has gone.
	<-r.Context().Done()
	return true
}

// Whatever befalls ClickHouse: nothing is lost, nothing is told twice, and no
// answer, or none that makes sense, is never taken for no visitors.
func TestWeatherOfClickHouse(t *testing.T) {
	t.Parallel() // It waits most of the time.
	engine, err := stack.StartClickHouse(t.Context(), stack.ClickHouseOptions{Profile: stack.ProfileCE})
	check(t, err)
	t.Cleanup(func() { check(t, engine.Stop()) })
	events, err := engine.CreateDatabase(t.Context(), "weather")
	check(t, err)
	front, address := newMoody(t, events)
	w := newWeather(t, stack.TestDatabase(t, stack.V32), events, "CLICKHOUSE_DATABASE_URL="+address)
	unansweredTimes := func(n float64) func() bool {
		var more func() bool
		return func() bool {
			if more == nil {
				more = w.since("plausible_webhooks_evaluation_unanswered_total", n)
			}
			return more()
		}
	}
	unanswered := func() func() bool { return unansweredTimes(2) }
	table := func(statement string) func() { return func() { w.onClickHouse(events, statement) } }
	half := strings.Repeat("\x01\x01\x09site_id\x06UInt64", 3)

	for _, s := range []storm{
		{"too many queries", front.becomes(exception(202, "Too many simultaneous queries. Maximum: 100. (TOO_MANY_SIMULTANEOUS_QUERIES)")), unanswered(), front.recovers},
		{"out of memory", front.becomes(exception(241, "Memory limit (total) exceeded. (MEMORY_LIMIT_EXCEEDED)")), unanswered(), front.recovers},
		{"garbage", front.becomes(body(string(bytes.Repeat([]byte{0xff, 0x00, 0x7f}, 999)))), unanswered(), front.recovers},
		{"a page of somebody else", front.becomes(body("<!doctype html><title>Sign in to the network</title>")), unanswered(), front.recovers},
		{"half an answer", front.becomes(body(half)), unanswered(), front.recovers},
		{"no body at all", front.becomes(body("")), func() bool { return front.met.Load() > 10 }, front.recovers},
		{"a proxy without its server", front.becomes(func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusBadGateway)
			return true
		}), unanswered(), front.recovers},
		// Settings are given up, and evaluation goes on while it lasts.
		{"readonly", front.becomes(readonly), func() bool {
			p := w.patches[len(w.patches)-1]
			return front.met.Load() > 0 && w.tally(p.path).conversions == p.completed
		}, front.recovers},
		// A question is given up after half a minute: one shows what the second would.
		{"silence", front.becomes(silent), unansweredTimes(1), func() {
			front.recovers()
			front.CloseClientConnections()
		}},
		{"connections cut", front.becomes(func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }), unanswered(), front.recovers},
		{"the table renamed", table("RENAME TABLE events_v2 TO hidden"), unanswered(), table("RENAME TABLE hidden TO events_v2")},
	} {
		if s.name == "the table renamed" {
			begin, end := s.begin, s.end
			// Events can be written only while the table has its name.
			s.begin, s.end = func() {}, func() {}
			felt := s.noticed
			s.noticed = func() bool {
				if begin != nil {
					begin()
					begin = nil
				}
				if !felt() {
					return false
				}
				end()
				return true
			}
		}
		w.pass(s)
	}
	w.pass(storm{"restarted", func() {}, func() bool {
		check(t, engine.Kill())
		w.until("the crash is felt", stormPatience, w.since("plausible_webhooks_evaluation_unanswered_total", 2))
		check(t, engine.Restart(t.Context()))
		return true
	}, func() {}})
	w.holds()
	if err := w.process.Stop(); err != nil {
		t.Error(err)
	}
}

// onClickHouse runs a statement in the database of events.
func (w *world) onClickHouse(events, statement string) {
	w.t.Helper()
	address, err := url.Parse(events)
	check(w.t, err)
	query := url.Values{"database": {strings.TrimPrefix(address.Path, "/")}}
	answer, err := http.Post("http://"+address.Host+"/?"+query.Encode(), "text/plain", strings.NewReader(statement))
	check(w.t, err)
	text, _ := io.ReadAll(answer.Body) // For the message alone.
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %s %s", statement, answer.Status, text)
	}
}
