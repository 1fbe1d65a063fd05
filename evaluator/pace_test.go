package evaluator

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	start := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	p := pace{poll: 5 * time.Second, due: start}
	for i, step := range []struct {
		began, ended float64
		missed       int
		due          float64
		turned       turning
	}{
		{0, 0.1, 0, 5, unchanged},
		{5, 5.1, 0, 10, unchanged},
		{7, 7.1, 0, 10, unchanged}, // Out of turn: the schedule stays.
		{10, 11, 0, 15, unchanged}, // A fifth of the interval is just bearable.
		{15, 16.1, 1, 25, unchanged},
		{25, 25.1, 0, 30, unchanged},
		{30, 33, 2, 45, unchanged},
		{45, 48, 2, 60, unchanged},
		{60, 63, 2, 75, slowed},
		{75, 78, 2, 90, unchanged},
		{90, 90.1, 0, 95, unchanged},
		{95, 95.1, 0, 100, unchanged},
		{97, 99.5, 2, 110, unchanged}, // Out of turn and slow: it delays, too.
		{110, 110.1, 0, 115, unchanged},
		{115, 115.1, 0, 120, unchanged},
		{120, 120.1, 0, 125, recovered},
		{125, 161, 9, 175, unchanged}, // The machine slept: no reason to be late for long.
		{175, 211, 11, 235, unchanged},
		{235, 271, 15, 315, slowed}, // It really is slow.
	} {
		if got := p.ticked(at(step.began), at(step.ended)); got != step.missed {
			t.Errorf("step %d: %d missed, want %d", i, got, step.missed)
		}
		if !p.due.Equal(at(step.due)) {
			t.Errorf("step %d: next due after %s, want %v s", i, p.due.Sub(start), step.due)
		}
		if got := p.turned(); got != step.turned {
			t.Errorf("step %d: turned %d, want %d", i, got, step.turned)
		}
	}
}

func TestChangesWaitForABusyServer(t *testing.T) {
	start := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	p := pace{poll: 5 * time.Second, due: start}
	p.ticked(start, start.Add(50*time.Millisecond))
	if got, want := p.soon(start.Add(60*time.Millisecond)), start.Add(260*time.Millisecond); !got.Equal(want) {
		t.Errorf("after a quick tick a change is evaluated after %s, want %s", got.Sub(start), want.Sub(start))
	}
	p.ticked(start, start.Add(time.Second))
	if got, want := p.soon(start.Add(1100*time.Millisecond)), start.Add(2*time.Second); !got.Equal(want) {
		t.Errorf("after a slow tick a change is evaluated after %s, want %s", got.Sub(start), want.Sub(start))
	}
}
