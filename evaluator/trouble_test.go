package evaluator

import (
	"context"
	"errors"
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/deploy/devstack/stack"
)

// A process that dies between any two statements repeats its tick; nothing is
// told twice and nothing is lost.
func TestDeathBetweenStatements(t *testing.T) {
	died := errors.New("died")
	for _, at := range []string{"progress", "states", "deliveries", "committed"} {
		t.Run(at, func(t *testing.T) {
			w := newWorld(t)
			hook, _ := w.goals(1)
			w.goal(config.Goal{SiteID: 1, EventName: "Signup"})
			w.trigger(config.Trigger{WebhookID: hook, Type: event.TrafficSpike, Threshold: 2, Repeat: true})
			w.insert(stack.Event{SiteID: 1, Name: "Signup"}, stack.Event{SiteID: 1, Name: "Signup"})
			reached := false
			w.options.interrupt = func(point string) error {
				if point == at {
					reached = true
					return died
				}
				return nil
			}
			w.restart()
			if _, err := w.evaluate.Tick(t.Context()); !errors.Is(err, died) {
				t.Fatalf("tick: %v, want it to die", err)
			}
			if !reached {
				t.Fatalf("point %s was not reached", at)
			}
			w.options.interrupt = nil
			alive := w.evaluate
			alive.options.interrupt = nil
			w.now = w.now.Add(poll)
			if at == "deliveries" {
				w.evaluate = alive // Only its connection was lost.
			} else {
				w.restart()
			}
			w.tick(0)
			w.tick(poll)
			w.wants("goal.completed site 1 Signup 2 by 2", "traffic.spike site 1 2")
		})
	}
}

func TestTwoEvaluatorsAtOnceTellEverythingOnce(t *testing.T) {
	w := newWorld(t)
	hook, _ := w.goals(1)
	w.goal(config.Goal{SiteID: 1, EventName: "Signup"})
	w.trigger(config.Trigger{WebhookID: hook, Type: event.TrafficSpike, Threshold: 1, Repeat: true})
	other := New(w.options)
	w.tick(0)
	for range 5 {
		w.insert(stack.Event{SiteID: 1, Name: "Signup"})
		failures := make(chan error, 2)
		for _, e := range []*Evaluator{w.evaluate, other} {
			go func() {
				_, err := e.Tick(t.Context())
				failures <- err
			}()
		}
		for range 2 {
			if err := <-failures; err != nil && !errors.Is(err, errOvertaken) {
				t.Error(err)
			}
		}
		w.now = w.now.Add(poll)
	}
	w.tick(0)
	conversions, spikes := 0, 0
	for _, d := range w.fired() {
		if d.Type == event.GoalCompleted {
			conversions += d.Data.Conversions
		} else {
			spikes++
		}
	}
	if conversions != 5 || spikes != 1 {
		t.Errorf("told %d conversions and %d spikes, want 5 and 1", conversions, spikes)
	}
}

func TestClickHouseAway(t *testing.T) {
	server, err := stack.StartClickHouse(t.Context(), stack.ClickHouseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	address, err := server.CreateDatabase(t.Context(), "events")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorldOn(t, address)
	hook, _ := w.goals(1)
	w.goal(config.Goal{SiteID: 1, EventName: "Signup"})
	w.trigger(config.Trigger{WebhookID: hook, Type: event.TrafficSpike, Threshold: 3, Repeat: true, NotifyRecovery: true})
	w.trigger(config.Trigger{WebhookID: hook, Type: event.TrafficDrop, Threshold: 2, WindowSeconds: 60, Repeat: true})
	w.visits(1, 3, w.now.Add(-time.Second))
	w.visits(1, 3, w.now.Add(-time.Hour))
	w.tick(0)
	w.wants("traffic.spike site 1 3")
	silent := func(why string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond) // Longer than any answer here takes.
		defer cancel()
		w.now = w.now.Add(10 * time.Minute)
		report, err := w.evaluate.Tick(ctx)
		if err == nil && len(report.Unanswered) == 0 {
			t.Errorf("%s: the tick was answered", why)
		}
		w.wants()
		w.now = w.now.Add(-10 * time.Minute)
	}
	w.now = w.now.Add(poll)
	w.insert(stack.Event{SiteID: 1, Name: "Signup"})
	for _, trouble := range []struct {
		name  string
		begin func() error
	}{{"failing", server.Fail}, {"paused", server.Pause}} {
		if err := trouble.begin(); err != nil {
			t.Fatal(err)
		}
		silent(trouble.name)
		silent(trouble.name)
		if err := server.Resume(); err != nil {
			t.Fatal(err)
		}
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	silent("killed")
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.tick(0)
	w.wants("goal.completed site 1 Signup 1 by 1")
}

func TestRunEvaluatesWhileItLeads(t *testing.T) {
	w := newWorld(t)
	w.goals(1)
	w.goal(config.Goal{SiteID: 1, EventName: "Signup", InsertedAt: time.Now().Add(-time.Hour)})
	for id := range w.tables.Triggers {
		edit(w, w.tables.Triggers, id, func(t *config.Trigger) { t.InsertedAt = time.Now().Add(-time.Hour) })
	}
	w.options.Clock = nil // ClickHouse's own.
	w.options.PollInterval = time.Second
	woken := make(chan struct{}, 10)
	w.options.Wake = func() { woken <- struct{}{} }
	w.insert(stack.Event{SiteID: 1, Name: "Signup", Timestamp: time.Now().Add(-time.Second)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	for range 2 {
		e := New(w.options)
		go func() { ended <- e.Run(ctx) }()
	}
	select {
	case <-woken:
	case <-time.After(20 * time.Second): // The first tick needs well under one.
		t.Error("nothing fired")
	}
	cancel()
	for range 2 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v, want the cause of its end", err)
		}
	}
	w.wants("goal.completed site 1 Signup 1 by 1")
}
