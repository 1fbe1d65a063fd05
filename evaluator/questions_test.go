package evaluator

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// questions stands between an evaluator and ClickHouse, counts what is asked,
// and leaves single questions without an answer.
type questions struct {
	url string

	mu      sync.Mutex
	asked   []string
	failing int  // The question with this number, from 1, fails; zero: none.
	severed bool // It fails by a lost connection; otherwise with an error of ClickHouse.

	// hold, if not nil, is called with each question before it is passed on.
	hold func(query string)
}

func newQuestions(t *testing.T, events string) *questions {
	t.Helper()
	target, err := url.Parse(events)
	if err != nil {
		t.Fatal(err)
	}
	q := &questions{}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: target.Scheme, Host: target.Host})
	// No idle connections of its own, which would look like leaks.
	forward.Transport = &http.Transport{DisableKeepAlives: true}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, err := io.ReadAll(r.Body)
		if err != nil {
			return // The evaluator has hung up.
		}
		r.Body = io.NopCloser(bytes.NewReader(query))
		if q.hold != nil {
			q.hold(string(query))
		}
		switch fails, severed := q.ask(string(query)); {
		case fails && severed:
			panic(http.ErrAbortHandler)
		case fails:
			w.Header().Set("X-ClickHouse-Exception-Code", "202")
			http.Error(w, "Code: 202. DB::Exception: Too many simultaneous queries. (TOO_MANY_SIMULTANEOUS_QUERIES)", http.StatusInternalServerError)
		default:
			forward.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	q.url = server.URL + target.Path
	return q
}

func (q *questions) ask(query string) (fails, severed bool) {
	if strings.Contains(query, "displayName()") || query == "SELECT 1" {
		return false, false // The driver's own, and probes of settings.
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.asked = append(q.asked, query)
	return len(q.asked) == q.failing, q.severed
}

// fail begins to count anew, and lets a question fail.
func (q *questions) fail(number int, severed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.asked, q.failing, q.severed = nil, number, severed
}

// count is how many were asked since fail.
func (q *questions) count() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.asked)
}

// among is a world whose evaluator asks through questions.
func (q *questions) among(w *world) *world {
	w.t.Helper()
	client := openStats(w.t, q.url)
	w.stats, w.options.Stats = client, client
	w.restart()
	return w
}
