package evaluator

import (
	"testing"
	"time"

	"plausible-webhooks/config/event"

	"github.com/google/go-cmp/cmp"
)

// A spike is told within a poll interval of its rows, also right after a
// change of the configuration had its class evaluated out of turn.
func TestTickOutOfTurnLeavesTheRhythmAlone(t *testing.T) {
	c := class{event.TrafficSpike, 300}
	e := New(Options{PollInterval: 5 * time.Second})
	e.plan = &plan{classes: map[class]*members{c: {}}}
	if !e.due(c, 103, false) {
		t.Fatal("a new class is not due at once")
	}
	e.settle(turn{class: c}, 103, false, false)
	if !e.due(c, 105, true) {
		t.Error("the tick on schedule after one out of turn leaves the class out")
	}
	e.settle(turn{class: c}, 105, true, false)
	if e.due(c, 107, false) {
		t.Error("a tick out of turn brings a class forward that was just evaluated")
	}
	if !e.due(c, 110, true) {
		t.Error("the next tick on schedule leaves the class out")
	}
}

// New classes of long windows come one after the other, whether ticks are on
// schedule or not: those that a change of the configuration causes must not
// evaluate the same one again and again.
func TestNewClassesTakeTurns(t *testing.T) {
	spike, drop := class{event.TrafficSpike, 300}, class{event.TrafficDrop, 43200}
	for _, scheduled := range []bool{true, false} {
		e := New(Options{PollInterval: 2 * time.Second})
		e.plan = &plan{classes: map[class]*members{spike: {}, drop: {}}}
		for _, c := range []class{spike, drop} {
			e.unsettle(c, map[ruleKey]bool{{1, 1}: true})
		}
		var order []class
		for now := int64(100); now < 102; now++ {
			list, _ := e.turns(now, scheduled)
			for _, turn := range list {
				order = append(order, turn.class)
				e.settle(turn, now, scheduled, false)
			}
		}
		if diff := cmp.Diff([]class{spike, drop}, order, cmp.AllowUnexported(class{})); diff != "" {
			t.Errorf("scheduled %t: classes in order (-want +got):\n%s", scheduled, diff)
		}
	}
}
