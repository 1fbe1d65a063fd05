package evaluator

import (
	"bytes"
	"errors"
	"maps"
	"strings"
	"testing"

	"plausible-webhooks/config/event"

	"github.com/hashicorp/go-hclog"
)

// A ClickHouse that leaves questions of several parts unanswered, tick after
// tick, is one trouble: told when it begins and when nothing is left of it.
func TestSilenceOfClickHouseIsToldTwice(t *testing.T) {
	w, q := eventful(t)
	var log bytes.Buffer
	w.options.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Info, Output: &log})
	w.restart()
	told := func(when, want string) {
		t.Helper()
		var got []string
		for line := range strings.Lines(log.String()) {
			_, text, _ := strings.Cut(line, "  ")
			if strings.Contains(line, "[ERROR]") {
				_, text, _ = strings.Cut(line, "[ERROR] ")
			}
			text, _, _ = strings.Cut(text, ":")
			got = append(got, strings.TrimSpace(text))
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: told %q, want %q; log:\n%s", when, got, want, log.String())
		}
		log.Reset()
	}
	tick := func(failing int) {
		t.Helper()
		q.fail(failing, failing%2 == 0)
		if _, err := w.evaluate.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.now = w.now.Add(poll)
	}
	const begins = "evaluation stands still until ClickHouse answers; nothing is lost"
	tick(0)
	told("while all is answered", "")
	tick(1)
	if s := w.evaluate.Status().ClickHouse; s == nil || s.Since.IsZero() || s.Reason == "" {
		t.Errorf("status %+v; want since when and why", s)
	}
	told("at the first", begins)
	tick(2)
	tick(1)
	told("at others", "")
	tick(0)
	told("when all is answered", "evaluation goes on")
	if s := w.evaluate.Status().ClickHouse; s != nil {
		t.Errorf("status %+v after the end", s)
	}
	tick(2)
	told("the next time", begins)
	// What could not be asked is nobody's question any more.
	for part := range w.evaluate.silent {
		t.Logf("unanswered: %s", part)
	}
	w.evaluate.silent["traffic.drop over 77 s"] = true
	tick(0)
	told("once nobody asks", "evaluation goes on")
}

// PostgreSQL likewise, whether it takes the lead away or refuses results.
func TestTroubleOfPostgresIsToldTwice(t *testing.T) {
	var log bytes.Buffer
	e := New(Options{Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Info, Output: &log})})
	for range 3 {
		e.note(Report{}, errors.New("record evaluation: broken pipe"))
		e.stoodStill(errors.New("keep the lead of evaluation: conn closed"))
		e.note(Report{}, errOvertaken)
	}
	if s := e.Status().PostgreSQL; s == nil || s.Reason != "keep the lead of evaluation: conn closed" {
		t.Errorf("status %+v", s)
	}
	e.note(Report{Firings: 0}, nil)
	e.note(Report{Firings: 0}, nil)
	if n := strings.Count(log.String(), "\n"); n != 2 || !strings.Contains(log.String(), "PostgreSQL works again") {
		t.Errorf("%d lines, want a beginning and an end:\n%s", n, log.String())
	}
	if c := e.Counters(); c.Failed != 6 || c.Ticks != 2 || c.Complete.IsZero() {
		t.Errorf("counters %+v, want 6 failed and 2 done", c)
	}
}

func TestFiringsAreCountedByType(t *testing.T) {
	w, _ := eventful(t)
	report, err := w.evaluate.Tick(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[event.Type]int{}
	for _, d := range w.fired() {
		want[d.Type]++
	}
	if len(want) < 3 || !maps.Equal(report.Types, want) {
		t.Errorf("the report tells of %v, and %v were written", report.Types, want)
	}
	w.evaluate.note(report, nil)
	for kind, n := range want {
		if got := w.evaluate.Counters().Firings[kind]; got != int64(n) {
			t.Errorf("%d of %s counted, want %d", got, kind, n)
		}
	}
	if _, there := w.evaluate.Counters().Firings[event.TrafficSpikeEnded]; !there {
		t.Error("a type that has not fired yet is missing")
	}
}
