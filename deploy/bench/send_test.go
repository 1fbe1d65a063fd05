package main

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestParseSend(t *testing.T) {
	o, err := parseSend(nil)
	if err != nil || len(o.only) != len(sendParts) || o.deliveries != rateDeliveries || o.backlog != backlogDeliveries {
		t.Errorf("got %+v, %v, want all parts with what promises are made for", o, err)
	}
	o, err = parseSend([]string{"-only", "rate, backlog", "-backlog", "10"})
	if err != nil || !slices.Equal(o.only, []string{"rate", "backlog"}) || o.backlog != 10 {
		t.Errorf("got %+v, %v, want two parts", o, err)
	}
	for _, args := range [][]string{{"-only", "speed"}, {"-only", ""}, {"rate"}, {"-deliveries", "0"}} {
		if _, err := parseSend(args); err == nil {
			t.Errorf("%q: got no error", args)
		}
	}
}

// scripted are deliveries that fail after given waits, and good ones with
// given delays.
func scripted(n int, waits []time.Duration, good ...time.Duration) (map[string][]time.Time, map[string]time.Time) {
	start := time.Unix(1_800_000_000, 0)
	came, committed := map[string][]time.Time{}, map[string]time.Time{}
	for i := range n {
		at := start
		times := []time.Time{at}
		for _, wait := range waits {
			at = at.Add(wait)
			times = append(times, at)
		}
		came[fmt.Sprint("bad ", i)] = times
	}
	for i, took := range good {
		id := fmt.Sprint("good ", i)
		committed[id] = start
		came[id] = []time.Time{start.Add(took)}
	}
	return came, committed
}

func TestFailingPromises(t *testing.T) {
	whole := failingDeliveries * failingAttempts
	for _, test := range []struct {
		name          string
		attempts      int
		waits         []time.Duration
		good          time.Duration
		broken, lines int
	}{
		{"kept", whole, []time.Duration{1050 * time.Millisecond, 2100 * time.Millisecond, 3700 * time.Millisecond}, time.Millisecond, 0, 9},
		{"one attempt missing in the log", whole - 1, retryWaits, time.Millisecond, 1, 9},
		{"a wait too long", whole, []time.Duration{1101 * time.Millisecond, 2 * time.Second, 4 * time.Second}, time.Millisecond, 1, 9},
		{"a wait too short", whole, []time.Duration{time.Second, 2 * time.Second, 3590 * time.Millisecond}, time.Millisecond, 1, 9},
		{"a good one held up", whole, retryWaits, time.Second, 1, 9},
		{"the tail of the schedule lost", whole, retryWaits[:2], time.Millisecond, 2, 9},
	} {
		came, good := scripted(failingDeliveries, test.waits, test.good)
		list := failingPromises(test.attempts, failingDeliveries, failingDeliveries, came, good)
		broken := 0
		for _, p := range list {
			if p.broken {
				broken++
			}
		}
		if broken != test.broken || len(list) != test.lines {
			t.Errorf("%s: got %d of %d promises broken, want %d of %d: %+v", test.name, broken, len(list), test.broken, test.lines, list)
		}
	}
}
