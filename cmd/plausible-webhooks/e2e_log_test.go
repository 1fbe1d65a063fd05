package main

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"plausible-webhooks/deploy/devstack/stack"
)

// troubled counts the lines of warnings and errors by room since a moment, and
// told those of any level that hold a text.
func (l *logLines) troubled(after string) map[string]int {
	counts := map[string]int{}
	room := regexp.MustCompile(`\[(?:WARN|ERROR)\]\s+([a-z]+):`)
	for line := range strings.Lines(strings.TrimPrefix(l.String(), after)) {
		if match := room.FindStringSubmatch(line); match != nil {
			counts[match[1]]++
		}
	}
	return counts
}

// An operator hears of each database that is away once in each room that needs
// it, and once when it is back: however often it was asked in between, and
// whatever it says while it starts.
func TestOutagesAreToldOnceAndTheirEnds(t *testing.T) {
	t.Parallel() // It waits most of the time.
	server := stack.TestPostgresWith(t, stack.PostgresOptions{})
	database, err := server.CreateDatabase(t.Context(), "told", stack.V32)
	if err != nil {
		t.Fatal(err)
	}
	events, err := stack.StartClickHouse(t.Context(), stack.ClickHouseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := events.Stop(); err != nil {
			t.Error(err)
		}
	})
	address, err := events.CreateDatabase(t.Context(), "told")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, database, address)
	w.environ = append(w.environ, "WEBHOOKS_POLL_INTERVAL=1s", "WEBHOOKS_LOG_LEVEL=debug")
	w.addSite(1, "told.example")
	w.startReady()
	w.following()
	hook := w.addHook(1, "/told", hookSecret)
	w.addTrigger(hook, "traffic.spike", 1000)
	w.addTrigger(hook, "traffic.drop", 1)
	w.addTrigger(hook, "goal.completed", 1)
	w.until("evaluation", patience, func() bool { return w.metric("plausible_webhooks_evaluation_ticks_total") > 2 })
	w.quiet("from the start")

	for range 2 { // The second time must be news again.
		before := w.log.String()
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		w.reason("PostgreSQL")
		w.until("every room to have tried several times", patience, func() bool {
			since := strings.TrimPrefix(w.log.String(), before)
			return strings.Count(since, "cdc: the configuration cannot be read yet") >= 3 &&
				strings.Count(since, "evaluator: PostgreSQL does not work yet") >= 3 && strings.Count(since, "sender: PostgreSQL does not work yet") >= 3
		})
		if w.metric("plausible_webhooks_ready") != 1 {
			t.Error("not ready while PostgreSQL is away")
		}
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.following()
		w.quiet("after PostgreSQL came back")
		w.begunAndEnded(before, map[string]string{
			"cdc": "the configuration can be read again", "evaluator": "PostgreSQL works again for evaluation", "sender": "the queue goes on: PostgreSQL works again",
		})
	}

	before := w.log.String()
	if err := events.Kill(); err != nil {
		t.Fatal(err)
	}
	w.reason("ClickHouse does not answer")
	unanswered := w.unanswered()
	w.until("several evaluations without an answer", patience, func() bool { return w.unanswered() >= unanswered+4 })
	if err := events.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.quiet("after ClickHouse came back")
	w.begunAndEnded(before, map[string]string{"evaluator": "evaluation goes on: ClickHouse answers"})

	// A running process exposes what is listed, and nothing grew with all this.
	listed := lines(describe(gather(t, freshRegistry(newInstruments()))))
	running := lines(parseMetrics(t, w.metrics()))
	for name, line := range running {
		if listed[name] != line {
			t.Errorf("running: %s %s; listed: %q", name, line, listed[name])
		}
	}
	if len(running) != len(listed) {
		t.Errorf("%d metrics while running, %d are listed", len(running), len(listed))
	}
	for _, needle := range []string{"told.example", "127.0.0.1", "/told"} {
		if strings.Contains(w.metrics(), needle) {
			t.Errorf("/metrics holds %q", needle)
		}
	}
}

// reason waits until /readyz tells of something, and stays ready.
func (w *world) reason(text string) {
	w.t.Helper()
	w.until("/readyz to tell of "+text, patience, func() bool {
		r := w.readiness()
		if !r.Ready {
			w.t.Fatalf("not ready: %+v", r)
		}
		return strings.Contains(strings.Join(r.Reasons, "\n"), text)
	})
}

// quiet waits until /readyz has nothing to tell.
func (w *world) quiet(when string) {
	w.t.Helper()
	var last []string
	defer func() {
		if w.t.Failed() {
			w.t.Logf("reasons: %q", last)
		}
	}()
	w.until("/readyz to tell of nothing "+when, patience, func() bool { last = w.readiness().Reasons; return len(last) == 0 })
}

// begunAndEnded holds the log since a moment against one beginning and one end
// in each room.
func (w *world) begunAndEnded(before string, ends map[string]string) {
	w.t.Helper()
	since := strings.TrimPrefix(w.log.String(), before)
	want := map[string]int{}
	for room, end := range ends {
		want[room] = 1
		if n := strings.Count(since, end); n != 1 {
			w.t.Errorf("%s tells of the end %d times, want once", room, n)
		}
	}
	if got := w.log.troubled(before); !maps.Equal(got, want) {
		w.t.Errorf("warnings and errors by room %v, want one in each of %v", got, slices.Sorted(maps.Keys(want)))
	}
	if w.t.Failed() {
		w.t.Fatalf("the log since then:\n%s", since)
	}
}
