package evaluator

import (
	"testing"
	"time"

	"plausible-webhooks/config/event"
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
